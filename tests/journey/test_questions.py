"""Expectation and experience from client files to tidy rows: which questions go together, who was reached by what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from cxlab import connect
from cxlab.inference.diagnostics import Gate
from cxlab.journey import estimates_gaps, expectations, questions
from cxlab.journey.expectations import Priors
from cxlab.journey.paired_density import Posterior
from cxlab.params.models import Params
from cxlab.runs import UnitData

PERIODS = ["2026Q1", "2026Q2"]


def people(folder: Path, *, n: int = 900) -> None:
    """Answers of two quarters: delivery disappoints, staff does not; a campaign reached a third in the second."""
    random = np.random.default_rng(3)
    quarter = random.choice([0, 1], n)
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(quarter * 90 + random.integers(0, 88, n), unit="D")
    who = np.arange(n)
    reached = who % 3 == 0
    same = random.normal(0, 0.7, (n, 2))
    hoped = same + random.normal(0, 0.7, (n, 2))
    hoped[:, 0] += 0.8 * (reached & (quarter == 1) & (day > "2026-04-10"))
    lived = same + random.normal(0, 0.7, (n, 2)) - [0.7, 0.0]
    codes = [np.digitize(x, [-1.2, -0.4, 0.4, 1.2]) + 1 for x in (hoped, lived)]
    frame = pd.DataFrame(
        {"no": who, "member": who, "day": day.strftime("%Y-%m-%d"), "age": random.choice(["a", "b"], n)}
    )
    frame = frame.assign(
        hope_delivery=codes[0][:, 0], hope_staff=codes[0][:, 1], delivery=codes[1][:, 0], staff=codes[1][:, 1]
    )
    frame["parcel"] = codes[1][:, 0]
    frame["web"] = random.integers(1, 6, n)
    frame.loc[random.random(n) < 0.2, "delivery"] = 0
    frame.loc[random.random(n) < 0.5, "parcel"] = 0
    frame.to_csv(folder / "answers.csv", index=False)
    mailings = pd.DataFrame({"member": who[reached], "sent": "2026-04-10"})
    later = pd.DataFrame({"member": who, "sent": "2026-05-20"})  # of another campaign
    pd.concat([mailings, later]).to_csv(folder / "mailings.csv", index=False)
    events = [
        ("E1", "campaign", "big promise", "2026-04-10", "2026-04-12", ""),
        ("E2", "price_change", "new prices", "2026-01-20", "", ""),
    ]
    events += [
        ("E3", "life_event", "moved", "2026-02-01", "", "5"),
        ("E4", "competitor", "a rival", "2026-06-28", "", ""),
    ]
    pd.DataFrame(events, columns=["id", "kind", "name", "start", "end", "member"]).to_csv(
        folder / "events.csv", index=False
    )
    staff = pd.DataFrame(
        {"no": np.arange(60), "quarter": np.repeat(PERIODS, 30), "delivery": random.choice([4, 5], 60)}
    )
    staff.to_csv(folder / "managers.csv", index=False)


def params_of(folder: Path, **more: object) -> Params:
    def item(column: str, role: str, touchpoint: str) -> dict[str, str]:
        return {"column": column, "scale": "five", "role": role, "touchpoint": touchpoint}

    items = {
        "expect_delivery": item("hope_delivery", "expectation", "delivery"),
        "expect_staff": item("hope_staff", "expectation", "store"),
        "parcel": item("parcel", "attribute", "delivery"),
        "delivery": item("delivery", "attribute", "delivery"),
        "staff": item("staff", "attribute", "store"),
        "web": item("web", "attribute", "web"),
    }
    believed = {"delivery_believed": item("delivery", "management", "delivery")}
    return Params.model_validate(
        {
            "client": "me",
            "data_root": str(folder),
            "brands": ["one"],
            "periods": {"grain": "quarter", "first": "2026Q1", "last": "2026Q2"},
            "scales": {"five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {0: "blank"}}},
            "inputs": {name: {"path": f"{name}.csv"} for name in ("answers", "events", "mailings", "managers")},
            "tables": {
                "responses": [
                    {
                        "from": "answers", "response_id": "no", "customer": "member", "date": "day",
                        "segments": {"age": "age"},
                    },
                    {"from": "managers", "response_id": {"column": "no", "prefix": "source"}, "period": "quarter"},
                ],
                "ratings": [
                    {"from": "answers", "response_id": "no", "items": items},
                    {"from": "managers", "response_id": {"column": "no", "prefix": "source"}, "items": believed},
                ],
                "interactions": {
                    "from": "mailings", "customer": "member", "date": "sent", "kind": {"const": "campaign"},
                    "channel": {"const": "e-mail"},
                },
                "events": {
                    "from": "events", "event_id": "id", "kind": "kind", "name": "name", "date": "start",
                    "date_end": "end", "customer": "member",
                },
            },
            "journey": {
                "stages": [{"id": "buy", "touchpoints": ["web", "store"]}, {"id": "get", "touchpoints": ["delivery"]}]
            },
            "targets": {"delivery": {"mean": 4.0}, "store": {"csat": 0.1}},
        }
        | more
    )  # fmt: skip


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    folder = tmp_path_factory.mktemp("files")
    people(folder)
    return params_of(folder)


@pytest.fixture(scope="module")
def data(params: Params, tmp_path_factory: pytest.TempPathFactory) -> UnitData:
    return store_of(params, tmp_path_factory.mktemp("store"))


def store_of(params: Params, folder: Path) -> UnitData:
    return UnitData(connect.open_store(Path(connect.build(params, folder / "store"))), "one", "2026Q2")


@pytest.fixture(scope="module")
def asked(data: UnitData, params: Params) -> list[questions.Question]:
    return questions.questions(data, params=params, period="2026Q2", periods=PERIODS)


@pytest.fixture(scope="module")
def fits(asked: list[questions.Question], params: Params) -> list[questions.Fit]:
    return questions.fit(asked, settings=params.model, seed=len, accept=estimates_gaps.converged)


@pytest.fixture(scope="module")
def table(fits: list[questions.Fit], params: Params) -> pd.DataFrame:
    return estimates_gaps.table(fits, estimates_gaps.gates(fits), params=params)


def test_expectations_find_their_experience_in_the_order_of_the_journey(asked: list[questions.Question]) -> None:
    told = [(q.touchpoint, q.expectation, q.experience, q.managers) for q in asked]
    assert told == [
        ("web", "", "web", ""),
        ("store", "expect_staff", "staff", ""),
        ("delivery", "expect_delivery", "delivery", "delivery_believed"),  # not the parcel: by name
    ]
    assert all(q.satisfied_from == 4 for q in asked)


def test_counts_are_those_of_the_files(asked: list[questions.Question], params: Params) -> None:
    answers = pd.read_csv(Path(params.data_root) / "answers.csv")
    delivery = asked[2].data
    assert delivery.both.sum() == (answers["delivery"] > 0).sum()
    assert delivery.expectation_only.sum() == (answers["delivery"] == 0).sum()
    crossed = pd.crosstab(answers["hope_delivery"], answers["delivery"]).drop(columns=0)
    np.testing.assert_array_equal(delivery.both.sum(axis=0), crossed)
    assert delivery.managers.sum() == 60


def test_events_of_the_market_and_whom_they_reached(data: UnitData, asked: list[questions.Question]) -> None:
    found = questions.events(data)
    assert [(e.name, e.listed) for e in found] == [("a rival", False), ("big promise", True), ("new prices", False)]
    delivery = asked[2]
    assert [name for _, name in delivery.data.event_columns()] == ["big promise", "new prices"]
    assert ("baseline", "reached: big promise") in delivery.data.columns
    assert list(delivery.thin) == ["a rival"]
    assert min(delivery.thin["a rival"]) < 30
    on = delivery.data.cells["big promise"] == 1
    assert (delivery.data.cells.loc[on, "reached: big promise"] == 1).all()
    assert set(delivery.data.cells.loc[on, "period"]) == {"2026Q2"}


def test_names_of_events_never_meet_those_of_columns(tmp_path: Path) -> None:
    people(tmp_path)
    rows = [("E1", "campaign", "period", "2026-04-10"), ("E2", "campaign", "SALE", "2026-03-01")]
    rows += [("E3", "campaign", "Sale", "2026-02-01"), ("E4", "campaign", "sale", "2026-02-01")]
    frame = pd.DataFrame(rows, columns=["id", "kind", "name", "start"]).assign(end="", member="")
    frame.to_csv(tmp_path / "events.csv", index=False)
    own = params_of(tmp_path)
    data = store_of(own, tmp_path)
    names = [e.name for e in questions.events(data)]
    assert names == ["period (2026-04-10)", "SALE (2026-03-01)", "Sale (2026-02-01)"]
    asked = questions.questions(data, params=own, period="2026Q2", periods=PERIODS)
    assert {name for _, name in asked[2].data.event_columns()} | set(asked[2].thin) == set(names)


def row(table: pd.DataFrame, **where: object) -> pd.Series:
    rows = table
    for column, value in ({"period": "2026Q2"} | where).items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, where
    return rows.iloc[0]


def test_gaps_have_verdicts(table: pd.DataFrame) -> None:
    assert row(table, estimand="gap", metric="mean", touchpoint="delivery")["verdict"] == "worse"
    assert row(table, estimand="gap", metric="mean", touchpoint="store")["verdict"] in ("no_real_change", "cannot_tell")
    assert row(table, estimand="gap", metric="latent", touchpoint="delivery")["ci_high"] < -0.4
    assert not (table[table["touchpoint"] == "web"]["estimand"].isin(["gap", "expectation", "p_below"])).any()


def test_shares_add_up_and_targets_are_judged(table: pd.DataFrame) -> None:
    parts = [row(table, estimand=e, touchpoint="delivery")["mean"] for e in ("p_below", "p_met", "p_exceeded")]
    assert sum(parts) == pytest.approx(1)
    assert row(table, estimand="p_target", touchpoint="delivery")["mean"] < 0.01
    assert row(table, estimand="p_target", touchpoint="store")["mean"] > 0.99
    assert row(table, estimand="experience", metric="mean", touchpoint="delivery")["ref"] == 4.0


def test_managers_are_compared(table: pd.DataFrame) -> None:
    over = row(table, estimand="experience_gap", touchpoint="delivery", metric="mean")
    assert over["prob_gt_ref"] > 0.99
    assert over["n"] == 30


def test_the_campaign_moved_what_it_promised_only(table: pd.DataFrame) -> None:
    told = table[(table["estimand"] == "expectation_shift") & (table["metric"] == "mean")].set_index(
        ["touchpoint", "event"]
    )
    assert told.loc[("delivery", "big promise"), "prob_gt_ref"] > 0.975
    assert told.loc[("delivery", "big promise"), "verdict"] == ""
    assert 0.025 < told.loc[("store", "big promise"), "prob_gt_ref"] < 0.975
    assert told.loc[("delivery", "a rival"), "verdict"] == "suppressed"
    assert np.isnan(told.loc[("delivery", "a rival"), "mean"])


def test_with_shuffled_lists_the_campaign_moved_nothing(params: Params, tmp_path: Path) -> None:
    people(tmp_path)
    mailings = pd.read_csv(tmp_path / "mailings.csv")
    mailings = mailings[mailings["sent"] == "2026-04-10"]
    mailings = mailings.assign(member=np.random.default_rng(8).permutation(900)[: len(mailings)])
    mailings.to_csv(tmp_path / "mailings.csv", index=False)
    shuffled = params_of(tmp_path)
    asked = questions.questions(store_of(shuffled, tmp_path), params=shuffled, period="2026Q2", periods=PERIODS)
    delivery = [q for q in asked if q.touchpoint == "delivery"]
    fits = questions.fit(delivery, settings=shuffled.model, seed=len)
    shift = fits[0].reported["expectation_shift_latent"].sel(event="big promise")
    assert 0.025 < float((shift > 0).mean()) < 0.975


def test_what_failed_its_checks_has_no_numbers(fits: list[questions.Fit], params: Params) -> None:
    failed = [Gate(False, 1.2, 50.0, 50.0, 3)] * len(fits)
    table = estimates_gaps.table(fits, failed, params=params)
    assert set(table["verdict"]) == {"withheld"}
    assert table["mean"].isna().all()


def test_importance_is_judged_by_its_effective_draws(fits: list[questions.Fit]) -> None:
    tree = fits[0].tree
    assert tree.attrs["method"] == "importance"
    assert estimates_gaps.judged(tree, fits[0].reported).passed
    wasteful = xr.DataTree.from_dict({name: tree[name].dataset.isel(draw=slice(0, 20)) for name in tree.children})
    wasteful.attrs.update(tree.attrs, ess=80.0)
    assert not estimates_gaps.judged(wasteful, fits[0].reported.isel(draw=slice(0, 20))).passed


def test_nobody_asked(data: UnitData, params: Params) -> None:
    assert questions.questions(data, params=params, period="2031Q1", periods=PERIODS) == []
    empty = estimates_gaps.table([], [], params=params)
    assert list(empty.columns) == list(estimates_gaps.COLUMNS)
    strict = params.model_copy(update={"limits": params.limits.model_copy(update={"min_n": 5000})})
    assert questions.questions(data, params=strict, period="2026Q2", periods=PERIODS) == []


def test_expectations_told_before_go_with_the_next_experience_of_the_customer(tmp_path: Path) -> None:
    """Asked before the visit in one questionnaire, after it in another."""
    random = np.random.default_rng(1)
    n = 200
    hoped = random.integers(1, 6, n)
    pd.DataFrame({"no": range(n), "member": range(n), "day": "2026-01-10", "hope_delivery": hoped}).to_csv(
        tmp_path / "before.csv", index=False
    )
    pd.DataFrame({"no": range(n), "member": range(n), "day": "2026-02-10", "delivery": hoped.clip(2)}).to_csv(
        tmp_path / "after.csv", index=False
    )
    own = {"scale": "five", "touchpoint": "delivery"}
    items = {
        "before": {"expect_delivery": own | {"column": "hope_delivery", "role": "expectation"}},
        "after": {"delivery": own | {"column": "delivery", "role": "attribute"}},
    }
    number = {"column": "no", "prefix": "source"}
    tables = {
        "responses": [{"from": s, "response_id": number, "customer": "member", "date": "day"} for s in items],
        "ratings": [{"from": s, "response_id": number, "items": i} for s, i in items.items()],
    }
    # A campaign between the two shaped no expectation told before it.
    pd.DataFrame([("E1", "campaign", "promise", "2026-01-20")], columns=["id", "kind", "name", "start"]).to_csv(
        tmp_path / "events.csv", index=False
    )
    tables["events"] = [{"from": "events", "event_id": "id", "kind": "kind", "name": "name", "date": "start"}]
    inputs = {s: {"path": f"{s}.csv"} for s in (*items, "events")}
    params = params_of(tmp_path, tables=tables, inputs=inputs, targets={})
    (asked,) = questions.questions(store_of(params, tmp_path), params=params, period="2026Q1", periods=["2026Q1"])
    assert asked.data.both.sum() == n
    assert asked.data.expectation_only.sum() == 0
    assert (np.diag(asked.data.both[0])[1:] == np.bincount(hoped, minlength=6)[2:]).all()
    assert asked.thin == {"promise": (0, n)}


def test_the_model_foretells_the_steps_and_one_of_shuffled_pairs_does_not(
    fits: list[questions.Fit], params: Params
) -> None:
    seen = estimates_gaps.predictive(fits, params=params, period="2026Q2", seed=1)
    assert set(seen["touchpoint"]) == {"store"}
    assert seen["observed"].sum() == pytest.approx(1)
    inside = (seen["observed"] >= seen["ci_low"]) & (seen["observed"] <= seen["ci_high"])
    assert inside.mean() >= 0.6
    store = fits[1]
    apart = store.tree["posterior"].dataset.copy(deep=True)
    apart["x"][..., Posterior(store.question.data, Priors()).places["fisher"]] = -1.0
    _, observed, wrong = expectations.steps(apart, store.question.data, period="2026Q2", seed=1)
    low, high = np.quantile(wrong, [0.05, 0.95], axis=0)
    assert ((observed >= low) & (observed <= high)).mean() < 0.5
    nobody = estimates_gaps.predictive(fits[:1], params=params, period="2026Q2", seed=1)
    assert nobody.empty
