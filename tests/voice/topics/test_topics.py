"""Topics: known ones are found, come back and are told from noise; small and odd input gives a reason."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from cxlab import synthetic
from cxlab.voice.embed import embed
from cxlab.voice.text import words
from cxlab.voice.topics import clusters, topics
from tests.topic_world import word, world


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, list[list[str]], np.ndarray, np.ndarray, topics.Topics]:
    vectors, said, true, good = world()
    return vectors, said, true, good, topics.fit(vectors, said, language="en")


def test_known_topics_are_found_with_their_number(known):
    _, _, true, _, found = known
    assert found.k == 6
    assert clusters.agreement(true, found.assignment) > 0.95
    assert found.stability > 0.95
    assert (found.table["stability"] > 0.9).all()
    assert found.outlier_share < 0.05
    assert found.table["share"].sum() == pytest.approx(1)
    assert found.choice["chosen"].sum() == 1


def test_words_name_each_topic_and_no_word_of_tone_does(known):
    _, _, true, _, found = known
    for row, said in enumerate(found.table["keywords"]):
        topic = np.bincount(true[found.assignment == row]).argmax()
        assert {word(topic, i) for i in range(8)} == set(said[:8])
        assert not {"excellent", "terrible"} & set(said)
        assert found.table["topic_id"].iloc[row] == "-".join(said[:2])
    assert found.diversity > 0.9
    assert found.npmi > 0


def test_another_seed_gives_the_same_topics_and_the_same_seed_the_same_numbers(known):
    vectors, said, _, _, found = known
    again, other = (topics.fit(vectors, said, language="en", seed=s) for s in (0, 7))
    assert again.table.equals(found.table)
    assert np.array_equal(again.probability, found.probability)
    assert clusters.agreement(other.assignment, found.assignment) > 0.99


def test_tone_makes_no_topics():
    vectors, said, true, good = world(tone=2.0, seed=3)
    found = topics.fit(vectors, said, language="en", k=6)
    assert clusters.agreement(true, found.assignment) > 0.9
    rated = topics.fit(vectors, [w[:3] for w in said], language="en", k=6, tone=good)  # no word judges, scores do
    untold = topics.fit(vectors, [w[:3] for w in said], language="en", k=6)
    assert clusters.agreement(true, rated.assignment) > 0.9 > clusters.agreement(true, untold.assignment)


def test_shuffled_words_and_vectors_do_not_come_back(known):
    vectors, said, _, _ = world(shuffled=True)
    found = topics.fit(vectors, said, language="en")
    assert found.stability < 0.6 < known[-1].stability
    assert found.choice["stability"].max() < 0.6


def test_more_topics_than_there_are_come_back_less(known):
    vectors, said, _, _, found = known
    assert topics.fit(vectors, said, language="en", k=10).stability < found.stability - 0.05


def test_new_clauses_go_to_the_topics_that_stand(known):
    vectors, said, _, _, found = known
    topic, probability = found.predict(vectors[:50], said[:50])
    assert clusters.agreement(topic, found.assignment[:50]) > 0.95
    assert probability.min() >= 0
    assert found.predict(np.zeros((1, 60), np.float32), [[]])[0][0] == -1


def test_a_comment_gets_the_topic_of_most_of_its_words(known):
    found = known[-1]
    rows = np.flatnonzero(found.assignment == 0)[:3].tolist() + np.flatnonzero(found.assignment == 1)[:1].tolist()
    comment = np.full(len(found.assignment), "rest", object)
    comment[rows] = "mine"
    told = found.of_comments(comment).set_index("comment")["topic"]
    assert told["mine"] == 0


def test_repeated_clauses_count_in_sizes_and_make_no_topic(known):
    vectors, said, _, _, found = known
    weights = np.ones(len(said))
    weights[0] = 5000
    heavy = topics.fit(vectors, said, language="en", weights=weights)
    assert heavy.k == found.k
    assert heavy.table["size"].iloc[0] > 5000
    assert heavy.assignment[0] == 0


@pytest.mark.parametrize(
    ("n", "same", "blank", "reason", "k"),
    [(0, False, False, "few", 0), (1, False, False, "same", 1), (10, False, False, "few", 1),
     (40, True, False, "same", 1), (40, False, True, "no_words", 0), (17, False, False, "", None)],
)  # fmt: skip
def test_small_and_odd_input_gives_a_reason(n, same, blank, reason, k):
    vectors, said, *_ = world(max(n, 1))
    vectors, said = vectors[:n], said[:n]
    if same and n:
        vectors, said = np.repeat(vectors[:1], n, 0), said[:1] * n
    if blank:
        vectors, said = np.zeros_like(vectors), [[] for _ in said]
    found = topics.fit(vectors, said, language="en")
    assert found.reason == reason
    assert len(found.assignment) == n
    assert k is None or found.k == k
    assert len(found.fine()[0]) == n


def test_an_asked_number_is_given_and_one_too_large_is_what_there_is():
    vectors, said, *_ = world(60)
    assert topics.fit(vectors, said, language="en", k=4).k == 4
    assert topics.fit(vectors, said, language="en", k=200).k <= 60
    with pytest.raises(ValueError, match="one each a clause"):
        topics.fit(vectors[:5], said, language="en")


def test_narrow_intents_are_found_as_dense_groups():
    vectors, said, true, _ = world(1200, 40, noise=0.25, tone=0.0, seed=2)
    found = topics.fit(vectors, said, language="en", method="fine")
    assert found.method == "fine"
    assert clusters.agreement(true, found.assignment) > 0.8


def test_the_fit_needs_neither_bertopic_nor_scikit_learn():
    code = (
        "import sys, numpy as np; from cxlab.voice import topics; from tests.topic_world import world\n"
        "v, s, *_ = world(200, 3); topics.fit(v, s, language='en')\n"
        "assert not {'bertopic', 'sklearn', 'umap', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_fit_runs_in_a_forked_process():
    import multiprocessing as mp

    vectors, said, *_ = world(300, 3)
    topics.fit(vectors, said, language="en", k=3)  # the parent has used its linear algebra
    with mp.get_context("fork").Pool(1) as pool:
        k = pool.apply_async(_fitted, (vectors, said)).get(timeout=60)
    assert k == 3


def _fitted(vectors: np.ndarray, said: list[list[str]]) -> int:
    return topics.fit(vectors, said, language="en", k=3).k


@pytest.mark.parametrize("language", ["en", "zh"])
def test_topics_planted_in_the_demo_world_are_found(language, demo_sentences):
    frame = demo_sentences[demo_sentences["language"] == language]
    distinct = frame.drop_duplicates("text")
    said = words.tokens(distinct["text"], language)
    rows = embed.vectors(distinct["text"].tolist(), language, tokens=said).vectors
    weights = frame.groupby("text").size().reindex(distinct["text"]).to_numpy()
    found = topics.fit(rows, said, language=language, weights=weights, seeds=3)
    each = dict(zip(distinct["text"], found.assignment, strict=True))
    told = frame["text"].map(each).to_numpy()
    assert clusters.agreement(frame["topic"].to_numpy(), told) >= 0.8
    dealt = [w for s in said for w in s]
    np.random.default_rng(1).shuffle(dealt)
    shuffled = [dealt[a:b] for a, b in pairwise(np.cumsum([0, *map(len, said)]))]
    texts = [(" " if language == "en" else "").join(s) for s in shuffled]
    noise = embed.vectors(texts, language, tokens=shuffled, method="corpus").vectors
    assert topics.fit(noise, shuffled, language=language, k=found.k, seeds=3).stability < 0.6 < found.stability


@pytest.fixture(scope="module")
def demo_sentences(models):
    truth = synthetic.generate().truth.topics
    chinese = truth["text"].str.contains("[\u4e00-\u9fff]")
    return truth.assign(language=np.where(chinese, "zh", "en"))
