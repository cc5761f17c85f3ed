"""Topics: known ones are found, come back and are told from noise; small and odd input gives a reason."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from cxlab import synthetic
from cxlab.voice import clusters, topics, words
from cxlab.voice.embedding import embed
from tests.topic_world import fitted, word, world


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, list[list[str]], np.ndarray, np.ndarray, topics.Topics]:
    vectors, said, true, good = world()
    return vectors, said, true, good, fitted(vectors, said)


@pytest.mark.parametrize("k", [3, 6, 12])
def test_known_topics_are_found_with_their_number(k):
    vectors, said, true, _ = world(900, k, seed=k)
    found = fitted(vectors, said)
    assert k <= found.k <= 2 * k
    pure = [np.bincount(true[found.assignment == row], minlength=k).max() for row in range(found.k)]
    assert sum(pure) > 0.93 * len(true)
    assert found.stability > 0.9
    assert found.outlier_share < 0.05
    assert found.table["share"].sum() == pytest.approx(1)


def test_words_name_each_topic_and_no_word_of_tone_does(known):
    vectors, said, true, _, _ = known
    found = fitted(vectors, said, k=6)
    for row, named in enumerate(found.table["keywords"]):
        topic = np.bincount(true[found.assignment == row]).argmax()
        assert {word(topic, i) for i in range(40)} >= set(named["en"][:8])
        assert len({word(topic, i) for i in range(15)} & set(named["en"][:8])) >= 5  # of forty, the commonest
        assert not {"excellent", "terrible"} & set(named["en"])
        assert found.table["topic_id"].iloc[row] == "-".join(named["en"][:2])
    assert found.diversity > 0.9
    vectors, said, *_ = world(shuffled=True)
    assert found.npmi > fitted(vectors, said, k=6).npmi + 0.2  # a clause has 3 of 40 words: most pairs never meet


def test_the_same_clauses_give_the_same_topics(known):
    vectors, said, _, _, found = known
    again = fitted(vectors, said)
    assert again.table.equals(found.table)
    assert np.array_equal(again.probability, found.probability)


def test_one_space_holds_both_languages(known):
    vectors, said, true, _, _ = known
    language = np.where(np.arange(len(said)) % 2, "zh", "en")
    tone = {"excellent": "不错", "terrible": "垃圾"}
    mixed = [[tone.get(w, f"zh{w}") for w in s] if c == "zh" else s for s, c in zip(said, language, strict=True)]
    found = fitted(vectors + 0.8 * (language == "zh")[:, None], mixed, language)
    assert found.k == 6
    assert adjusted_rand_score(true, found.assignment) > 0.9
    assert all(set(named) == {"en", "zh"} for named in found.table["keywords"])


def test_tone_makes_no_topics():
    vectors, said, true, good = world(tone=2.0, seed=3)
    assert adjusted_rand_score(true, fitted(vectors, said, k=6).assignment) > 0.9
    bare = [w[:3] for w in said]  # no word judges, scores do
    rated, untold = fitted(vectors, bare, k=6, tone=good), fitted(vectors, bare, k=6)
    assert adjusted_rand_score(true, rated.assignment) > 0.9 > adjusted_rand_score(true, untold.assignment)


def test_shuffled_words_and_vectors_are_one_subject():
    vectors, said, _, _ = world(shuffled=True)
    found = fitted(vectors, said)
    assert (found.k, found.reason) == (1, "one_subject")
    assert fitted(vectors, said, k=6).stability < 0.6


def test_what_does_not_come_back_is_no_finding(known):
    vectors, said, true, _, _ = known
    noise, dealt, _, _ = world(300, shuffled=True, seed=9)
    found = fitted(np.vstack([vectors, noise]), said + dealt)
    assert (found.table["stability"] >= topics.FLOOR).all()
    purity = [np.bincount(true[found.assignment[:600] == row], minlength=6).max() for row in range(found.k)]
    assert sum(sorted(purity)[-6:]) > 500


def test_topics_are_gathered_under_themes():
    vectors, said, true, _ = world(1600, 20, seed=5)
    random = np.random.default_rng(0)
    over = np.linalg.qr(random.standard_normal((60, 6)))[0].T
    found = fitted(vectors + 1.5 * over[true % 6], said)
    table = found.table
    assert 5 <= table["theme"].nunique() <= 12 < found.k
    mine = np.array([np.bincount(true[found.assignment == row]).argmax() % 6 for row in range(found.k)])
    assert adjusted_rand_score(mine, table["theme"]) > 0.8
    assert not fitted(*world(300, 3)[:2], k=3).table["theme"].any()


def test_repeated_clauses_count_in_sizes_and_make_no_topic(known):
    vectors, said, _, _, found = known
    weights = np.ones(len(said))
    weights[0] = 5000
    heavy = fitted(vectors, said, weights=weights)
    assert heavy.k <= found.k
    assert heavy.table["size"].iloc[0] > 5000
    assert heavy.assignment[0] == 0


@pytest.mark.parametrize(
    ("n", "same", "blank", "reason", "k"),
    [(0, False, False, "few", 0), (1, False, False, "same", 1), (30, False, False, "few", 1),
     (80, False, True, "no_words", 0)],
)  # fmt: skip
def test_small_and_odd_input_gives_a_reason(n, same, blank, reason, k):
    vectors, said, *_ = world(max(n, 1))
    vectors, said = vectors[:n], said[:n]
    if same and n:
        vectors, said = np.repeat(vectors[:1], n, 0), said[:1] * n
    if blank:
        vectors, said = np.zeros_like(vectors), [[] for _ in said]
    found = fitted(vectors, said)
    assert (found.reason, found.k) == (reason, k)
    assert len(found.assignment) == len(found.leaf) == n


def test_an_asked_number_is_given_and_one_too_large_is_what_there_is():
    vectors, said, *_ = world(60)
    assert fitted(vectors, said, k=4).k == 4
    assert fitted(vectors, said, k=200).k <= 60


def test_narrow_intents_are_found():
    vectors, said, true, _ = world(1200, 40, noise=0.25, tone=0.0, seed=2)
    found = fitted(vectors, said)
    assert 30 <= found.k <= 60
    assert adjusted_rand_score(true, found.assignment) > 0.8


def test_the_fit_needs_no_bertopic():
    code = (
        "import sys; from tests.topic_world import world, fitted\n"
        "v, s, *_ = world(200, 3); fitted(v, s)\n"
        "assert not {'bertopic', 'umap', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_fit_runs_in_a_forked_process():
    import multiprocessing as mp

    vectors, said, *_ = world(300, 3)
    fitted(vectors, said, k=3)  # the parent has used its linear algebra
    with mp.get_context("fork").Pool(1) as pool:
        k = pool.apply_async(_fitted, (vectors, said)).get(timeout=60)
    assert k == 3


def _fitted(vectors: np.ndarray, said: list[list[str]]) -> int:
    return fitted(vectors, said, k=3).k


def test_topics_planted_in_the_demo_world_are_found_in_both_languages():
    truth = synthetic.generate().truth.topics
    distinct = truth.drop_duplicates("text")
    language = np.where(distinct["text"].str.contains("[\u4e00-\u9fff]"), "zh", "en")
    said: list[list[str]] = [[] for _ in language]
    for code in ("en", "zh"):
        at = np.flatnonzero(language == code)
        for i, own in zip(at, words.tokens(distinct["text"].iloc[at], code), strict=True):
            said[i] = own
    weights = truth.groupby("text").size().reindex(distinct["text"]).to_numpy(float)
    found = fitted(embed(distinct["text"].tolist()).vectors, said, language, weights=weights, refits=3)
    assert found.stability > topics.FLOOR
    assert 12 < found.k <= topics.MOST
    table = np.zeros((found.k, 20))
    told = found.assignment >= 0
    np.add.at(
        table, (found.assignment[told], np.unique(distinct["topic"], return_inverse=True)[1][told]), weights[told]
    )
    assert table.max(axis=1).sum() / table.sum() > 0.85  # fine topics, each of one planted one
    assert sum(len(named) == 2 for named in found.table["keywords"]) > 5


def test_weights_move_the_centre_and_a_handful_of_clauses_holds_it_back():
    rows = clusters.in_blocks([(np.arange(2), np.eye(2, dtype=np.float32))], 2, np.array([300.0, 100.0]))
    centre = rows.centres(np.zeros(2, int), 1)
    assert centre[0, 0] / centre[0, 1] == pytest.approx(3, rel=1e-5)
    assert np.linalg.norm(centre) == pytest.approx(1, abs=0.01)
    few = clusters.in_blocks([(np.arange(1), np.eye(1, dtype=np.float32))], 1, np.ones(1))
    assert few.centres(np.zeros(1, int), 1)[0, 0] == pytest.approx(1 / 3)


def test_the_direction_of_tone_and_the_mean_of_a_language_are_taken_out():
    vectors, _, _, good = world(tone=1.5)
    language = np.where(np.arange(600) % 2, "zh", "en")
    moved, mass = vectors + 2.0 * (language == "zh")[:, None], np.ones(600)
    for values, tones, groups, what in (
        (vectors, [good.astype(float)], None, good),
        (moved, [], language, (language == "zh").astype(float)),
    ):
        without = clusters.directions(values, tones, mass, groups)
        plain = clusters.directions(values, [], mass)
        told = [np.abs(np.corrcoef(x.T, what)[-1, :-1]).max() for x in (without, plain)]
        assert told[0] < 0.15 < 0.8 < told[1]


@pytest.mark.filterwarnings("ignore")
def test_bertopic_carries_the_topics(known, tmp_path):
    _, said, _, _, found = known
    model = topics.bertopic(found, said)
    assert adjusted_rand_score(found.assignment, np.array(model.topics_)) == 1
    assert len(model.hierarchical_topics([" ".join(s) for s in said])) == found.k - 1
    model.save(str(tmp_path / "m"), serialization="safetensors", save_ctfidf=True)
    assert not list((tmp_path / "m").glob("*.pkl"))
    with pytest.raises(ValueError, match="599 texts"):
        topics.bertopic(found, said[1:])
