"""Draws of named estimands -> rows of the tidy table: what is known of a row, its numbers, its verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cxlab.inference import estimates
from cxlab.inference.estimates import changes, estimand, tidy, withhold
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS

PERIODS = ["2024", "2025", "2026"]


def cube() -> xr.Dataset:
    """An index of two latents in three periods; loyalty rises by 5 a period, image does not change."""
    random = np.random.default_rng(1)
    level = 50 + np.stack([np.zeros(3), 5.0 * np.arange(3)], axis=1)
    draws = level + 0.5 * random.standard_normal((4, 500, 3, 2))
    return xr.Dataset(
        {"index": (("chain", "draw", "period", "latent"), draws, {"metric": "index", "unit": "index points"})},
        coords={
            "period": PERIODS,
            "latent": ["image", "loyalty"],
            "n": (("period", "latent"), np.arange(6).reshape(3, 2) + 100),
        },
    )


def test_a_cell_is_a_row_and_a_coord_is_a_column() -> None:
    table = tidy(cube(), weighting="survey", item="q1")
    assert list(table) == [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand", "model")]
    assert len(table) == 6
    row = table.iloc[5]
    assert (row["estimand"], row["metric"], row["period"], row["weighting"]) == ("index", "index", "2026", "survey")
    assert row["n"] == row["n_eff"] == 105
    assert row["mean"] == pytest.approx(60, abs=0.1)
    assert row["ci_low"] < 60 < row["ci_high"]
    assert (row["level"], row["group"], row["verdict"]) == ("total", "", "")
    assert np.isnan(row["prob_gt_ref"])


def test_changes_are_judged_and_rest_on_the_smaller_sample() -> None:
    level = cube()["index"]
    change = changes(level, "index_change", periods=PERIODS, practical=2.0)
    table = tidy([level, change], also=("latent", "prob_practical")).query("estimand == 'index_change'")
    told = table.set_index(["latent", "period"])
    assert told["verdict"].to_dict() == {
        ("image", "2025"): "no_real_change",
        ("image", "2026"): "no_real_change",
        ("loyalty", "2025"): "better",
        ("loyalty", "2026"): "better",
    }
    assert told.loc[("loyalty", "2025"), "n"] == 101
    assert told.loc[("loyalty", "2025"), "prob_practical"] == pytest.approx(1, abs=0.01)
    assert told.loc[("loyalty", "2025"), "unit"] == "index points"


def test_a_change_needs_the_period_just_before() -> None:
    level = cube()["index"].sel(period=["2024", "2026"])
    assert changes(level, "index_change", periods=PERIODS, practical=1.0).size == 0
    assert set(tidy([level, changes(level, "index_change", periods=PERIODS)])["estimand"]) == {"index"}


@pytest.mark.parametrize(
    ("rising", "shift", "practical", "said"),
    [
        ("better", 1.0, 0.5, "better"),
        ("worse", 1.0, 0.5, "worse"),
        ("worse", -1.0, 0.5, "better"),
        ("neither", 1.0, 0.5, ""),
        ("neither", 0.0, 2.0, "no_real_change"),
        ("better", 0.0, 0.0, "cannot_tell"),
        ("better", 0.5, 0.0, "better"),
    ],
)
def test_what_a_rise_means(rising: str, shift: float, practical: float, said: str) -> None:
    draws = np.random.default_rng(2).normal(shift, 0.1, (4000, 1))
    row = tidy([estimand("gap", draws, pd.DataFrame({"n": [9]}), practical=practical, rising=rising)]).iloc[0]
    assert row["verdict"] == said
    assert row["ref"] == 0


def test_places_may_have_references_of_their_own() -> None:
    draws = np.random.default_rng(3).normal(0.0, 1.0, (4000, 2))
    place = pd.DataFrame({"group": ["a", "b"], "ref": [-5.0, 0.0], "n": [3, 4]})
    told = tidy([estimand("level", draws, place, level="shop")]).set_index("group")
    assert told["prob_gt_ref"].tolist() == pytest.approx([1.0, 0.5], abs=0.03)
    assert told["ref"].tolist() == [-5.0, 0.0]


def test_what_is_known_without_draws_has_no_interval() -> None:
    chance = estimand("p_best", np.array([0.25, 0.75]), pd.DataFrame({"group": ["a", "b"], "n": 5}), unit="probability")
    table = tidy([chance, cube()["index"].isel(period=0, latent=0, drop=True)])
    assert table["mean"].tolist()[:2] == [0.25, 0.75]
    assert table.loc[:1, ["sd", "ci_low", "ci_prob"]].isna().all(axis=None)
    assert table["ci_kind"].tolist() == ["", "", "eti"]


def test_a_best_fit_lies_in_its_interval() -> None:
    draws = np.random.default_rng(4).normal(1.0, 0.1, (1000, 1))
    row = tidy([estimand("weight", draws, pd.DataFrame({"mean": [2.0]}))]).iloc[0]
    assert row["mean"] == row["ci_high"] == 2.0
    assert row["median"] == pytest.approx(1.0, abs=0.02)


def test_unknown_cells_have_no_numbers_and_no_verdict() -> None:
    draws = np.random.default_rng(5).normal(1.0, 0.1, (1000, 2))
    draws[3, 1] = np.nan
    told = tidy([estimand("gap", draws, pd.DataFrame({"group": ["a", "b"]}), practical=0.1)])
    assert told["verdict"].tolist() == ["better", ""]
    assert told.loc[1, list(ESTIMATE_NUMBERS)].isna().all()


def test_a_fit_that_failed_gives_rows_without_numbers() -> None:
    table = tidy(cube(), withheld=True)
    assert set(table["verdict"]) == {"withheld"}
    assert table[list(ESTIMATE_NUMBERS)].isna().all(axis=None)
    assert table["n"].notna().all()
    half = withhold(tidy(cube()), np.arange(6) < 3)
    assert half["mean"].isna().tolist() == [True] * 3 + [False] * 3


def test_nothing_gives_a_table_without_rows() -> None:
    assert len(tidy([])) == 0
    assert "verdict" in tidy([])


def test_summaries_of_many_and_of_one_agree() -> None:
    draws = np.random.default_rng(6).standard_normal((500, 3))
    many = estimates.summaries(draws, ref=0.1)
    assert many.iloc[1].to_dict() == pytest.approx(estimates.summary(draws[:, 1], ref=0.1))
