"""Clauses with known topics: a direction and words each, tone across them all."""

from __future__ import annotations

from typing import Any

import numpy as np

from cxlab.voice import keywords, topics
from cxlab.voice.clusters import Rows
from cxlab.voice.keywords import Counts


def word(topic: int, i: int) -> str:
    """Return a word of a topic, of letters only."""
    return f"{chr(97 + topic // 26)}{chr(97 + topic % 26)}word{chr(97 + i // 26)}{chr(97 + i % 26)}"


def world(
    n: int = 600, k: int = 6, *, noise: float = 0.55, tone: float = 0.8, seed: int = 0, shuffled: bool = False
) -> tuple[np.ndarray, list[list[str]], np.ndarray, np.ndarray]:
    """Return vectors (n, 60), words, true topics and tones (1, -1) of clauses; `shuffled` deals the words out anew."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.standard_normal((60, k + 1)))[0].T
    topic, good = random.integers(k, size=n), random.choice([-1, 1], n)
    vectors = centres[topic] + tone * good[:, None] * centres[k] + noise / np.sqrt(8) * random.standard_normal((n, 60))
    own = [[word(j, i) for i in range(40)] for j in range(k)]
    share = 1 / np.arange(1, 41) ** 0.5  # first words are the commonest
    said = [
        [
            *random.choice(own[t], 3, replace=False, p=share / share.sum()).tolist(),
            "excellent" if g > 0 else "terrible",
            f"filler{word(26 * 4, int(random.integers(40)))}",
        ]
        for t, g in zip(topic, good, strict=True)
    ]
    if shuffled:
        flat = [w for words in said for w in words]
        random.shuffle(flat)
        said = [flat[5 * i : 5 * i + 5] for i in range(n)]
        vectors = random.standard_normal((n, 60))
    return vectors.astype(np.float32), said, topic, good


def prepared(
    vectors: np.ndarray,
    said: list[list[str]],
    language: str | np.ndarray = "en",
    *,
    weights: np.ndarray | None = None,
    tone: np.ndarray | None = None,
    rules: Any = None,
) -> tuple[Rows, Counts]:
    """Return clauses as `topics.fit` takes them."""
    spoken = np.full(len(said), language) if isinstance(language, str) else language
    mass = np.ones(len(said)) if weights is None else weights
    counts = keywords.count(said, spoken, leave_out=rules.banned_words() if rules else ())
    return topics.rows_of(vectors, said, spoken, mass, tone), counts


def fitted(vectors: np.ndarray, said: list[list[str]], language: str | np.ndarray = "en", **more: Any) -> topics.Topics:
    """Return the topics of clauses."""
    own = {k: more.pop(k) for k in ("tone",) if k in more}
    rows, counts = prepared(vectors, said, language, weights=more.get("weights"), rules=more.get("rules"), **own)
    return topics.fit(rows, counts, **more)
