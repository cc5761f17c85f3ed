"""Does 90 % mean 90 %? Worlds drawn from the prior (`make test-slow`); few of them in the normal run."""

from __future__ import annotations

import numpy as np
import pytest
from value import simulate

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.clv.families import BUYING, Family
from cxlab.value.clv.forecast import Ahead, look_ahead
from cxlab.value.model import Priors

PRIORS = Priors(rate=(-2.5, 0.8), leaving=(-3.0, 0.8), amounts_sd=(0.5, 0.5, 0.3))
DISCOUNT = 0.1


def cover(family: Family, count: int, *, first: int = 0, deaf: float = 1.0) -> dict[str, float]:
    """Share of truths within 90 % intervals: parameters, equity, and customers' purchases against what was promised.

    `deaf` scales the spread of the draws around their mean: below 1 the intervals are too narrow.
    """
    hits: dict[str, list[float]] = {"parameters": [], "equity": [], "purchases": [], "promised": []}
    done, seed = 0, first
    while done < count:
        seed += 1
        random = np.random.default_rng(seed)
        third = PRIORS.leaving if family == "pareto" else PRIORS.alike
        shares = PRIORS.shape if family == "pareto" else PRIORS.share
        point = np.array([random.normal(*pair) for pair in (PRIORS.shape, PRIORS.rate, shares, third)])
        if family == "pareto":
            point[2:] = random.normal(*PRIORS.shape), random.normal(*PRIORS.leaving)
        p, q1, mean = np.exp(random.normal(PRIORS.amounts, PRIORS.amounts_sd))
        parameters = tuple(float(v.ravel()[0]) for v in BUYING[family].natural(point[None], np.zeros((1, 0))))
        spend = (float(p), float(1 + q1), float(mean * q1 / p * 20))
        world = simulate.draw(300, family=family, parameters=parameters, spend=spend, weeks=52, seed=seed)  # type: ignore[arg-type]
        try:
            data = model.model_data(world.customers, family=family)
        except ModelError:
            continue  # nobody bought again: seen in the data, so leaving such worlds out changes no calibration
        done += 1
        tree = model.fit(data, seed=seed, priors=PRIORS, draws=250, chains=2, together="independent")
        for name in BUYING[family].names:
            drawn = tree["posterior"][name].to_numpy().ravel()
            hits["parameters"].append(_inside(drawn, parameters[BUYING[family].names.index(name)], deaf))
        out = look_ahead(tree, data, Ahead(39, draws=300, discount=DISCOUNT, ranges=True), seed=seed)
        rate = np.log1p(DISCOUNT) / model.WEEKS_A_YEAR
        hits["equity"].append(
            _inside(out.worth().to_numpy(), simulate.worth(world, weeks=39, discount=float(rate)), deaf)
        )
        came, one = world.truth["future"].to_numpy(), out.customers
        high = one["purchases_high"].to_numpy() * deaf
        hits["purchases"].append(float(((came >= one["purchases_low"]) & (came <= high)).mean()))
        hits["promised"].append(float(one["purchases_promised"].mean()))
    return {name: float(np.mean(found)) for name, found in hits.items()}


def _inside(drawn: np.ndarray, true: float, deaf: float) -> float:
    low, high = np.quantile(drawn.mean() + deaf * (drawn - drawn.mean()), [0.05, 0.95])
    return float(low <= true <= high)


WORLDS: dict[Family, int] = {"bgnbd": 100, "mbgnbd": 50, "pareto": 50}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_intervals_cover_as_often_as_they_say() -> None:
    """200 worlds pooled; the standard error of a share of 200 is 2 points."""
    firsts = (0, 10_000, 20_000)  # no two worlds with the same parameters
    each = {
        family: cover(family, count, first=first) for (family, count), first in zip(WORLDS.items(), firsts, strict=True)
    }
    total = sum(WORLDS.values())
    found = {
        name: sum(each[family][name] * count for family, count in WORLDS.items()) / total for name in each["bgnbd"]
    }
    print({name: round(share, 3) for name, share in found.items()}, each)
    assert abs(found["parameters"] - 0.9) < 0.03
    assert abs(found["equity"] - 0.9) < 0.03
    assert found["purchases"] == pytest.approx(found["promised"], abs=0.01)
    assert 0.87 <= found["purchases"] <= 0.935  # counts cannot hit 90 %: what is promised is nearest to it


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_intervals_that_are_too_narrow_are_found_out() -> None:
    """The negative control: two thirds as wide."""
    found = cover("bgnbd", 40, deaf=0.67)
    assert found["equity"] < 0.87 or found["parameters"] < 0.87
    assert found["purchases"] < found["promised"] - 0.01


def test_a_few_worlds() -> None:
    found = cover("bgnbd", 3, first=900)
    assert found["purchases"] == pytest.approx(found["promised"], abs=0.03)
    assert found["parameters"] > 0.6
    narrow = cover("bgnbd", 3, first=900, deaf=0.1)  # the negative control: intervals a tenth as wide
    assert narrow["purchases"] < narrow["promised"] - 0.03
    assert narrow["parameters"] < 0.6
