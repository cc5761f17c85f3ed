"""Time to decision: weeks counted by hand, hazards covered, what cutting off the data must not do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from journey_worlds import inside

from cxlab.errors import ModelError
from cxlab.journey import time_to_decision
from cxlab.journey.time_to_decision import DecisionData

COLUMNS = ["touchpoint", "basis", "days", "bought", "n"]


def simulated(seed: int, *, n: int, hazard: np.ndarray, basis: str = "") -> pd.DataFrame:
    """Customers who decide with a weekly hazard, cut off at a random day up to 30 weeks, whole weeks being seen."""
    random = np.random.default_rng(seed)
    weeks = len(hazard)
    hit = random.random((n, weeks)) < hazard
    week = np.where(hit.any(axis=1), hit.argmax(axis=1), 10_000)
    day = 7 * week + random.integers(1, 8, n)
    cut = random.integers(1, 211, n)
    bought = 7 * (week + 1) <= cut
    return pd.DataFrame(
        {"touchpoint": "web", "basis": basis, "days": np.where(bought, day, cut), "bought": bought, "n": 1}
    )


def told(data: DecisionData, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    drawn = time_to_decision.estimands(time_to_decision.draw(data, draws=250, chains=4, seed=seed), data)
    place = pd.DataFrame({c: drawn[c].to_numpy() for c in ("basis", "week", "n")})
    return drawn["decided"].to_numpy().reshape(1000, -1), place


def test_weeks_are_counted_as_by_hand() -> None:
    rows = [("web", "", 3, True, 5), ("web", "", 7, True, 1), ("web", "", 8, True, 2), ("web", "", 20, False, 4)]
    data = time_to_decision.model_data(pd.DataFrame(rows, columns=COLUMNS), weeks=4)
    assert data.at_risk.tolist() == [[12, 6, 0, 0]]  # of the 4 cut off on day 20 two whole weeks were seen
    assert data.decided.tolist() == [[6, 2, 0, 0]]
    assert data.n.tolist() == [12]


def covered(worlds: int) -> np.ndarray:
    hits = []
    for seed in range(worlds):
        random = np.random.default_rng([seed, 9])
        hazard = random.beta(2.0, 30.0, 26)
        data = time_to_decision.model_data(simulated(seed, n=100 + 50 * (seed % 8), hazard=hazard))
        draws, place = told(data, seed)
        truth = 1 - np.cumprod(1 - hazard)
        hits.append(inside(draws, truth[place["week"].to_numpy() - 1]))
    return np.concatenate(hits)


def test_shares_decided_are_covered() -> None:
    assert 0.8 <= covered(40).mean() <= 0.97


@pytest.mark.slow
def test_shares_decided_are_covered_as_often_as_they_say() -> None:
    hits = covered(200)
    print(f"decision: covered {hits.mean():.3f} of {len(hits)}")
    assert 0.87 <= hits.mean() <= 0.93


def test_who_is_cut_off_is_not_taken_for_undecided() -> None:
    hazard = np.full(26, 0.05)
    truth = 1 - 0.95**26
    spells = simulated(3, n=4000, hazard=hazard)
    naive = (spells["bought"] & (spells["days"] <= 182)).mean()
    draws, place = told(time_to_decision.model_data(spells), 3)
    end = draws[:, (place["week"] == 26).to_numpy()]
    assert abs(end.mean() - truth) < 0.03
    assert naive < truth - 0.15


def test_the_week_by_which_half_have_decided() -> None:
    fast = simulated(1, n=3000, hazard=np.full(26, 0.25), basis="late")
    slow = simulated(2, n=3000, hazard=np.full(26, 0.005), basis="not late")
    data = time_to_decision.model_data(pd.concat([fast, slow], ignore_index=True))
    drawn = time_to_decision.estimands(time_to_decision.draw(data, draws=250, chains=2, seed=0), data)
    median = drawn["median_weeks"].to_numpy().reshape(-1, 2)
    assert set(median[:, 0]) == {3.0}  # .75^2 = .56, .75^3 = .42
    assert np.isinf(median[:, 1]).all()


def test_half_is_not_reached_in_weeks_that_nobody_was_seen_through() -> None:
    """A touchpoint of eight weeks whose customers decide slowly, beside an old one whose customers decide fast."""
    old = simulated(1, n=3000, hazard=np.full(26, 0.25), basis="old")
    new = simulated(2, n=3000, hazard=np.full(26, 0.01), basis="new")
    late = (new["days"] > 56) | ~new["bought"]
    new = new.assign(days=np.where(late, new["days"].clip(upper=56), new["days"]), bought=new["bought"] & ~late)
    drawn = time_to_decision.estimands(
        time_to_decision.draw(time_to_decision.model_data(pd.concat([old, new])), draws=250, chains=2, seed=0),
        time_to_decision.model_data(pd.concat([old, new])),
    )
    assert np.isinf(drawn["median_weeks"].to_numpy()[..., 1]).all()


def test_closed_form_is_the_posterior_of_the_pymc_model() -> None:
    data = time_to_decision.model_data(simulated(5, n=60, hazard=np.full(26, 0.1)), weeks=2)
    oracle = time_to_decision.build_model(data).compile_logp(mode="FAST_COMPILE")
    a, b = time_to_decision.prior_weights(data)
    points = np.array([[0.05, 0.2], [0.3, 0.02], [0.1, 0.1]])
    theirs = [oracle({"hazard_logodds__": np.log(p / (1 - p))[None]}) for p in points]
    left = data.at_risk - data.decided
    ours = [((a + data.decided) * np.log(p) + (b + left) * np.log1p(-p)).sum() for p in points]  # with its Jacobian
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ModelError, match="no spells"):
        time_to_decision.model_data(pd.DataFrame(columns=COLUMNS))
    with pytest.raises(ModelError, match="a purchase before"):
        time_to_decision.model_data(pd.DataFrame([("web", "", -3, True, 1)], columns=COLUMNS))
