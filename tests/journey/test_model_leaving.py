"""Who left: the first experience of a window, what followed it, the horizon."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from journey_files import unit

from cxlab.inference import experiences
from cxlab.journey import churn
from cxlab.journey.churn import Horizon

EDGES = ["eve,2025-01-01", "eve,2025-06-30"]
HORIZON = Horizon(30, "purchase", pd.Timestamp("2025-01-01"), pd.Timestamp("2025-06-30"))


def test_what_followed_is_counted_from_the_next_day_within_the_horizon(tmp_path: Path) -> None:
    data, _ = unit(
        tmp_path,
        met=[
            "i1,ann,2025-03-01,delivery,,true",  # ann buys on that day only: gone
            "i2,bob,2025-03-01,delivery,,false",  # bob buys on the thirtieth day after
            "i3,cid,2025-03-01,delivery,,false",  # cid one day later than that
            "i4,cid,2025-03-02,delivery,,true",  # the second one in the window is not taken
            "i5,dora,2025-06-20,delivery,,true",  # cannot be followed for 30 days
            "i6,,2025-03-01,delivery,,true",  # nobody knows who
        ],
        bought=["ann,2025-03-01", "bob,2025-02-20", "bob,2025-03-31", "cid,2025-02-20", "cid,2025-04-01", *EDGES],
    )
    rows = churn.followed(data, HORIZON, basis="outcome", names=["late"]).set_index("id")
    assert rows["left"].to_dict() == {"i1": True, "i2": False, "i3": True}
    words = churn.outcome_words(rows.reset_index(), {("delivery", "late"): "late"})
    assert words.iloc[:, 0].tolist() == ["bad", "good", "good"]


def test_the_past_is_before_the_moment(tmp_path: Path) -> None:
    data, _ = unit(
        tmp_path,
        met=["i1,ann,2025-03-10,delivery,,true", "i2,bob,2025-03-10,delivery,,true"],
        bought=[
            "ann,2025-03-10",
            "ann,2025-03-12",
            "bob,2025-03-09",
            "bob,2025-02-20",
            "bob,2025-01-01",
            "eve,2025-06-30",
        ],
    )
    rows = churn.followed(data, HORIZON, basis="outcome", names=["late"]).set_index("id")
    assert rows["past"].to_dict() == {"i1": "0", "i2": "2-3"}
    assert rows["left"].to_dict() == {"i1": False, "i2": True}


def test_whoever_churned_before_is_not_followed(tmp_path: Path) -> None:
    data, _ = unit(
        tmp_path,
        met=[
            "i1,ann,2025-03-10,delivery,,true",
            "i2,bob,2025-03-10,delivery,,true",
            "i3,cid,2025-03-10,delivery,,false",
        ],
        bought=["ann,2025-03-01,churn", "bob,2025-03-20,churn", "eve,2025-01-01", "eve,2025-06-30"],
    )
    to = Horizon(30, "churn", HORIZON.first, HORIZON.last)
    rows = churn.followed(data, to, basis="outcome", names=["late"]).set_index("id")
    assert rows["left"].to_dict() == {"i2": True, "i3": False}


def test_whoever_has_not_come_or_is_gone_already_cannot_leave(tmp_path: Path) -> None:
    data, _ = unit(
        tmp_path,
        met=[f"i{k},{who},2025-04-10,delivery,,true" for k, who in enumerate(("ann", "bob", "cid", "dora"))],
        bought=["ann,2025-04-10", "bob,2025-03-11", "cid,2025-03-10", "dora,2025-04-11", *EDGES],
    )
    rows = churn.followed(data, HORIZON, basis="outcome", names=["late"])
    assert sorted(rows["id"]) == ["i0", "i1"]  # cid had bought nothing for longer, dora nothing at all


def test_the_horizon_is_learned_from_those_who_came_back(tmp_path: Path) -> None:
    days = pd.date_range("2025-01-01", "2025-12-30", freq="20D")
    data, _ = unit(tmp_path, bought=[f"c{k},{day.date()}" for k in range(40) for day in days])
    found = churn.horizon(data)
    assert found is not None
    assert (found.kind, found.days) == ("purchase", 28)  # 20 days, never less than four weeks
    assert churn.horizon(data, least=41) is None


def test_without_purchases_nobody_is_known_to_have_left(tmp_path: Path) -> None:
    data, params = unit(tmp_path, answers=["r1,ann,2025-03-10,,4,2,1"])
    assert churn.horizon(data) is None
    assert experiences.question(data, params) is not None
