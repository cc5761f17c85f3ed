"""Steps in their order: ties of a day, journeys and their pauses, what is cut off, spells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from journey_files import unit

from cxlab.journey import transitions

# Ann and Zed open and close the data: what lies near their days is neither start nor end.
EDGES = ["zed,2025-01-01", "zed,2025-12-31"]
FEW = {"max_reject_share": 1.0, "min_n": 1}
ZED = {("buy:web", "end"): 1, ("start", "buy:web"): 1}


def counted(rows: pd.DataFrame) -> dict[tuple[str, str], int]:
    return {(a, b): int(n) for a, b, n in rows[["touchpoint", "to", "n"]].itertuples(index=False)}


def test_steps_of_a_day_follow_the_stages_and_the_lines(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=["i1,ann,2025-05-01,delivery,,", "i2,ann,2025-05-01,web,,", "i3,ann,2025-05-01,web,,"],
        bought=["ann,2025-05-01", *EDGES],
    )
    found = counted(transitions.transitions(data, params, gap=7))
    # one source keeps its lines (delivery, web; the second web is the same step), and its earliest stage leads
    own = {("start", "delivery"): 1, ("delivery", "web"): 1, ("web", "buy:web"): 1}
    assert found == ZED | own | {("buy:web", "end"): 2}


def test_a_pause_longer_than_the_gap_ends_a_journey(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=["i1,ann,2025-05-01,web,,", "i2,ann,2025-05-08,service,,", "i3,ann,2025-05-16,web,,"],
        bought=EDGES,
    )
    found = counted(transitions.transitions(data, params, gap=7))
    assert found == ZED | {("start", "web"): 2, ("web", "service"): 1, ("service", "end"): 1, ("web", "end"): 1}


def test_what_the_edges_of_the_data_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=["i1,ann,2025-01-03,web,,", "i2,bob,2025-12-29,web,,", "i3,bob,2025-12-30,service,,"],
        bought=EDGES,
    )
    found = counted(transitions.transitions(data, params, gap=7))
    assert found == ZED | {("web", "end"): 1, ("start", "web"): 1}


def test_steps_near_the_last_day_do_not_make_journeys_look_endless(tmp_path: Path) -> None:
    """Every other customer goes on after a week, on whatever day they came."""
    days = pd.date_range("2025-01-01", "2025-02-28")
    met = [f"i{k},c{k},{day.date()},web,," for k, day in enumerate(days)]
    met += [f"j{k},c{k},{(day + pd.Timedelta(days=7)).date()},service,," for k, day in enumerate(days) if k % 2]
    data, params = unit(tmp_path, met=met, limits=FEW)
    found = counted(transitions.transitions(data, params, gap=30))
    assert abs(found["web", "end"] - found["web", "service"]) <= 1


def test_rare_states_are_put_together(tmp_path: Path) -> None:
    met = [f"i{k},ann,2025-05-{1 + k:02d},t{min(k, 12):02d},," for k in range(20)]
    data, params = unit(tmp_path, met=met, bought=EDGES, limits=FEW)
    found = transitions.transitions(data, params, gap=7)
    names = {*found["touchpoint"], *found["to"]} - {"start", "end"}
    assert len(names) <= transitions.MOST_STATES
    assert "other" in names


def test_many_steps_of_few_people_are_told_under_another_name(tmp_path: Path) -> None:
    often = [
        f"i{k},ann,{day.date()},phone,," for k, day in enumerate(pd.date_range("2025-03-01", periods=20, freq="9D"))
    ]
    many = [f"j{k},c{k},2025-05-01,web,," for k in range(8)]
    data, params = unit(tmp_path, met=[*often, *many], bought=EDGES, limits={"max_reject_share": 1.0, "min_n": 5})
    found = transitions.transitions(data, params, gap=7)
    assert "web" in set(found["touchpoint"])
    assert "phone" not in {*found["touchpoint"], *found["to"]}  # one person's


def test_transitions_by_segment_add_up(tmp_path: Path) -> None:
    met = [f"i{k},{who},2025-05-01,web,," for k, who in enumerate(["ann", "bob", "cid"])]
    data, params = unit(tmp_path, met=met, bought=EDGES, customers=["ann,2024-01-01,old", "bob,2024-01-01,old"])
    whole = transitions.transitions(data, params, gap=7)
    by = transitions.transitions(data, params, gap=7, segment="age")
    assert counted(whole) == counted(by.groupby(["touchpoint", "to"], as_index=False)["n"].sum())
    assert by[by["to"] == "web"].set_index("group")["n"].to_dict() == {"old": 2, "(unknown)": 1}


def test_the_flow_begins_with_whole_journeys(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=["i1,ann,2025-05-01,web,,", "i2,ann,2025-05-02,service,,", "i3,bob,2025-01-02,web,,"],
        bought=EDGES,
    )
    found = transitions.flow(data, params, gap=7)
    rows = [tuple(r) for r in found[["step", "touchpoint", "to", "n"]].to_numpy().tolist()]
    assert rows == [(1, "web", "service", 1), (2, "service", "end", 1)]


def test_the_gap_is_where_pauses_within_and_between_journeys_part() -> None:
    random = np.random.default_rng(0)
    pauses = np.r_[random.lognormal(np.log(2), 0.5, 3000), random.lognormal(np.log(70), 0.5, 2000)].round().clip(1)
    days, n = np.unique(pauses, return_counts=True)
    assert 7 <= transitions.crossing(np.log(days), n.astype(float)) <= 20
    one = np.exp(random.normal(np.log(30), 0.5, 5000)).round().clip(1)
    days, n = np.unique(one, return_counts=True)
    assert transitions.crossing(np.log(days), n.astype(float)) == transitions.DEFAULT_GAP
    assert transitions.crossing(np.log(days[:3]), n[:3].astype(float)) == transitions.DEFAULT_GAP


def test_spells_end_with_the_next_purchase_or_with_the_data(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=[
            "i1,ann,2025-05-01,delivery,,true",
            "i2,ann,2025-06-01,delivery,,false",  # not her first in the year
            "i3,bob,2025-05-01,web,,",  # buys on the same day, and web stands before a purchase
            "i4,cid,2025-12-01,delivery,,false",
        ],
        bought=["ann,2025-05-01", "ann,2025-05-11", "bob,2025-05-01", *EDGES],
    )
    found = transitions.spells(data, params, sides={("delivery", "late"): "late"})
    rows = {(t, b, int(d), bool(x)): int(n) for t, b, d, x, n in found.itertuples(index=False)}
    assert rows == {
        ("delivery", "", 10, True): 1,
        ("delivery", "late", 10, True): 1,
        ("delivery", "", 30, False): 1,
        ("delivery", "not late", 30, False): 1,
        ("web", "", 0, True): 1,
    }


def test_a_purchase_in_a_week_that_is_not_seen_whole_is_not_counted(tmp_path: Path) -> None:
    data, params = unit(
        tmp_path,
        met=["i1,ann,2025-12-18,delivery,,", "i2,bob,2025-12-17,delivery,,", "i3,cid,2025-12-25,web,,"],
        bought=["ann,2025-12-27", "bob,2025-12-26", "cid,2025-12-25", *EDGES],
    )
    found = transitions.spells(data, params, sides={})
    rows = {(t, int(d), bool(x)) for t, _, d, x, _ in found.itertuples(index=False)}
    assert rows == {("delivery", 13, False), ("delivery", 9, True), ("web", 6, False)}
