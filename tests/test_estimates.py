"""Draws -> tidy rows: numbers, verdicts, ranks, what is withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cxlab import estimates, vocab

PRACTICAL = {"nps": 5.0, "mean": 0.1}


def draws(rows: list[tuple[str, str, str, int, float, float]], *, metric: str = "nps", size: int = 4000) -> xr.Dataset:
    """Normal draws: (level, group, period, n, mean, sd) a row."""
    random = np.random.default_rng(5)
    values = np.stack([mean + sd * random.standard_normal((4, size // 4)) for *_, mean, sd in rows], axis=-1)
    place = {
        name: ("row", np.array([r[i] for r in rows], object)) for i, name in enumerate(("level", "group", "period"))
    }
    n = np.array([r[3] for r in rows])
    return xr.Dataset(
        {metric: (("chain", "draw", "row"), values)}, coords=place | {"n": ("row", n), "n_eff": ("row", n * 1.0)}
    )


def table(rows: list[tuple[str, str, str, int, float, float]], **settings: object) -> pd.DataFrame:
    given = {"item": "nps", "weighting": "none", "practical": PRACTICAL, "periods": ["2025", "2026"]} | settings
    return estimates.tidy(draws(rows), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mean", "sd", "said"),
    [
        (0.0, 1.0, "no_real_change"),
        (3.0, 1.0, "no_real_change"),  # surely positive, and surely too small to matter
        (10.0, 2.0, "better"),
        (-10.0, 2.0, "worse"),
        (4.0, 4.0, "cannot_tell"),
        (0.0, 10.0, "cannot_tell"),
    ],
)
def test_verdict_follows_the_rule(mean: float, sd: float, said: str) -> None:
    values = mean + sd * np.random.default_rng(1).standard_normal(20_000)
    assert estimates.verdict(values, practical=5.0) == said


def test_levels_and_changes() -> None:
    found = table([("total", "", "2025", 400, 40.0, 2.0), ("total", "", "2026", 300, 25.0, 2.0)])
    assert set(vocab.ESTIMATE_COLUMNS) - set(found.columns) == {"run_id", "brand", "model"}
    level = found[(found["estimand"] == "level") & (found["period"] == "2026")].iloc[0]
    assert level["mean"] == pytest.approx(25, abs=0.2)
    assert level["ci_high"] - level["ci_low"] == pytest.approx(2 * 1.645 * 2.0, rel=0.1)
    assert (level["ci_prob"], level["ci_kind"], level["n"]) == (0.9, "eti", 300)
    (change,) = found[found["estimand"] == "change"].to_dict("records")
    assert change["mean"] == pytest.approx(-15, abs=0.3)
    assert (change["verdict"], change["n"], change["prob_gt_ref"]) == ("worse", 300, 0.0)


def test_a_change_needs_the_period_just_before() -> None:
    rows = [("total", "", "2024", 400, 40.0, 2.0), ("total", "", "2026", 300, 25.0, 2.0)]
    found = table(rows, periods=["2024", "2025", "2026"])
    assert (found["estimand"] == "level").all()


def test_ranks_leave_small_and_unknown_groups_out() -> None:
    rows = [
        ("segment:age", "old", "2026", 200, 50.0, 3.0),
        ("segment:age", "young", "2026", 200, 20.0, 3.0),
        ("segment:age", "tiny", "2026", 3, 90.0, 3.0),
        ("segment:age", vocab.UNKNOWN, "2026", 200, 95.0, 3.0),
    ]
    best = table(rows, min_n=30).query("estimand == 'p_rank_best'").set_index("group")["mean"]
    assert best.to_dict() == {"old": 1.0, "young": 0.0}


def test_equal_groups_share_the_first_rank() -> None:
    rows = [("channel", name, "2026", 200, 30.0, 3.0) for name in "abcd"]
    best = table(rows).query("estimand == 'p_rank_best'")["mean"]
    assert best.sum() == pytest.approx(1.0)
    assert best.between(0.2, 0.3).all()


def test_withheld_rows_have_no_numbers() -> None:
    found = table([("total", "", "2026", 300, 25.0, 2.0)], withheld=True)
    assert found[list(vocab.ESTIMATE_NUMBERS)].isna().all(axis=None)
    assert (found["verdict"] == "withheld").all()
    assert (found["n"] == 300).all()


def test_probability_of_reaching_a_target() -> None:
    level = table([("total", "", "2026", 300, 25.0, 2.0)], targets={"nps": 25.0}).iloc[0]
    assert level["ref"] == 25.0
    assert level["prob_gt_ref"] == pytest.approx(0.5, abs=0.05)
