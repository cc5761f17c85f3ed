"""What-ifs on value: the formula against an integral, the widget at once and in both languages."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cxlab.errors import ModelError
from cxlab.value import whatif
from cxlab.value.explore import explore
from cxlab.value.whatif import Terms

BASE = Terms(0.1, 3.0, 0.4)


def kept(n: int = 800, draws: int = 100) -> xr.Dataset:
    random = np.random.default_rng(1)
    flow = random.gamma(1.0, 2.0, (draws, n)) * (random.random((draws, n)) < 0.7)
    leaving = random.gamma(0.5, 0.02, (draws, n))
    return xr.Dataset(
        {
            "flow": (("what_if", "customer"), flow),
            "leaving": (("what_if", "customer"), leaving),
            "equity_now": (("what_if",), random.normal(1e6, 5e4, draws)),
        },
        coords={"customer": [f"c{i}" for i in range(n)]},
        attrs={"discount": 0.1, "years": 3.0, "contribution": 0.4, "priced": 1},
    )


def people(n: int = 800) -> pd.DataFrame:
    return pd.DataFrame(
        {"customer": [f"c{i}" for i in range(n)], "p_alive": 0.9, "expected_purchases": 4.0, "clv_mean": np.arange(n),
         "clv_low": 0.0, "clv_high": 900.0, "purchases": 3, "segment": "high/active"}
    )  # fmt: skip


def test_the_same_terms_change_nothing() -> None:
    at = whatif.stored(kept())
    assert whatif.equity(at, BASE) == pytest.approx(at.equity)


def test_the_formula_is_the_integral() -> None:
    at = whatif.stored(kept(5, 3))
    terms = Terms(0.07, 4.0, 0.5, leaving=0.8)
    weeks = np.linspace(0, 4 * 365.25 / 7, 20_001)
    force = np.log(1.07) / (365.25 / 7)
    for i in range(5):
        path = at.flow[:, [i]] * np.exp(-(0.8 * at.leaving[:, [i]] + force) * weeks)
        assert whatif.worth(at, f"c{i}", terms) == pytest.approx(0.5 * np.trapezoid(path, weeks, axis=1), rel=1e-4)


def test_each_term_moves_the_value_its_own_way() -> None:
    at = whatif.stored(kept())
    mean = {k: whatif.equity(at, t).mean() for k, t in {
        "base": BASE, "dearer": Terms(0.2, 3.0, 0.4), "longer": Terms(0.1, 5.0, 0.4),
        "kept": Terms(0.1, 3.0, 0.4, leaving=0.8), "double": Terms(0.1, 3.0, 0.8)}.items()}  # fmt: skip
    assert mean["dearer"] < mean["base"] < mean["longer"]
    assert mean["kept"] > mean["base"]
    assert mean["double"] == pytest.approx(2 * mean["base"])


def test_wrong_terms_and_names_are_refused() -> None:
    at = whatif.stored(kept(5, 3))
    with pytest.raises(ModelError, match="horizon") as caught:
        Terms(-0.1, 0.0, 0.4)
    assert len(caught.value.problems) == 2
    with pytest.raises(ModelError, match="c4"):
        whatif.worth(at, "c44", BASE)
    with pytest.raises(ModelError, match="no draws of buying"):
        whatif.stored(xr.Dataset(coords={"chain": [0], "draw": [0]}))


def test_a_contact_pays_for_fewer_the_more_it_costs() -> None:
    shares = [whatif.pays(people(), cost=c, lift=0.05)[0] for c in (0.0, 10.0, 30.0, 100.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_widget_answers_at_once(language: str) -> None:
    widget = explore(kept(), people(), lift=0.05, cost=5.0, language=language)
    before = widget.answer.mean()
    begun = time.process_time()
    widget.leaving.value = 0.8
    took = time.process_time() - begun
    assert widget.answer.mean() > before
    assert took < 0.1
    widget.customer.value = "c7"
    assert "c7" in widget.view.value
    widget.customer.value = "nobody"
    assert "nobody" in widget.view.value


def test_a_run_without_draws_says_so() -> None:
    widget = explore(xr.Dataset(coords={"chain": [0], "draw": [0]}), people(0), lift=0.05, cost=1.0)
    assert widget.answer.size == 0
    assert "kept no draws" in widget.view.value
