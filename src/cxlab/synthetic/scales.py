"""From a latent value to a code: the cumulative logit, drawn and in expectation."""

from __future__ import annotations

import numpy as np


def code_probabilities(latent: np.ndarray, *, cuts: tuple[float, ...], scale: float) -> np.ndarray:
    """Return the probability of each code, shape (*latent.shape, len(cuts) + 1)."""
    above = 1 / (1 + np.exp(-(latent[..., None] - np.array(cuts)) / scale))
    one, zero = np.ones((*latent.shape, 1)), np.zeros((*latent.shape, 1))
    edges = np.concatenate([one, above, zero], axis=-1)
    return edges[..., :-1] - edges[..., 1:]


def draw_codes(rng: np.random.Generator, latent: np.ndarray, *, cuts: tuple[float, ...], scale: float) -> np.ndarray:
    """Draw 0-based codes, shape of `latent`."""
    noisy = latent + rng.logistic(0.0, scale, latent.shape)
    return (noisy[..., None] > np.array(cuts)).sum(axis=-1)
