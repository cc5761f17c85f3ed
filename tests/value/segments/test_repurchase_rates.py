"""Who comes back to buy and for service: counts by hand, rates that are covered, pooling that is no more than due."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from value.segments.base import Tables

from cxlab.params.periods import between
from cxlab.value.rfm import history as rfm
from cxlab.value.segments import repurchase

QUARTERS = between("2025Q1", "2025Q4", "quarter")


def rates(data: Tables, service: list[str] | None = None) -> pd.DataFrame:
    history = rfm.read(data, end=date(2025, 12, 31))
    return repurchase.rates(history, data, QUARTERS, service=service or [])  # type: ignore[arg-type]


def tables() -> Tables:
    bought = pd.DataFrame(
        [("a", "2025-01-05"), ("a", "2025-04-05"), ("b", "2025-02-01"), ("c", "2025-05-01"), ("a", "2025-08-01"),
         ("d", "2023-01-01")],
        columns=["customer", "date"],
    )  # fmt: skip
    met = pd.DataFrame(
        [("a", "2025-04-20", "complaint", "service"), ("b", "2025-05-02", "visit", "web"),
         ("c", "2025-08-09", "repair", "garage"), (None, "2025-08-09", "repair", "garage")],
        columns=["customer", "date", "kind", "touchpoint"],
    )  # fmt: skip
    return Tables(bought, met)


def test_bases_and_those_who_came_are_counted() -> None:
    found = rates(tables()).set_index(["rate", "period"])  # type: ignore[arg-type]
    again = found.loc["repurchase_rate"]
    assert again["n"].to_dict() == {"2025Q2": 2, "2025Q3": 3, "2025Q4": 3}  # d bought too long ago; nobody before Q2
    assert again["came"].to_dict() == {"2025Q2": 1, "2025Q3": 1, "2025Q4": 0}
    service = found.loc["service_return_rate"]
    assert service["came"].to_dict() == {"2025Q2": 1, "2025Q3": 1, "2025Q4": 0}


def test_what_service_is_can_be_named() -> None:
    named = rates(tables(), service=["web"])  # type: ignore[arg-type]
    came = named[named["rate"] == "service_return_rate"].set_index("period")["came"]
    assert came.to_dict() == {"2025Q2": 1, "2025Q3": 0, "2025Q4": 0}
    none = rates(tables(), service=["spa"])  # type: ignore[arg-type]
    assert set(none["rate"]) == {"repurchase_rate"}


def covered(seed: int, *, alike: float, draws: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Whether intervals hold the true rates: ours, and those of one rate for all periods."""
    random = np.random.default_rng([seed, 3])
    mean = random.uniform(0.1, 0.6)
    true = random.beta(mean * alike, (1 - mean) * alike, 7)
    n = random.integers(40, 600, 7)
    came = random.binomial(n, true)
    low, high = np.quantile(repurchase.rate_draws(n, came, draws=draws, seed=seed), [0.05, 0.95], axis=0)
    one = np.quantile(random.beta(came.sum() + 1, (n - came).sum() + 1, draws), [0.05, 0.95])
    return (true >= low) & (true <= high), (true >= one[0]) & (true <= one[1])


def test_rates_are_covered_and_pooling_them_into_one_is_not() -> None:
    for alike in (30.0, 300.0, 5000.0):
        ours, one = (np.concatenate(v) for v in zip(*(covered(s, alike=alike) for s in range(80)), strict=True))
        assert 0.86 <= ours.mean() <= (0.95 if alike < 1000 else 0.98)  # nearly equal ones: seven cannot tell so much
        if alike < 1000:
            assert one.mean() < 0.75


def test_alike_periods_lend_to_a_thin_one_and_few_periods_do_not() -> None:
    n, came = np.array([1000, 1000, 1000, 1000, 1000, 20]), np.array([300, 302, 297, 301, 299, 10])
    drawn = repurchase.rate_draws(n, came, draws=2000, seed=1)
    assert drawn[:, 5].mean() < 0.36
    alone = repurchase.rate_draws(n[4:], came[4:], draws=2000, seed=1)
    assert alone[:, 1].mean() > 0.45
    assert repurchase.rate_draws(np.array([0]), np.array([0]), draws=100, seed=1).shape == (100, 1)
