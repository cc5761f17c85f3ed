"""Visits walk the chain of the truth and lead up to the orders of the world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from cxlab.synthetic import World
from cxlab.synthetic.visits import APART, CHAIN, ENDS, chain, ending

Switched = Callable[..., World]


def steps(world: World) -> pd.DataFrame:
    """Every step of every session: `from`, `to`, `step` (0 = the first)."""
    rows = world.visits.rows.sort_values(["session", "date"], kind="stable")
    web = world.life.orders.set_index("order")["web"].reindex(rows["order"]).to_numpy(dtype=object)
    end = np.where(rows["order"] == 0, "leave", np.where(web == True, *ENDS[:2]))  # noqa: E712  (objects)
    after = rows.groupby("session")["touchpoint"].shift(-1)
    inner = pd.DataFrame({"from": rows["touchpoint"], "to": after.where(after.notna(), pd.Series(end, rows.index))})
    first = rows.groupby("session")["touchpoint"].first()
    out = pd.concat([pd.DataFrame({"from": "start", "to": first}), inner], ignore_index=True)
    return out.assign(step=np.concatenate([np.zeros(len(first), int), 1 + rows.groupby("session").cumcount()]))


def chi_square(world: World) -> tuple[float, int]:
    """Distance of the observed steps from the truth of the world, and its degrees of freedom."""
    p = world.truth.transitions.set_index(["from", "to"])["probability"]
    count = steps(world).groupby(["from", "to"]).size().reindex(p.index, fill_value=0)
    expected = p * count.groupby("from").transform("sum")
    possible = expected > 0
    assert count[~possible].sum() == 0
    return float(((count - expected)[possible] ** 2 / expected[possible]).sum()), int(possible.sum()) - 6


def test_steps_are_those_of_the_chain(world: World):
    statistic, degrees = chi_square(world)
    assert degrees == 29 + 5 - 6 + 6
    assert statistic < degrees + 4 * np.sqrt(2 * degrees)


def test_without_the_switch_the_next_step_has_no_memory(world: World, switched: Switched):
    blind = switched(visits=0.0)
    statistic, degrees = chi_square(blind)
    assert statistic < degrees + 4 * np.sqrt(2 * degrees)
    rows = blind.truth.transitions.pivot(index="from", columns="to", values="probability").drop("start")
    assert (rows.nunique() == 1).all()
    # The walks of the true chain are far from it: the test above can fail.
    blank = World(**{**vars(world), "truth": blind.truth})
    p = blank.truth.transitions.set_index(["from", "to"])["probability"]
    count = steps(world).groupby(["from", "to"]).size().reindex(p.index, fill_value=0)
    expected = p * count.groupby("from").transform("sum")
    assert ((count - expected)[expected > 0] ** 2 / expected[expected > 0]).sum() > 1000


def test_the_chain_is_one():
    np.testing.assert_allclose(CHAIN.sum(axis=1), 1)
    np.testing.assert_allclose(ending(CHAIN).sum(), 1)


def test_sessions_lead_up_to_their_order_and_stand_apart(world: World):
    rows = world.visits.rows
    orders = world.life.orders.set_index("order")
    span = rows.groupby("session").agg(
        customer=("customer", "first"), order=("order", "first"), first=("date", "min"), last=("date", "max"),
        n=("date", "size"),
    )  # fmt: skip
    assert rows.groupby("session")[["customer", "order"]].nunique().max(axis=None) == 1
    assert ((span["last"] - span["first"]).dt.days + 1 == span["n"]).all()  # one step a day
    bought = span[span["order"] > 0]
    assert bought["order"].is_unique
    bought_on = orders["date"].loc[bought["order"]].to_numpy()
    assert ((bought_on - bought["last"].to_numpy()).astype("timedelta64[D]").astype(int) == 1).all()
    assert (orders["customer"].loc[bought["order"]].to_numpy() == bought["customer"].to_numpy()).all()
    # No other visit or order of the customer in the days before the first visit, nor after leaving.
    own = world.life.orders["order"].map(bought.reset_index().set_index("order")["session"])
    ends = span.reset_index()
    moments = pd.concat(
        [
            ends[["customer", "session"]].assign(date=ends["first"]),
            ends[["customer", "session"]].assign(date=ends["last"]),
            world.life.orders[["customer", "date"]].assign(session=own),
        ]
    ).sort_values(["customer", "date"], kind="stable", ignore_index=True)
    moments["date"] = moments["date"].astype("datetime64[s]")
    before = moments.shift()
    other = moments["customer"].eq(before["customer"]) & moments["session"].ne(before["session"])
    gap = (moments["date"] - before["date"]).dt.days
    starts = other & moments["session"].notna()
    after_leaving = other & before["session"].isin(span.index[span["order"] == 0])
    assert starts.sum() > 5000
    assert after_leaving.sum() > 2000
    assert gap[starts].min() >= APART
    assert gap[after_leaving].min() >= APART


def test_service_before_the_order_is_where_people_leave(world: World, switched: Switched):
    leave = chain(world.settings)[1:, -1]
    assert leave[-1] > 2 * leave[:-1].max()
    rows = steps(world)
    share = rows["to"].eq("leave").groupby(rows["from"]).mean()
    assert share["service"] > 2 * share.drop(["service", "start"]).max()
    rows = steps(switched(visits=0.0))
    share = rows["to"].eq("leave").groupby(rows["from"]).mean().drop("start")
    assert np.ptp(share) < 0.05


def test_the_app_is_walked_by_its_users(world: World):
    rows = world.visits.rows
    assert world.people["app_user"].to_numpy()[rows.loc[rows["touchpoint"] == "app", "customer"]].all()
    assert 10_000 < len(rows) <= 25_000
