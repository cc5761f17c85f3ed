"""The number of topics, groups of directions and their measures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.voice.topics import clusters, n_topics, reduction
from tests.topic_world import world


def rows_of(n: int, k: int, **settings: float) -> tuple[np.ndarray, np.ndarray]:
    vectors, _, true, _ = world(n, k, tone=0.0, **settings)
    return reduction.fit(vectors, []).rows(vectors), true


@pytest.mark.parametrize("k", [3, 7, 12])
def test_the_true_number_is_chosen(k):
    rows, _ = rows_of(900, k, seed=k)
    found = n_topics.table(rows, seeds=3)
    assert int(found.loc[found["chosen"], "k"].iloc[0]) == k


def test_the_rule_takes_the_most_stable_of_those_as_good_as_the_best():
    frame = pd.DataFrame(
        {
            "k": [4, 5, 6, 7],
            "silhouette": [0.20, 0.298, 0.30, 0.35],
            "error": 0.01,
            "stability": [0.99, 0.97, 0.92, 0.5],
        }
    )
    assert n_topics.chosen(frame) == 1
    assert n_topics.chosen(frame.assign(stability=[0.1, 0.1, 0.4, 0.2])) == 2  # none comes back: the most stable


def test_too_few_clauses_leave_nothing_to_choose():
    rows, _ = rows_of(12, 2)
    assert n_topics.table(rows).empty


def test_known_groups_are_found_and_the_start_leaves_nothing_to_chance():
    rows, true = rows_of(800, 8)
    first, second = clusters.best(rows, 8), clusters.best(rows, 8)
    assert np.array_equal(first.labels, second.labels)
    assert clusters.agreement(true, first.labels) > 0.97
    assert np.allclose(np.linalg.norm(first.centres, axis=1), 1, atol=1e-5)


def test_weights_move_the_centre():
    rows = clusters.unit(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32))
    centre = clusters.centres_of(rows, np.zeros(2, int), 1, np.array([3.0, 1.0]))
    assert centre[0, 0] / centre[0, 1] == pytest.approx(3, rel=1e-5)


def test_agreement_and_silhouette_are_those_of_scikit_learn():
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    random = np.random.default_rng(0)
    rows, true = rows_of(300, 4)
    other = np.where(random.random(300) < 0.3, random.integers(4, size=300), true)
    assert clusters.agreement(true, other) == pytest.approx(adjusted_rand_score(true, other))
    assert clusters.agreement(true, true) == 1
    value, error = clusters.silhouette(rows, other)
    assert value == pytest.approx(silhouette_score(rows, other, metric="cosine"), abs=1e-4)
    assert 0 < error < 0.1
    assert clusters.silhouette(rows, np.zeros(300, int)) == (-1.0, 0.0)


def test_agreement_of_unrelated_groups_is_about_nothing():
    random = np.random.default_rng(1)
    values = [clusters.agreement(random.integers(5, size=400), random.integers(5, size=400)) for _ in range(40)]
    assert abs(np.mean(values)) < 0.005


def test_the_direction_of_tone_is_taken_out():
    vectors, said, _, good = world(tone=1.5)
    flat = reduction.fit(vectors, [reduction.judged(said, "en")])
    assert len(flat.tone) == 1
    rows = flat.rows(vectors)
    with_tone = reduction.fit(vectors, []).rows(vectors)
    told = [np.abs(np.corrcoef(x.T, good)[-1, :-1]).max() for x in (rows, with_tone)]
    assert told[0] < 0.15 < 0.8 < told[1]
    assert not len(reduction.fit(vectors[:20], [good[:20]]).tone)  # too few to know
    assert not reduction.judged(said, "pt").any()
