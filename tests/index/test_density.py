"""The density of the index model against its statement in PyMC, row-wise normals, and differences of itself."""

from __future__ import annotations

import numpy as np
import pytest
from index.index_worlds import ENDS, answers, small
from scipy import stats

from cxlab.index import density
from cxlab.index import model as index
from cxlab.index.data import SemData
from cxlab.index.density import Priors


def data_of(*, blanks: float = 0.0, n: int = 80, periods: int = 1) -> SemData:
    rows = answers(n, seed=1)
    random = np.random.default_rng(2)
    items = list(ENDS)
    rows[items] = rows[items].mask(random.random((n, len(items))) < blanks)
    rows["period"] = [str(1 + i % periods) for i in range(n)]
    return index.model_data(rows, structure=small(), ends=ENDS, periods=["1", "2"][:periods])


def points(data: SemData, *, m: int = 6) -> np.ndarray:
    start = index.completed(data, Priors()).start()
    width = np.where(np.arange(len(start)) < len(start) - 13, 0.3, 0.05)  # paths and loadings, sds
    return start + width * np.random.default_rng(3).standard_normal((m, len(start)))


def test_the_gradient_is_that_of_the_value() -> None:
    data = data_of()
    target = index.completed(data, Priors())
    for x in points(data):
        slope = target(x)[1]
        steps = 1e-5 * np.eye(len(x))
        numeric = [(target(x + s)[0] - target(x - s)[0]) / 2e-5 for s in steps]
        np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-4)


def test_values_at_many_points_are_those_at_each() -> None:
    target = index.completed(data_of(), Priors())
    xs = points(data_of())
    np.testing.assert_allclose(target.many(xs), [target(x)[0] for x in xs], rtol=1e-12)
    flat = index.completed(data_of(), None)
    np.testing.assert_allclose(target.many(xs) - flat.many(xs), target.log_prior(xs), atol=1e-9)


@pytest.mark.parametrize(
    ("blanks", "periods"),
    [(0.0, 1), (0.03, 2)],  # few patterns: PyTensor in Python adds up at most 32 terms
)
def test_pymc_states_the_same_posterior(blanks: float, periods: int) -> None:
    """The PyMC model has the means as parameters; integrating them out is a Gaussian integral at their mode."""
    data = data_of(blanks=blanks, periods=periods)
    assert (len(data.patterns.seen) > 4) == (blanks > 0)
    priors = Priors(path_sd=0.8)
    model = index.build_model(data, priors)
    logp = model.compile_logp(mode="FAST_COMPILE")
    spec = data.structure
    target = index.completed(data, priors)
    xs = points(data)
    value, centre, factor = density.exact(xs, data.exact, spec)
    ours = value + target.log_prior(xs)
    a, b = len(spec.paths), len(spec.paths) + len(spec.free)
    k = len(spec.latents)
    theirs = []
    for x, mean, root in zip(xs, centre, factor, strict=True):
        logs = np.log(density.bounded(x[b:]))
        point = {"path": x[:a], "loading": x[a:b], "sd_log__": logs[:k], "residual_log__": logs[k:], "mean": mean}
        jacobian = -np.logaddexp(0.0, -x[b:] / density.SOFT) - logs  # of the log sds by the unbounded numbers
        theirs.append(float(logp(point)) + np.log(np.abs(np.linalg.det(root))).sum() + jacobian.sum())
    assert np.std(ours) > 1.0  # the points do differ
    np.testing.assert_allclose(ours - theirs, (ours - theirs)[0], atol=1e-6)
    if blanks == 0:
        fast = np.array([target(x)[0] for x in xs])
        np.testing.assert_allclose(fast - ours, (fast - ours)[0], atol=1e-6)


def test_patterns_are_rows() -> None:
    """Exact likelihood of patterns = sum of normal densities of what each respondent answered."""
    data = data_of(blanks=0.3, n=60)
    rows = answers(60, seed=1)
    items = list(data.structure.items)
    seen = np.random.default_rng(2).random((60, len(ENDS))) >= 0.3
    seen = seen[:, [list(ENDS).index(i) for i in items]]
    values = (rows[items].to_numpy() - data.centre) / data.spread
    xs = points(data, m=3)
    value, centre, factor = density.exact(xs, data.patterns, data.structure)
    sigma = density.implied(density.unpack(xs, data.structure), data.structure)
    for i in range(3):
        total = sum(
            stats.multivariate_normal(centre[i, 0][o], sigma[i][np.ix_(o, o)]).logpdf(y[o])
            for y, o in zip(values, seen, strict=True)
            if o.any()
        )
        total += 0.5 * seen.sum() * np.log(2 * np.pi) + np.log(np.abs(np.linalg.det(factor[i, 0])))
        assert value[i] == pytest.approx(total, abs=1e-6)


def test_a_wrong_density_would_be_noticed() -> None:
    data = data_of()
    priors = Priors()
    xs = points(data)
    right = np.array([index.completed(data, priors)(x)[0] for x in xs])
    other = np.array([index.completed(data_of(n=79), priors)(x)[0] for x in xs])
    assert np.std(right - other) > 0.1


def test_beyond_floating_point_the_density_is_nothing() -> None:
    data = data_of()
    target = index.completed(data, Priors())
    x = target.start()
    x[-1] = -50.0
    assert target(x)[0] == -np.inf
