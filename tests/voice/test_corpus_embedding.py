import numpy as np
import pytest
from scipy import sparse

from cxlab.voice import corpus_embedding, words

EN = {
    "food": "soup bread salad dessert waiter menu dish dinner sauce kitchen",
    "room": "bed pillow shower towel window noise carpet balcony lamp blanket",
    "parcel": "courier package tracking delivery box shipment address label depot driver",
}
ZH = {
    "餐": "米饭 牛肉 青菜 汤面 饺子 味精 辣椒 鸡蛋 豆腐 包子",
    "房": "床单 枕头 毛巾 窗户 空调 地毯 电视 浴室 衣柜 台灯",
}


def said(topics, n, *, language="en", length=5, seed=0):
    random = np.random.default_rng(seed)
    names = list(topics)
    label = random.integers(len(names), size=n)
    gap = "" if language == "zh" else " "
    texts = [gap.join(random.choice(topics[names[k]].split(), length, replace=False)) for k in label]
    return texts, label


def purity(vectors, label, k=10):
    near = vectors @ vectors.T
    np.fill_diagonal(near, -9)
    return (label[np.argsort(-near, axis=1)[:, :k]] == label[:, None]).mean()


def made(texts, language="en", **more):
    return corpus_embedding.vectors(words.tokens(texts, language), language, **more)


@pytest.mark.parametrize(("topics", "language"), [(EN, "en"), (ZH, "zh"), (EN, "pt")])
def test_texts_of_a_topic_are_near_each_other_and_shuffled_words_are_not(topics, language):
    texts, label = said(topics, 300, language=language)
    assert purity(made(texts, language), label) > 0.95
    random = np.random.default_rng(1)
    every = " ".join(topics.values()).split()
    gap = "" if language == "zh" else " "
    noise = [gap.join(random.choice(every, 5)) for _ in texts]
    assert purity(made(noise, language), label) < 1 / len(topics) + 0.1


def test_rows_have_length_one_or_zero_where_nothing_is_known():
    texts, label = said(EN, 300)
    found = made([*texts, "", "👍", "zzyzx", "soup"])
    assert found.dtype == np.float32
    assert np.abs(np.linalg.norm(found[:300], axis=1) - 1).max() < 1e-5
    assert not found[300:303].any()
    near = np.argsort(-found[:300] @ found[-1])[:20]
    assert (label[near] == list(EN).index("food")).all()  # one word is enough


def test_the_same_texts_and_seed_give_the_same_vectors():
    texts, _ = said(EN, 150)
    assert np.array_equal(made(texts, seed=3), made(texts, seed=3))


@pytest.mark.parametrize(
    "texts", [[], ["one"], [""], ["same text"] * 5, ["", ""], ["a", "b"], ["word " * 500, "x"], ["the", "of", "and"]]
)
def test_few_or_empty_texts_are_no_error(texts):
    found = made(texts)
    assert found.shape[0] == len(texts)
    assert np.isfinite(found).all()


def test_words_spread_evenly_count_nothing_and_rare_ones_in_full(monkeypatch):
    monkeypatch.setattr(corpus_embedding, "COMMON", 1.0)
    names, ids, lengths = corpus_embedding._numbered(
        [["all", "here"], ["all"], ["all"], ["all"], ["rest", "rest"], ["rest"]]
    )
    found = corpus_embedding._log_entropy(
        corpus_embedding._counts(ids, lengths, len(names)), np.zeros(3, bool), 1
    ).toarray()
    assert names == ["all", "here", "rest"]
    # "here" stands in one text: weight one; "all" in four alike: 1 - log 4 / log 6; rows have length one
    assert found[0, 0] / found[0, 1] == pytest.approx(1 - np.log(4) / np.log(6), rel=1e-5)
    assert found[1] == pytest.approx([1, 0, 0], abs=1e-6)
    monkeypatch.setattr(corpus_embedding, "COMMON", 0.5)
    fewer = corpus_embedding._log_entropy(
        corpus_embedding._counts(ids, lengths, len(names)), np.array([False, False, True]), 1
    )
    assert fewer.shape == (6, 1)  # "all" is too common, "rest" a stop word


def test_neighbours_are_counted_as_one_by_one(monkeypatch):
    random = np.random.default_rng(0)
    lengths = random.integers(0, 12, 60)
    place = random.integers(-1, 7, lengths.sum())
    whole = corpus_embedding._surprise(place, lengths, 7).toarray()
    monkeypatch.setattr(corpus_embedding, "_SPAN", 11)
    assert np.allclose(corpus_embedding._surprise(place, lengths, 7).toarray(), whole, atol=1e-5)
    together = np.zeros((7, 7))
    for text in np.split(place, np.cumsum(lengths)[:-1]):
        for i, a in enumerate(text):
            for j, b in enumerate(text):
                if i != j and abs(i - j) <= corpus_embedding.WINDOW and a >= 0 and b >= 0:
                    together[a, b] += 1 / abs(i - j)
    context = together.sum(axis=1) ** corpus_embedding.SMOOTH
    with np.errstate(divide="ignore"):
        wanted = np.log(together / np.outer(together.sum(axis=1), context / context.sum()))
    assert np.allclose(whole, np.maximum(wanted, 0), atol=1e-5)


def test_words_used_alike_bring_texts_together_that_share_none():
    random = np.random.default_rng(0)
    sides = {"food": ("soup", "broth"), "parcel": ("parcel", "package"), "room": ("room", "suite")}
    around = {
        "food": ["hot", "salty", "tasty", "spoon", "bowl"],
        "parcel": ["late", "courier", "lost", "tracking", "sent"],
        "room": ["dark", "tiny", "carpet", "balcony", "quiet"],
    }
    said = [[*random.permutation(around[t])[:3], random.choice(sides[t])] for t in sides for _ in range(200)]
    asked = [["soup"], ["broth"], ["parcel"], ["package"]]
    names, ids, lengths = corpus_embedding._numbered([*said, *asked])
    counts = corpus_embedding._counts(ids, lengths, len(names))
    found = corpus_embedding._unit(corpus_embedding._likeness(ids, lengths, counts, np.zeros(len(names), bool), 10, 0))[
        -4:
    ]
    near = found @ found.T
    assert min(near[0, 1], near[2, 3]) > 0.8
    assert max(near[0, 2], near[0, 3], near[1, 2], near[1, 3]) < 0.3
    plain = counts.toarray()[-4:]
    assert not (plain @ plain.T)[0, 1]  # by their words alone they have nothing in common


def test_few_texts_get_few_directions():
    assert [corpus_embedding.directions(n) for n in (1, 100, 200, 10_000)] == [1, 17, 24, 50]


def test_a_wide_matrix_gives_no_more_directions_than_it_has():
    assert corpus_embedding._directions(sparse.csr_matrix(np.eye(3, dtype=np.float32)), 50, 0).shape == (3, 2)
    assert corpus_embedding._directions(sparse.csr_matrix((4, 0), dtype=np.float32), 50, 0).shape == (4, 0)
