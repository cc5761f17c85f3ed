r"""How well the words of a topic belong together (NPMI) and how different topics are (diversity).

The normalised pointwise mutual information of two words over the clauses that hold them,

.. math:: \mathrm{npmi}(a, b) = \log\frac{p_{ab}}{p_a p_b} \Big/ (-\log p_{ab}),

is 1 where they always stand together, 0 where they meet as by chance and -1 where they never do. A topic's is the mean
over all pairs of its words, counted exactly with the whole clause (or comment) as the window.

References
----------
Bouma (2009), normalised pointwise mutual information, Proceedings of GSCL; Dieng, Ruiz and Blei (2020), diversity,
https://doi.org/10.1162/tacl_a_00325.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse


def npmi(matrix: sparse.csr_matrix, words: Sequence[str], topics: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the mean NPMI of each topic's pairs of words.

    Parameters
    ----------
    matrix : csr_matrix, shape (n, v)
        Counts; only whether a clause has a word matters.
    words : sequence of str, length v
    topics : sequence of sequence of str
        Words of each topic; those that stand nowhere in `words` are passed over.

    Returns
    -------
    ndarray, shape (topics,)
        NaN for topics of fewer than two words.
    """
    place = {w: i for i, w in enumerate(words)}
    has = (matrix > 0).astype(np.float64).tocsc()
    n = max(matrix.shape[0], 1)
    found = []
    for topic in topics:
        ids = [place[w] for w in dict.fromkeys(topic) if w in place]
        if len(ids) < 2:
            found.append(np.nan)
            continue
        mine = has[:, ids]
        together = np.asarray((mine.T @ mine).todense()) / n
        alone = np.diag(together)
        a, b = np.triu_indices(len(ids), 1)
        both, chance = together[a, b], alone[a] * alone[b]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(both / chance) / -np.log(both)
        value = np.where(both <= 0, -1.0, np.where(both >= 1, 1.0, value))
        found.append(float(value.mean()))
    return np.asarray(found)


def diversity(topics: Sequence[Sequence[str]]) -> float:
    """Return the share of the topics' words that are different words; NaN without words."""
    said = [w for topic in topics for w in topic]
    return len(set(said)) / len(said) if said else float("nan")
