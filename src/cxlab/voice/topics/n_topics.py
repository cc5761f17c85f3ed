"""How many topics: as many as are told apart best and come back when the fit is repeated.

For each number of topics a sample of the clauses is grouped; the groups' mean cosine silhouette says how well they
are told apart, and fits on random four fifths of the sample from random starts say how well they come back (adjusted
Rand index with the groups of the whole sample). The rule: of the numbers whose groups come back (`STABLE`, or the most
stable ones where none does), those whose silhouette is within a standard error of the best; of these the most stable.

Where the best silhouette is found at the largest number tried, the texts hold many narrow intents instead of a few
themes; then dense groups (HDBSCAN, at least sqrt(n) / 2 clauses each) are tried too, and kept if their silhouette is
higher still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from cxlab.voice.topics import clusters

COLUMNS: Final = ("k", "silhouette", "error", "stability", "chosen")
TRIED: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 25, 30)
STABLE: Final = 0.85
SMALLEST: Final = 8  # clauses a topic has on average, at least
SAMPLE: Final = 4_000
_PART: Final = 0.8
_IN_VAIN: Final = 4  # numbers in a row that neither come back nor are told apart better: no more are tried


def table(
    rows: np.ndarray, *, weights: np.ndarray | None = None, tried: Sequence[int] = TRIED, seeds: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Try numbers of topics.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Unit vectors of the clauses.
    weights : ndarray, shape (n,), optional
    tried : sequence of int
        Numbers to try; those too large for the clauses are passed over.
    seeds : int
        Repeated fits.
    seed : int
        Of the repeated fits.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row a number, exactly one of them chosen; empty if there are too few clauses for two topics.
    """
    if len(rows) > SAMPLE:
        take = np.random.default_rng(3).choice(len(rows), SAMPLE, replace=False)
        rows = rows[take]
        weights = None if weights is None else weights[take]
    different = len(np.unique(np.round(rows, 4), axis=0))
    found = []
    for k in tried:
        if k * SMALLEST > len(rows) or k >= different:
            break
        groups = clusters.best(rows, k, weights=weights, starts=3)
        value, error = clusters.silhouette(rows, groups.labels)
        again = repeated(rows, k, weights=weights, seeds=seeds, seed=seed)
        stability = float(np.mean([clusters.agreement(groups.labels, other) for other in again]))
        found.append((k, value, error, stability))
        last = found[-_IN_VAIN:]
        top = max(f[1] for f in found)
        if len(last) == _IN_VAIN and all(f[3] < STABLE and f[1] < top for f in last):
            break
    frame = pd.DataFrame(found, columns=list(COLUMNS[:4]))
    frame["chosen"] = False
    if len(frame):
        frame.loc[chosen(frame), "chosen"] = True
    return frame


def chosen(frame: pd.DataFrame) -> int:
    """Return the row of the number that the rule takes."""
    stable = frame["stability"] >= min(STABLE, frame["stability"].max())
    top = frame[stable]["silhouette"].idxmax()
    good = stable & (frame["silhouette"] >= frame.loc[top, "silhouette"] - frame.loc[top, "error"])
    return int(frame[good]["stability"].round(3).idxmax())


def _tries(n: int) -> int:
    """Return random starts of a repeat: instability should come from the texts, not from a poor start."""
    return int(np.clip(12_000 / max(n, 1), 3, 12))


def repeated(
    rows: np.ndarray,
    k: int,
    *,
    weights: np.ndarray | None = None,
    seeds: int = 5,
    seed: int = 0,
    guided: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return groups of all rows by fits on random four fifths of them, each from random starts.

    Starts hold the directions of guided topics, if there are any (`guided`, shape (g, d)).
    """
    fixed = np.zeros((0, rows.shape[1]), np.float32) if guided is None else guided[:k]
    out = []
    for s in range(seeds):
        random = np.random.default_rng([seed, s, k])
        take = random.permutation(len(rows))[: max(int(_PART * len(rows)), k)]
        mass = None if weights is None else weights[take]
        fits = []
        for _ in range(_tries(len(take))):
            start = clusters.spread(rows[take], k - len(fixed), random) if k > len(fixed) else fixed[:0]
            fits.append(clusters.lloyd(rows[take], np.vstack([start, fixed]), weights=mass))
        centres = max(fits, key=lambda g: g.fit).centres
        out.append((rows @ centres.T).argmax(1))
    return out
