"""The page on value from a client's file to its sentences: a shop, subscriptions, thin and dirty data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from value_pages import Shown, buyers, client, show, subscribers

from cxlab.runs import NoDataError
from cxlab.vocab import ESTIMATE_COLUMNS, ESTIMATE_NUMBERS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("shop")
    rows = buyers(500, seed=3, arrivals=40)
    back = rows.sample(40, random_state=1).assign(kind="return", amount=lambda d: -d["amount"])
    back["date"] = (pd.to_datetime(back["date"]) + pd.Timedelta(days=3)).dt.strftime("%Y-%m-%d")
    rows = pd.concat([rows.assign(kind="purchase"), back])
    path = client(folder, rows, first="2025Q3", last="2025Q4", more="value: {margin: 0.4, currency: EUR}\n")
    with pytest.MonkeyPatch.context() as patch:
        return show(path, folder, patch, brand="shop", period="2025Q4")


def test_every_question_is_answered_or_says_why_not(shop: Shown) -> None:
    told = shop.sentences
    assert len(told) == 21
    assert all(text.strip() for text in told.values())
    assert told["worth"].startswith("The 500 known customers are worth ")
    assert "Tried on the past" in told["trust"]
    assert "0.40" not in told["worth"]
    assert "cannot be told" in told["experience"]  # nobody was asked
    assert "cannot be told" in told["referrals"]


def test_the_table_is_tidy_and_the_parts_make_the_whole(shop: Shown) -> None:
    table = shop.table
    assert list(table.columns[: len(ESTIMATE_COLUMNS)]) == list(ESTIMATE_COLUMNS)
    assert (table["model"] == "value").all()
    whole = shop.row("customer_equity")["mean"]
    parts = table[(table["estimand"] == "customer_equity") & (table["level"] == "tenure") & (table["n"] >= 30)]
    few = table[(table["estimand"] == "customer_equity") & (table["level"] == "tenure") & (table["n"] < 30)]
    assert few[list(ESTIMATE_NUMBERS)].isna().all(axis=None)
    assert parts["mean"].sum() <= whole * 1.001
    moves = table[(table["estimand"] == "migration") & (table["level"] == "stage") & table["mean"].notna()]
    assert moves.groupby("from")["mean"].sum().to_numpy() == pytest.approx(1.0)
    assert shop.row("npv")["mean"] == pytest.approx(whole + shop.row("newcomers")["mean"])


def test_equity_is_the_sum_of_the_customers(shop: Shown) -> None:
    customers = shop.names["each"]
    assert len(customers) == 500
    assert customers["customer"].is_unique
    assert not customers["customer"].isin([f"c{i}" for i in range(500)]).any()  # pseudonyms
    assert customers["p_alive"].between(0, 1).all()
    assert (customers["clv_low"] <= customers["clv_high"]).all()
    assert customers["clv_mean"].sum() == pytest.approx(shop.row("customer_equity")["mean"], rel=1e-9)
    parts = shop.table[(shop.table["estimand"] == "segment_value") & shop.table["mean"].notna()]["mean"].sum()
    assert parts <= customers["clv_mean"].sum() * (1 + 1e-9)
    assert customers["segment"].str.contains("/").all()


def test_the_return_is_made_of_profit_and_the_two_values(shop: Shown) -> None:
    opening, closing, profit = (shop.row(k)["mean"] for k in ("lifetime_opening", "lifetime_equity", "profit"))
    rough = (profit + closing - opening) / opening
    assert shop.row("roc")["mean"] == pytest.approx(rough, abs=0.03)
    parts = shop.table[(shop.table["estimand"] == "roc") & (shop.table["level"] == "tenure")]
    if parts["mean"].notna().all():
        assert parts["mean"].sum() == pytest.approx(shop.row("roc")["mean"], abs=1e-6)


def test_days_of_different_seasons_get_no_verdict_and_no_quarter_becomes_a_year(shop: Shown) -> None:
    assert shop.row("equity_change")["verdict"] == ""
    assert shop.row("roc")["verdict"] == ""
    assert "season" in shop.sentences["worth"]
    assert "season" in shop.sentences["roc"]
    assert not shop.table["estimand"].isin(["roc_year"]).any()
    assert "yearly rate" not in shop.sentences["roc"]


def test_without_cost_and_effect_nobody_is_said_to_be_left_alone(shop: Shown) -> None:
    assert "A contact may cost up to" in shop.sentences["spare"]
    assert "once the params say" in shop.sentences["spare"]
    assert not shop.table["estimand"].isin(["spare", "spare_saved"]).any()


def test_forecasts_are_written_for_the_next_period(shop: Shown) -> None:
    ahead = shop.names["forecasts"].set_index("item")
    assert set(ahead.index) == {"purchases", "revenue"}
    assert set(ahead["target_period"]) == {"2026Q1"}
    assert (ahead["q05"] < ahead["q95"]).all()


def test_returns_are_no_purchases_and_take_money_off(shop: Shown) -> None:
    history = shop.names["history"]
    assert history.counts["returns"] == 40
    assert history.counts["cancelled"] < 3
    assert "Returns took back" in shop.sentences["handled"]
    assert shop.names["fitted"].margin == 0.4  # what was returned is off each customer's amounts already


def test_numbers_of_a_failed_fit_are_withheld(shop: Shown) -> None:
    from dataclasses import replace

    from cxlab.report.tidy import Estimates
    from cxlab.value import estimates, findings
    from cxlab.value.people import People

    fitted, run = shop.names["fitted"], shop.names["run"]
    failed = replace(fitted, gate=replace(fitted.gate, passed=False))
    people = People(shop.names["customers"].rates)
    table = estimates.table(failed, people, period="2025Q4", settings=shop.names["settings"], seed=run.seed)
    rows = table[table["estimand"] == "customer_equity"]
    assert (rows["verdict"] == "withheld").all()
    assert rows["mean"].isna().all()
    told = findings.worth(Estimates(table, shop.names["value"].about))
    assert told.verdict == "withheld"
    assert not any(c.isdigit() for c in told.sentence("en"))
    assert estimates.customers(failed).empty
    assert estimates.forecasts(failed, target="2026Q1").empty


def test_subscriptions_are_recognised_and_kept_by_the_share_that_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = client(tmp_path, subscribers(400, share=0.1, months=18, seed=2), first="2026Q2", last="2026Q2")
    shown = show(path, tmp_path, monkeypatch, brand="shop", period="2026Q2")
    told = shown.sentences
    assert shown.names["fitted"].kind == "contract"
    assert "refused here" in told["contract"]
    kept = shown.row("retention", level="contract", group="1")
    assert kept["ci_low"] < 0.9 < kept["ci_high"]
    assert "Tried on the past: of " in told["contract"]
    assert abs(shown.row("holdout_error")["mean"]) < 0.15  # those who differ are foretold by a model of those who do
    assert "cannot be told" in told["segments"]
    assert shown.row("customer_equity")["n"] < 400  # those who have ended are worth nothing
    assert shown.names["each"].empty


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (pd.DataFrame({"customer": ["a"] * 3, "date": ["2025-10-01", "2025-10-09", "2025-12-01"], "amount": 5.0}),
         "There is 1 customer with a purchase"),
        (pd.DataFrame({"customer": [f"c{i}" for i in range(300)], "date": "2025-11-15", "amount": 20.0}),
         "0 have bought on a second day"),
        (pd.DataFrame({"customer": [f"c{i}" for i in range(300)] + ["c0", "c1"], "date": ["2025-10-10"] * 300 +
                       ["2025-12-01"] * 2, "amount": 20.0}),
         "2 have bought on a second day (0.7"),
    ],
    ids=["one customer", "all new", "nearly all once"],
)  # fmt: skip
def test_thin_data_get_a_reason(rows: pd.DataFrame, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = client(tmp_path, rows, first="2025Q4", last="2025Q4")
    shown = show(path, tmp_path, monkeypatch, brand="shop", period="2025Q4")
    assert said in shown.sentences["worth"]
    assert shown.finding("worth").verdict == "cannot_tell"
    assert shown.names["each"].empty
    assert shown.names["forecasts"].empty


def test_nobody_known_is_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"customer": [None] * 5, "date": "2025-11-15", "amount": 20.0})
    path = client(tmp_path, rows, first="2025Q4", last="2025Q4")
    with pytest.raises(NoDataError, match="no known customer"):
        show(path, tmp_path, monkeypatch, brand="shop", period="2025Q4")


def test_dirty_rows_are_told_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"customer": [f"c{i}" for i in range(300)], "date": "2025-10-10", "amount": 20.0})
    dirt = pd.DataFrame(
        {"customer": ["c0", "c0", "c1", None, "c2"], "date": ["2025-10-10"] * 4 + ["2025-12-30"],
         "amount": [20.0, 20.0, -7.0, 3.0, 5.0]}
    )  # fmt: skip
    path = client(tmp_path, pd.concat([rows, dirt]), first="2025Q4", last="2025Q4")
    shown = show(path, tmp_path, monkeypatch, brand="shop", period="2025Q4")
    counts = shown.names["history"].counts
    assert counts["twice"] == 2
    assert counts["negative"] == 1
    assert counts["anonymous"] == 1
    assert counts["later"] == 1  # alone after eleven weeks of silence: dated in the future
    handled = str(shown.finding("handled").blocks("en"))
    for words in ("equal in everything", "negative amount", "without a known customer", "after the end of the data"):
        assert words in handled
    assert np.isnan(shown.table["ci_low"].astype(float)).all()


def test_without_amounts_value_is_counted_in_purchases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = client(tmp_path, buyers(300, seed=8, weeks=60).assign(amount=""), first="2025Q4", last="2026Q1")
    told = show(path, tmp_path, monkeypatch, brand="shop", period="2026Q1").sentences
    assert "what a purchase is worth is not known" in told["worth"]
    assert "of the value lies with" in told["segments"]
