"""Clauses with known topics: a direction and words each, tone across them all."""

from __future__ import annotations

import numpy as np


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
    own = [[word(j, i) for i in range(8)] for j in range(k)]
    said = [
        [
            *random.choice(own[t], 3, replace=False).tolist(),
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
