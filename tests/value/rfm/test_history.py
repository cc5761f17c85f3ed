"""From transactions to customers: what counts, what is set apart, what is a contract, and the proof on later weeks."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from purchase_tables import BEGIN, Tables, days
from value import simulate

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.rfm import backtest
from cxlab.value.rfm import history as rfm


@pytest.fixture(scope="module")
def world() -> simulate.World:
    return simulate.draw(900, family="bgnbd", parameters=(0.6, 6.0, 0.8, 2.5), weeks=52, arrivals=20, seed=1)


def few(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_frequency_recency_and_age_in_days() -> None:
    rows = few(
        customer=["a", "a", "a", "a", "b", None, "c", "c"],
        date=["2025-01-01", "2025-01-08", "2025-01-08", "2025-01-22", "2025-01-10", "2025-01-11", "2025-01-05", None],
        amount=[10, 20, 30, 40, 5, 7, 9, 9],
    )
    history = rfm.read(Tables(rows), end=date(2025, 1, 29))
    assert history.counts["anonymous"] == 1
    assert history.counts["undated"] == 1
    assert history.counts["same_day"] == 1
    unchecked = rfm.History(**{**vars(history), "why_not": ()})
    found = unchecked.customers().set_index("customer")
    assert list(found.loc["a", ["x", "recency", "age"]]) == [2, 3, 4]
    assert found.loc["a", "spend"] == pytest.approx((50 + 40) / 2)
    assert list(found.loc["b", ["x", "recency"]]) == [0, 0]
    assert found.loc["b", "age"] == pytest.approx(19 / 7)
    assert pd.isna(found.loc["b", "spend"])
    earlier = unchecked.customers(until=date(2025, 1, 9)).set_index("customer")
    assert list(earlier.index) == ["a", "c"]
    assert earlier.loc["a", "x"] == 1


def test_returns_negative_amounts_duplicates_and_future_dates_are_told() -> None:
    rows = few(
        customer=["a", "a", "a", "b", "b", "c"],
        date=["2025-01-01", "2025-01-02", "2025-01-03", "2025-01-04", "2025-01-04", "2099-01-01"],
        amount=[10, -4, -3, 20, 20, 5],
        kind=["purchase", "return", "purchase", "purchase", "purchase", "purchase"],
    )
    history = rfm.read(Tables(rows), end=date(2025, 2, 1))
    told = {note.where: note for note in history.notes}
    assert set(told) == {"later", "negative", "returns", "same_day", "twice"}
    assert history.returned == pytest.approx(7 / 50)
    assert "14.0%" in str(told["returns"])
    assert history.counts["customers"] == 2
    unchecked = rfm.History(**{**vars(history), "why_not": ()})
    assert unchecked.customers().set_index("customer")["x"].to_dict() == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            few(customer=["a"] * 3, date=["2025-01-01", "2025-02-01", "2025-03-09"], amount=[1, 1, 1]),
            "too few customers",
        ),
        (few(customer=[f"c{i}" for i in range(50)], date=["2025-03-09"] * 50, amount=[1] * 50), "second day"),
        (few(customer=["a"], date=["2025-03-09"], amount=[-1]), "too few customers"),
    ],
    ids=["one customer", "all new", "nothing but negative"],
)
def test_too_little_is_said_and_nothing_breaks(rows: pd.DataFrame, said: str) -> None:
    history = rfm.read(Tables(rows))
    assert any(said in str(p) for p in history.why_not)
    with pytest.raises(ModelError, match=said):
        history.customers()


def test_no_purchase_at_all_is_said() -> None:
    with pytest.raises(ModelError, match="no purchase with a date"):
        rfm.read(Tables(few(customer=["a"], date=[None], amount=[1.0])))


def subscribers(n: int = 120, *, every: int = 30, jitter: int = 1, kind: str = "purchase") -> pd.DataFrame:
    random = np.random.default_rng(3)
    rows = []
    for i in range(n):
        day = int(random.integers(0, 90))
        for _ in range(int(min(random.geometric(random.beta(1, 8)), 12))):
            rows.append(
                (f"c{i}", BEGIN + timedelta(days=day + int(random.integers(-jitter, jitter + 1)) + 2), 9.9, kind)
            )
            day += every
    return pd.DataFrame(rows, columns=["customer", "date", "amount", "kind"])


def with_ends(rows: pd.DataFrame, share: float) -> pd.DataFrame:
    """Add the end of a share of those who stopped paying, two weeks after their last payment."""
    last = rows.groupby("customer")["date"].max()
    stopped = last[last < date(2025, 11, 1)]
    told = stopped.iloc[: round(share * len(stopped))]
    ends = [(c, day + timedelta(days=14), np.nan, "churn") for c, day in told.items()]
    return pd.concat([rows, pd.DataFrame(ends, columns=rows.columns)], ignore_index=True)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (subscribers(), "intervals"),
        (subscribers(kind="renewal"), "renewals"),
        (with_ends(subscribers(jitter=14), 0.9), "ends"),
    ],
    ids=["regular intervals", "renewals", "recorded ends"],
)
def test_contracts_are_recognised_and_refused(rows: pd.DataFrame, reason: str) -> None:
    history = rfm.read(Tables(rows), end=date(2026, 1, 1))
    assert history.contract is not None
    assert history.contract.reason == reason
    assert history.contract.every == pytest.approx(30, abs=2)
    with pytest.raises(ModelError, match="these are contracts"):
        history.customers()
    data = model.model_data(history.contracts(), family="sbg")
    posterior = model.fit(data, seed=1)["posterior"]
    assert 0.02 < float((posterior["a"] / (posterior["a"] + posterior["b"])).mean()) < 0.35


def test_shoppers_are_no_contract(world: simulate.World) -> None:
    history = rfm.read(Tables(days(world)))
    assert history.contract is None
    assert history.why_not == ()
    with pytest.raises(ModelError, match="no contracts"):
        history.contracts()


def test_some_closed_accounts_make_no_contracts(world: simulate.World) -> None:
    rows = days(world, 52).assign(kind="purchase")
    few_told = rfm.read(Tables(with_ends(rows, 0.1)), end=date(2025, 12, 31))
    assert few_told.counts["ended"] / few_told.counts["customers"] > 0.02
    assert few_told.contract is None
    all_told = rfm.read(Tables(with_ends(rows, 1.0)), end=date(2025, 12, 31))
    assert all_told.contract is not None
    assert all_told.contract.reason == "ends"


def test_contracts_of_several_lengths_keep_their_own_clock() -> None:
    monthly = subscribers(every=30)
    quarterly = subscribers(every=90).assign(customer=lambda t: "q" + t["customer"])
    history = rfm.read(Tables(pd.concat([monthly, quarterly])), end=date(2026, 1, 1))
    assert history.contract is not None
    assert history.contract.every == pytest.approx(30, abs=1)
    found = history.contracts().set_index("customer")
    paid = quarterly[quarterly["date"] <= date(2026, 1, 1)].groupby("customer")["date"].agg(["max", "count"])
    often = paid[paid["count"] >= 3]
    np.testing.assert_allclose(found.loc[often.index, "each"], 1 / 3, atol=0.02)
    runs = often["max"] > date(2025, 10, 15)  # the next payment was not due by the end
    assert runs.any()
    assert not found.loc[often.index[runs], "ended"].any()
    alone = rfm.read(Tables(monthly), end=date(2026, 1, 1)).contracts()
    assert (alone["each"].round(1) == 1).all()


def test_who_is_late_while_the_data_end_is_not_taken_for_running() -> None:
    random = np.random.default_rng(8)
    rows = []
    for i in range(600):
        day = date(2020, 1, 1) + timedelta(days=int(random.integers(0, 1000)))
        while day < date(2026, 1, 1):
            rows.append((f"y{i}", day, 99.0, "purchase"))
            if random.random() < 0.2:
                break
            day += timedelta(days=365 + int(random.integers(-5, 6)))
    history = rfm.read(Tables(pd.DataFrame(rows, columns=["customer", "date", "amount", "kind"])),
                             end=date(2025, 12, 31))  # fmt: skip
    assert history.contract is not None
    found = history.contracts()
    posterior = model.fit(model.model_data(found, family="sbg"), seed=1)["posterior"]
    first = float((posterior["a"] / (posterior["a"] + posterior["b"])).mean())
    assert first == pytest.approx(0.2, abs=0.025)  # .17 if half a period is waited


def test_customers_older_than_the_data_are_another_kind(world: simulate.World) -> None:
    rows = days(world)
    names = rows["customer"].unique()
    known = pd.DataFrame({"customer": names, "since": [date(2020, 1, 1)] * 300 + [BEGIN] * (len(names) - 300)})
    history = rfm.read(Tables(rows, known))
    assert history.covariates == ("before",)
    assert history.customers()["before"].sum() == 300
    assert rfm.read(Tables(rows)).covariates == ()


def test_the_proof(world: simulate.World) -> None:
    split = BEGIN + timedelta(weeks=52)
    history = rfm.read(Tables(days(world, until=52 + 26)))
    proof = backtest.holdout(history, seed=1, split=split, draws=150)
    total = proof.total
    assert total["covers"] == 1
    assert abs(total["error"]) < 0.15
    assert total["correlation"] > 0.5
    assert total["customer_cover"] == pytest.approx(total["customer_promised"], abs=0.04)
    assert total["high"] - total["low"] > total["plain_high"] - total["plain_low"]
    assert proof.classes["n"].sum() == len(proof.outlook.customers)
    assert proof.weeks["actual"].sum() == total["actual"]
    assert total["week_cover"] > 0.75
    assert proof.held
    assert len(proof.choice.scores) == 3
    assert proof.choice.learned
    assert any("seasons" in str(note) for note in proof.choice.notes)


def test_shuffled_histories_foretell_nothing(world: simulate.World) -> None:
    """The negative control: purchases after the split handed to other customers leave no correlation to be found."""
    split = BEGIN + timedelta(weeks=52)
    rows = days(world, until=52 + 26)
    late = pd.to_datetime(rows["date"]).dt.date > split
    names = rows["customer"].unique()
    other = dict(zip(names, np.random.default_rng(0).permutation(names), strict=True))
    rows.loc[late, "customer"] = rows.loc[late, "customer"].map(other)
    proof = backtest.holdout(rfm.read(Tables(rows)), seed=1, split=split, families=["bgnbd"])
    assert abs(proof.total["correlation"]) < 0.15
    assert proof.total["customer_cover"] < proof.total["customer_promised"] - 0.02


def test_the_choice_reads_nothing_later(world: simulate.World) -> None:
    """Later rows replaced by nonsense change neither the model chosen, nor its score, nor the shock."""
    split = BEGIN + timedelta(weeks=52)
    rows = days(world, until=52 + 26)
    late = pd.to_datetime(rows["date"]).dt.date > split
    absurd = pd.concat([rows[~late], rows[late].assign(amount=1e6), rows[late].assign(customer="c1")])
    absurd = absurd.drop_duplicates(["customer", "date"])
    one, other = (backtest.choose(rfm.read(Tables(t)), until=split) for t in (rows, absurd))
    assert one.family == other.family
    assert one.correction(26) == other.correction(26)
    pd.testing.assert_frame_equal(one.weekly, other.weekly)
    earlier = rows[~late].iloc[::2]  # the same check sees a change of rows that may be read
    assert backtest.choose(rfm.read(Tables(earlier)), until=split).correction(26) != one.correction(26)


def test_pareto_is_not_tried_on_very_many(world: simulate.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "LARGE", 500)
    found = backtest.choose(rfm.read(Tables(days(world))))
    assert set(found.scores["family"]) == {"bgnbd", "mbgnbd"}
    assert any("Pareto/NBD" in str(note) for note in found.notes)


def test_a_split_outside_the_history_is_refused(world: simulate.World) -> None:
    history = rfm.read(Tables(days(world)))
    with pytest.raises(ModelError, match="weeks on both sides"):
        backtest.holdout(history, seed=1, split=date(2030, 1, 1))
    with pytest.raises(ModelError, match="did you mean 'pareto'"):
        backtest.choose(history, candidates=["paretto"])  # type: ignore[list-item]


def test_cdnow(shared_data: Path) -> None:
    """Chosen on weeks 1-39, tried on weeks 40-78: 12 % too few, and the interval with the shock covers 1,882."""
    table = pd.read_csv(shared_data / "cdnow" / "cdnow_sample.csv.gz")
    rows = pd.DataFrame(
        {
            "customer": table["sample_id"].astype(str),
            "date": pd.to_datetime(table["date"].astype(str)).dt.date,
            "amount": table["amount"],
        }
    )
    history = rfm.read(Tables(rows))
    assert history.contract is None
    proof = backtest.holdout(history, seed=1, split=date(1997, 9, 30))
    assert proof.family == "bgnbd"
    assert proof.total["actual"] == 1882
    assert proof.total["mean"] / 1882 - 1 == pytest.approx(-0.121, abs=0.004)
    assert proof.total["low"] < 1882 < proof.total["high"]
    assert 0.87 <= proof.total["customer_cover"] <= 0.93
    assert proof.classes.set_index("x").loc[0, "n"] == 1411


def test_returns_are_netted_by_customer() -> None:
    """A purchase cancelled on its day is none; what came back later lowers what the customer pays on average."""
    rows = few(
        customer=["a", "a", "a", "a", "b", "b", "b", "c", "c"],
        date=["2025-01-01", "2025-01-08", "2025-01-09", "2025-01-09", "2025-01-02", "2025-01-09", "2025-01-20",
              "2025-01-03", "2025-01-03"],
        amount=[10, 10, 168470, -168470, 20, 20, -10, 30, -5],
        kind=["purchase", "purchase", "purchase", "return", "purchase", "purchase", "return", "purchase", "return"],
    )  # fmt: skip
    history = rfm.read(Tables(rows), end=date(2025, 2, 1))
    assert history.counts["cancelled"] == 1
    found = rfm.History(**{**vars(history), "why_not": ()}).customers().set_index("customer")
    assert found["x"].to_dict() == {"a": 1, "b": 1, "c": 0}
    assert found.loc["a", "spend"] == 10
    assert found.loc["b", "spend"] == pytest.approx(20 * (1 - 10 / 40))
    early = rfm.History(**{**vars(history), "why_not": ()}).customers(until=date(2025, 1, 10)).set_index("customer")
    assert early.loc["b", "spend"] == 20  # the return is not known yet
    spent = history.spending(date(2024, 12, 31), date(2025, 2, 1))["spent"]
    assert spent.to_dict() == {"a": 20, "b": 30, "c": 25}


def test_everybody_at_the_start_of_the_data_is_no_newcomer(world: simulate.World) -> None:
    history = rfm.read(Tables(days(world, until=52)), end=BEGIN + timedelta(weeks=52))
    came, weeks, _ = history.newcomers()
    assert weeks == pytest.approx(26, abs=0.3)
    assert came == 0  # all came within the first 20 weeks


def errors(factors: list[float], weeks: int = 20) -> backtest.Choice:
    """A choice whose forecasts were off by factors, an origin each."""
    parts = [
        pd.DataFrame(
            {"origin": BEGIN + timedelta(weeks=10 * i), "week": np.arange(weeks), "actual": 100 * f, "expected": 100.0}
        )
        for i, f in enumerate(factors)
    ]
    nothing = pd.DataFrame()
    return backtest.Choice("bgnbd", nothing, pd.concat(parts), (), nothing, ())


def test_forecasts_that_were_off_widen_the_next_whichever_way_they_were_off() -> None:
    low = errors([0.85, 0.88, 0.84, 0.87, 0.86]).correction(13)
    assert low.spread >= abs(np.log(0.86))
    both = errors([0.8, 1.2, 0.85, 1.18, 1.0]).correction(13)
    assert both.spread > 0.15
    good = errors([1.01, 0.99, 1.0, 1.02, 0.99]).correction(13)
    assert good.spread < 0.03
    few = errors([0.85, 0.86]).correction(13)
    assert few.spread >= backtest.UNKNOWN_SHOCK


def test_the_range_holds_what_the_past_and_the_tried_forecast_were_off_by() -> None:
    choice = errors([0.7, 1.0, 1.0, 1.0, 1.0])
    found = choice.correction(13)
    assert 1.645 * found.spread >= 0.8 * abs(np.log(0.7))
    missed = choice.correction(13, error=float(np.log(0.5)))
    assert 1.645 * missed.spread >= abs(np.log(0.5)) - 1e-9


def test_weeks_have_an_error_of_their_own() -> None:
    random = np.random.default_rng(1)
    choice = errors([1.0] * 5, weeks=50)
    wild = choice.weekly.assign(actual=random.poisson(100 * np.exp(random.normal(0, 0.3, 250))))
    assert errors([1.0] * 5).correction(13).weekly == 0
    loud = backtest.Choice(**{**vars(choice), "weekly": wild})
    assert loud.correction(13).weekly == pytest.approx(0.3, abs=0.06)
