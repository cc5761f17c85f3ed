"""Looking back never sees the future; looking ahead is a function of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from connect.make import params, store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxlab import connect
from cxlab.connect import Store
from cxlab.errors import DataError

DATA: dict[str, Any] = {
    "client": "shop",
    "brands": ["solo"],
    "periods": {"grain": "month", "first": "2026-01", "last": "2026-03"},
    "scales": {"five": {"codes": [1, 2, 3, 4, 5]}},
    "inputs": {n: {"path": f"{n}.csv"} for n in ("answers", "sales", "parcels")},
    "tables": {
        "responses": {"from": "answers", "response_id": "r", "customer": "who", "date": "day", "link": "order"},
        "ratings": {"from": "answers", "items": {"overall": {"column": "q", "scale": "five", "role": "overall"}}},
        "transactions": {"from": "sales", "transaction_id": "t", "customer": "who", "date": "day", "amount": "amount"},
        "interactions": {
            "from": "parcels", "date": "day", "touchpoint": "delivery", "link": "order",
            "outcome": {"late": "day > promised"},
        },
    },
    "limits": {"max_reject_share": 1.0},
}  # fmt: skip
ANSWERS = "r1,a,2026-01-10,o1,2\nr2,a,2026-02-10,o2,5\nr3,b,2026-01-10,o3,4\nr4,,2026-01-10,o9,3\n"
SALES = "t1,a,2026-01-01,10\nt2,a,2026-01-10,10\nt3,a,2026-02-01,10\nt4,a,2026-03-01,10\nt5,b,2026-02-01,10\n"
PARCELS = "o1,2026-01-12,2026-01-09\no2,2026-02-08,2026-02-09\no3,2026-01-10,2026-01-11\n"


def build(folder: Path, answers: str = ANSWERS, sales: str = SALES, name: str = "store") -> Store:
    folder.mkdir(exist_ok=True)
    (folder / "answers.csv").write_text("r,who,day,order,q\n" + answers)
    (folder / "sales.csv").write_text("t,who,day,amount\n" + sales)
    (folder / "parcels.csv").write_text("order,day,promised\n" + PARCELS)
    return store(folder, params(folder, DATA), name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build(tmp_path_factory.mktemp("asof"))


def test_the_last_thing_before(built: Store) -> None:
    found = connect.asof_join(built, "responses", ["transactions"]).set_index("response_id")
    assert found.transactions_before.to_dict() == {"r1": 1, "r2": 3, "r3": 0, "r4": 0}
    assert found.transactions_days.dropna().to_dict() == {"r1": 9, "r2": 9}
    assert found.transactions_last.isna()[["r3", "r4"]].all()
    same = connect.asof_join(built, "responses", ["transactions"], same_day=True).set_index("response_id")
    assert same.transactions_before.to_dict() == {"r1": 2, "r2": 3, "r3": 0, "r4": 0}
    assert same.transactions_days["r1"] == 0


def test_the_next_thing_after_is_asked_for_by_name(built: Store) -> None:
    found = connect.outcomes(built, "responses", ["transactions"]).set_index("response_id")
    assert found.transactions_after.to_dict() == {"r1": 2, "r2": 1, "r3": 1, "r4": 0}
    assert found.transactions_days.dropna().to_dict() == {"r1": 22, "r2": 19, "r3": 22}
    known = connect.outcomes(built, "responses", ["transactions"], until="2026-01").set_index("response_id")
    assert known.transactions_after.to_dict() == {"r1": 0, "r3": 0, "r4": 0}


def test_by_operational_key(built: Store) -> None:
    found = connect.asof_join(built, "responses", ["interactions"], by="link").set_index("response_id")
    assert found.interactions_before.to_dict() == {"r1": 0, "r2": 1, "r3": 0, "r4": 0}
    with pytest.raises(DataError, match="has no moments in time"):
        connect.asof_join(built, "ratings", ["transactions"])
    with pytest.raises(DataError, match="has no operational key"):
        connect.asof_join(built, "responses", ["events"], by="link")


def test_ratings_given_before_the_experience(built: Store) -> None:
    found = connect.rated_too_early(built)
    assert found[["outcome", "n", "n_before"]].values.tolist() == [["", 3, 2], ["late", 2, 1], ["late", 1, 1]]
    late = found[found.happened.fillna(False).astype(bool)].iloc[0]
    assert (late["mean"], late.mean_before) == (2, 2)
    strict = connect.rated_too_early(built, same_day=True)
    assert strict.n_before.tolist() == [1, 0, 1]  # r3 came on the very day


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 28)), min_size=1, max_size=8),
    sales=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 28)), max_size=12),
)
def test_as_of_joins_agree_with_counting_by_hand(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, int]], sales: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("random")
    made = build(
        folder,
        "".join(f"r{i},{w},2026-01-{d:02d},x,3\n" for i, (w, d) in enumerate(answers)),
        "".join(f"t{i},{w},2026-01-{d:02d},1\n" for i, (w, d) in enumerate(sales)) or "t0,zz,2026-01-01,1\n",
    )
    back = connect.asof_join(made, "responses", ["transactions"]).set_index("response_id")
    ahead = connect.outcomes(made, "responses", ["transactions"]).set_index("response_id")
    for i, (who, day) in enumerate(answers):
        before = [d for w, d in sales if w == who and d < day]
        after = [d for w, d in sales if w == who and d > day]
        assert back.transactions_before[f"r{i}"] == len(before)
        assert ahead.transactions_after[f"r{i}"] == len(after)
        assert pd.isna(back.transactions_days[f"r{i}"]) if not before else (
            back.transactions_days[f"r{i}"] == day - max(before)
        )  # fmt: skip
        assert pd.isna(ahead.transactions_days[f"r{i}"]) if not after else (
            ahead.transactions_days[f"r{i}"] == min(after) - day
        )  # fmt: skip


def test_early_periods_do_not_know_later_customers_and_answers(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,day,who,q\n1,2026-01-05,ann,5\n2,2026-05-05,bob,4\n")
    (tmp_path / "i.csv").write_text("nr,day,answer\na,2026-01-01,1\nb,2026-01-02,2\nc,2026-01-03,\n")
    (tmp_path / "c.csv").write_text("who,tier\nann,gold\nbob,gold\ncem,gold\n")
    (tmp_path / "p.csv").write_text("who,when\ndan,2026Q2\n")
    given = params(
        tmp_path,
        brands=["b"],
        inputs={n: {"path": f"{n}.csv"} for n in "sicp"},
        tables={
            "customers": {"from": "c", "customer": "who"},
            "responses": {"from": "s", "response_id": "id", "date": "day", "customer": "who"},
            "interactions": {"from": "p", "period": "when", "customer": "who"},
            "invitations": {"from": "i", "invitation_id": "nr", "date": "day", "response_id": "answer"},
        },
    )
    built = store(tmp_path, given)
    # ann, and cem of whom nothing is known but that he is a customer
    assert len(built.table("customers", until="2026Q1")) == 2
    assert len(built.table("customers", until="2026Q2")) == 4
    answered = "SELECT invitation_id, answered, response_id FROM invitations ORDER BY 1"
    early, late = (built.sql(answered, until=p) for p in ("2026Q1", "2026Q2"))
    assert list(early.answered) == [True, False, False]
    assert list(early.response_id.isna()) == [False, True, True]
    assert list(late.answered) == [True, True, False]
    assert list(built.table("invitations", until="2026Q1").answered) == [True, False, False]
