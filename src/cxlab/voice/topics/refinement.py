r"""Where vectors and words agree: groups found by vectors are refined by the words their clauses hold.

A clause of topic :math:`k` has its vector around the topic's direction and its words from the topic's words:

.. math::
    z_i &\sim \mathrm{Categorical}(\pi) \\
    x_i \mid z_i = k &\sim \mathrm{vonMisesFisher}(c_k, \kappa)^{\tau} \\
    w_{ij} \mid z_i = k &\sim \mathrm{Categorical}(\theta_k), \qquad \theta_k \sim \mathrm{Dirichlet}(a\, V p)

with :math:`p` the words' overall shares. Counts are damped (:math:`1 + \log n`), as a repeated word is no new evidence,
and the vectors' part is raised to a power :math:`\tau` below one, as their columns are no independent observations.
Expectation-maximisation starts at the groups of the vectors and stays near them: twenty steps.

References
----------
Banerjee et al. (2005), clustering by von Mises-Fisher distributions, Journal of Machine Learning Research 6; Nigam et
al. (2000), mixtures of words, https://doi.org/10.1023/A:1007692713085.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse

VECTORS: Final = 0.3  # tau
PRIOR: Final = 0.1  # a
STEPS: Final = 20


@dataclass(frozen=True)
class Mixture:
    """Topics as directions and words.

    Attributes
    ----------
    centres : ndarray, shape (k, d)
    tight : float
        Concentration kappa, common to the topics.
    words : ndarray, shape (k, v)
        Log shares of words.
    share : ndarray, shape (k,)
        Log shares of topics.
    """

    centres: np.ndarray
    tight: float
    words: np.ndarray
    share: np.ndarray

    def posterior(self, rows: np.ndarray, matrix: sparse.csr_matrix) -> np.ndarray:
        """Return P(topic) of clauses, shape (n, k)."""
        score = VECTORS * self.tight * (rows @ self.centres.T) + damped(matrix) @ self.words.T + self.share
        score -= score.max(1, keepdims=True)
        np.exp(score, out=score)
        return score / score.sum(1, keepdims=True)


def damped(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return counts n as 1 + log n."""
    out = matrix.copy()
    out.data = 1 + np.log(out.data)
    return out


def fit(
    rows: np.ndarray, matrix: sparse.csr_matrix, labels: np.ndarray, k: int, weights: np.ndarray | None = None
) -> Mixture:
    """Refine groups.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Unit vectors.
    matrix : csr_matrix, shape (n, v)
        Counts of words.
    labels : ndarray of int, shape (n,)
        Where to start; -1 belongs to no group yet.
    k : int
    weights : ndarray, shape (n,), optional
    """
    mass = np.ones(len(rows), np.float32) if weights is None else weights.astype(np.float32)
    post = np.zeros((len(rows), k), np.float32)
    inside = labels >= 0
    post[inside, labels[inside]] = 1
    model = _maximise(rows, matrix, post * mass[:, None])
    for _ in range(STEPS):
        new = model.posterior(rows, matrix).astype(np.float32)
        change = float(np.abs(new - post).mean()) * k
        post = new
        model = _maximise(rows, matrix, post * mass[:, None])
        if change < 1e-3:
            break
    return model


def _maximise(rows: np.ndarray, matrix: sparse.csr_matrix, post: np.ndarray) -> Mixture:
    size = post.sum(0)
    sums = post.T @ rows
    length = np.linalg.norm(sums, axis=1)
    centres = (sums / np.maximum(length, 1e-9)[:, None]).astype(np.float32)
    mean = float(length.sum() / max(size.sum(), 1e-9))
    mean = min(mean, 0.999)
    tight = (mean * rows.shape[1] - mean**3) / (1 - mean**2)
    words = damped(matrix)
    usual = np.asarray(words.sum(0)).ravel() + 1e-9
    usual /= max(usual.sum(), 1e-9)
    prior = PRIOR * len(usual)
    said = np.asarray((words.T @ post).T)
    shares = np.log((said + prior * usual) / (said.sum(1, keepdims=True) + prior)) if len(usual) else said
    return Mixture(
        centres,
        float(tight),
        shares.astype(np.float32),
        np.log((size + 1) / (size.sum() + len(size))).astype(np.float32),
    )
