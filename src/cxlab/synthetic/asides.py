"""Where, when and what for: an aside in some comments, each with what it has to do with the score.

An aside stands in brackets at the end of a comment's first sentence. Presents are told of by the unhappy far more often
(a present that goes wrong is told), every day and weekends by anybody: planted and control of the situations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

# situation -> (share among the unhappy, share among all others); unhappy is a latent satisfaction below UNHAPPY
SHARES: Final = {"gift": (0.11, 0.02), "daily": (0.03, 0.03), "weekend": (0.03, 0.03)}
UNHAPPY: Final = -0.4
PHRASES: Final = {
    ("gift", "en"): ("a birthday present", "meant as a gift"),
    ("daily", "en"): ("for every day", "I need it every day"),
    ("weekend", "en"): ("at the weekend", "on a Saturday"),
    ("gift", "zh"): ("送人的礼物", "生日礼物"),
    ("daily", "zh"): ("每天都要用", "日常用"),
    ("weekend", "zh"): ("周末", "周六"),
}


def tell(
    texts: Sequence[str],
    sentences: pd.DataFrame,
    languages: Sequence[str],
    latent: np.ndarray,
    rng: np.random.Generator,
) -> tuple[list[str], pd.DataFrame, np.ndarray]:
    """Put asides into comments.

    Parameters
    ----------
    texts : sequence of str, length N
        Comments.
    sentences : DataFrame
        Truth of their sentences: ``row``, ``sentence`` (from 1), ``topic``, ``tone``, ``text``.
    languages : sequence of str, length N
    latent : ndarray, shape (N,)
        Satisfaction of who wrote.
    rng : Generator

    Returns
    -------
    texts, sentences
        With their asides.
    situation : ndarray of str, shape (N,)
        What each comment tells of, "" for nothing.
    """
    situation = choose(latent, rng)
    which = rng.integers(0, 2, len(texts))
    out, own = list(texts), [str(t) for t in sentences["text"]]
    opens = np.flatnonzero(sentences["sentence"] == 1)
    first = dict(zip(sentences["row"].to_numpy(int)[opens].tolist(), opens.tolist(), strict=True))
    for row in np.flatnonzero(situation != "").tolist():
        language, at = languages[row], first[row]
        phrase = PHRASES[situation[row], language][which[row]]
        aside = f"（{phrase}）" if language == "zh" else f" ({phrase})"
        said = own[at]
        told = said[:-1] + aside + said[-1] if said[-1] in ".!?。！？" else said + aside
        out[row] = out[row].replace(said, told, 1)
        own[at] = told
    return out, sentences.assign(text=own), situation


def shares(latent: np.ndarray) -> np.ndarray:
    """Return the probability of each situation of `SHARES`, shape (N, situations)."""
    return np.where(latent[:, None] < UNHAPPY, *np.array(list(SHARES.values())).T[:, None, :])


def choose(latent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the situation each comment tells of, "" for nothing; one uniform draw a comment."""
    edges = np.cumsum(shares(latent), axis=1)
    place = (rng.random(len(latent))[:, None] >= edges).sum(axis=1)
    return np.array([*SHARES, ""], dtype=object)[place]
