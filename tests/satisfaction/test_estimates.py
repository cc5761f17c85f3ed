"""Draws -> tidy rows: numbers, verdicts, ranks, what is withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cxlab import vocab
from cxlab.inference.estimates import verdict
from cxlab.satisfaction import estimates

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
    assert verdict(values, practical=5.0) == said


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


def test_a_change_is_judged_in_both_ways() -> None:
    sure = table([("total", "", "2025", 400, 40.0, 1.0), ("total", "", "2026", 300, 48.0, 1.0)])
    (change,) = sure[sure["estimand"] == "change"].to_dict("records")
    assert change["prob_gt_ref"] == 1.0
    assert change["prob_practical"] == pytest.approx(0.983, abs=0.01)  # P(|8 + sqrt(2) z| > 5)
    still = table([("total", "", "2025", 400, 40.0, 1.0), ("total", "", "2026", 300, 40.0, 1.0)])
    (change,) = still[still["estimand"] == "change"].to_dict("records")
    assert change["prob_gt_ref"] == pytest.approx(0.5, abs=0.05)
    assert change["prob_practical"] < 0.01


def test_a_group_is_set_against_all_others() -> None:
    rows = [
        ("total", "", "2026", 400, 30.0, 0.1),
        ("channel", "web", "2026", 100, 60.0, 0.1),
        ("channel", "store", "2026", 300, 20.0, 0.1),
        ("channel", "tiny", "2025", 300, 20.0, 0.1),  # differences are of the last period
    ]
    found = table(rows).query("estimand == 'difference'").set_index("group")
    assert set(found.index) == {"web", "store"}
    assert found["mean"].to_dict() == pytest.approx({"web": 40.0, "store": -40.0}, abs=0.1)
    assert found["n"].to_dict() == {"web": 100, "store": 100}
    assert found["verdict"].to_dict() == {"web": "better", "store": "worse"}
    weighed = draws(rows).assign_coords(weight=("row", [4.0, 1.0, 1.0, 2.0]))
    with_weights = estimates.tidy(weighed, item="nps", weighting="population", practical=PRACTICAL, periods=["2026"])
    web = with_weights.query("estimand == 'difference' and group == 'web'")
    assert web["mean"].item() == pytest.approx(40, abs=0.1)


def test_three_groups_are_weighed_by_the_people_they_stand_for() -> None:
    rows = [("channel", name, "2026", 100, mean, 0.01) for name, mean in (("a", 0.0), ("b", 10.0), ("c", 40.0))]
    weighed = draws(rows).assign_coords(weight=("row", [1.0, 3.0, 1.0]))
    found = estimates.tidy(weighed, item="nps", weighting="population", practical=PRACTICAL, periods=["2026"])
    apart = found.query("estimand == 'difference'").set_index("group")["mean"]
    assert apart.to_dict() == pytest.approx({"a": -17.5, "b": -10.0, "c": 32.5}, abs=0.01)


def test_places_among_a_thousand_groups() -> None:
    rows = [("store", f"s{i}", "2026", 50, float(i), 20.0) for i in range(1000)]
    found = table(rows, min_n=30)
    rank = found[found["estimand"] == "rank"].set_index("group")
    assert rank.loc["s999", "mean"] < 50 < 950 < rank.loc["s0", "mean"]
    assert (rank["ci_high"] - rank["ci_low"]).median() > 30  # neighbours cannot be told apart
    for estimand in ("p_rank_best", "p_rank_worst"):
        chance = found[found["estimand"] == estimand].set_index("group")["mean"]
        assert chance.sum() == pytest.approx(1.0)
        assert chance.idxmax() in {f"s{i}" for i in (*range(60), *range(940, 1000))}
        assert chance.max() < 0.5


def test_equal_groups_have_no_place() -> None:
    """Negative control: a thousand stores that are alike are ranked from end to end, and said to be."""
    rank = table([("store", f"s{i}", "2026", 50, 0.0, 1.0) for i in range(1000)]).query("estimand == 'rank'")
    assert rank["mean"].between(450, 550).all()
    assert (rank["ci_high"] - rank["ci_low"]).min() > 800
