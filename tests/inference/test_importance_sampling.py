"""Draws of a plain function: exact moments of known densities, and weights that must not be trusted."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.errors import ModelError
from cxlab.inference import diagnostics, importance_sampling

COVARIANCE = np.array([[1.0, 0.8, 0.1], [0.8, 2.0, -0.3], [0.1, -0.3, 0.5]])
PRECISION = np.linalg.inv(COVARIANCE)
CENTRE = np.array([1.0, -2.0, 0.5])


def gaussian(x: np.ndarray) -> tuple[float, np.ndarray]:
    off = x - CENTRE
    return float(-0.5 * off @ PRECISION @ off), -PRECISION @ off


def log_gamma(x: np.ndarray) -> tuple[float, np.ndarray]:
    """The logs of three gamma variables of shape 4: skewed, with means digamma(4)."""
    return float((4 * x - np.exp(x)).sum()), 4 - np.exp(x)


def cauchy(x: np.ndarray) -> tuple[float, np.ndarray]:
    """Tails that no Student t of ten degrees covers."""
    return float(-np.log1p(x**2).sum()), -2 * x / (1 + x**2)


def test_the_mode_of_a_normal_is_its_mean_and_the_curvature_its_precision() -> None:
    point, factor = importance_sampling.find_map(gaussian, np.zeros(3))
    np.testing.assert_allclose(point, CENTRE, atol=1e-5)
    np.testing.assert_allclose(factor @ factor.T, COVARIANCE, rtol=1e-5)


@pytest.mark.parametrize("method", ["importance", "nuts"])
def test_moments(method: importance_sampling.Method) -> None:
    tree = importance_sampling.sample(gaussian, np.zeros(3), draws=1000, chains=4, seed=3, method=method)
    x = tree["posterior"]["x"].to_numpy()
    assert x.shape == (4, 1000, 3)
    assert tree.attrs["method"] == method
    np.testing.assert_allclose(x.mean(axis=(0, 1)), CENTRE, atol=0.1)
    np.testing.assert_allclose(np.cov(x.reshape(-1, 3).T), COVARIANCE, atol=0.2)


def test_a_skewed_density_is_weighted_to_its_own_mean_not_to_its_mode() -> None:
    tree = importance_sampling.sample(log_gamma, np.zeros(3), draws=2000, chains=4, seed=1)
    assert tree.attrs["method"] == "importance"
    digamma_4 = 1 + 1 / 2 + 1 / 3 - 0.5772156649
    np.testing.assert_allclose(tree["posterior"]["x"].mean(("chain", "draw")), digamma_4, atol=0.03)
    assert abs(np.log(4) - digamma_4) > 0.1  # the mode would fail


def test_heavy_tails_are_refused_and_sampled_by_nuts() -> None:
    start = np.full(4, 0.3)
    with pytest.raises(ModelError, match="k-hat"):
        importance_sampling.sample(cauchy, start, draws=500, chains=4, seed=1, method="importance")
    tree = importance_sampling.sample(cauchy, start, draws=1000, chains=4, seed=1)
    assert tree.attrs["method"] == "nuts"
    quartiles = np.quantile(tree["posterior"]["x"], [0.25, 0.75], axis=(0, 1))
    np.testing.assert_allclose(quartiles, [[-1.0] * 4, [1.0] * 4], atol=0.25)


def test_the_same_seed_gives_the_same_draws() -> None:
    one, two = (importance_sampling.sample(log_gamma, np.zeros(3), draws=50, chains=2, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one["posterior"]["x"], two["posterior"]["x"])


def test_a_start_outside_the_support_is_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        importance_sampling.find_map(lambda x: (float("-inf"), x), np.zeros(2))


def test_points_outside_the_support_do_not_end_the_sampling() -> None:
    def half(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (float(-x[0]), -np.ones(1)) if x[0] > 0 else (float("-inf"), np.zeros(1))

    tree = importance_sampling.sample(half, np.ones(1), draws=200, chains=2, seed=2, method="nuts")
    assert (tree["posterior"]["x"] > 0).all()


def curved(points: np.ndarray) -> np.ndarray:
    """A normal along a bend, in autograd's numpy."""
    import autograd.numpy as anp

    return -0.5 * points[:, 0] ** 2 - 2.0 * (points[:, 1] - 0.5 * anp.sin(points[:, 0])) ** 2


@pytest.mark.parametrize("by_differences", [False, True])
def test_a_density_given_by_its_values_has_a_gradient_and_a_curvature(by_differences: bool) -> None:
    density = importance_sampling.with_gradient(curved, by_differences=by_differences)
    x = np.array([0.3, -0.2])
    inner = x[1] - 0.5 * np.sin(x[0])
    value, slope = density(x)
    assert value == pytest.approx(float(curved(x[None])[0]))
    np.testing.assert_allclose(slope, [-x[0] + 2.0 * inner * np.cos(x[0]), -4.0 * inner], atol=1e-7)
    curve = -1.0 - 2.0 * inner * np.sin(x[0]) - np.cos(x[0]) ** 2
    np.testing.assert_allclose(density.hessian(x), [[curve, 2 * np.cos(x[0])], [2 * np.cos(x[0]), -4.0]], atol=1e-5)
    tree = importance_sampling.sample(density, np.ones(2), draws=1000, chains=4, seed=1, light_tails=True)
    assert tree.attrs["method"] == "importance"
    assert diagnostics.gate(tree).passed
    assert diagnostics.gate(tree).ess_bulk == tree.attrs["ess"] > 400
    np.testing.assert_allclose(tree["posterior"]["x"].std(("chain", "draw"))[0], 1.0, atol=0.05)


def test_few_trusted_weights_lead_to_a_better_proposal() -> None:
    """Thirty logs of gamma variables: what the mode's curvature proposes wastes most, what its moments say less."""

    def skewed(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float((2 * x - np.exp(x)).sum()), 2 - np.exp(x)

    settings = {"draws": 1000, "chains": 4, "seed": 1, "many": lambda p: (2 * p - np.exp(p)).sum(axis=1)}
    with pytest.raises(ModelError, match="k-hat"):
        importance_sampling.sample(skewed, np.zeros(30), method="importance", **settings)
    tree = importance_sampling.sample(skewed, np.zeros(30), light_tails=True, least_ess=0.02, **settings)
    assert tree.attrs["method"] == "importance"
    np.testing.assert_allclose(tree["posterior"]["x"].mean(), 1 - 0.5772156649, atol=0.02)
