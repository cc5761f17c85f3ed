"""Ways to an order: visits of the web shop, the app, the store, product pages and the service desk.

A session is a walk of the Markov chain below from ``start`` until it ends in a purchase or in leaving; one step a day.
Walks that end in a purchase lead up to orders of the world of the same channel, the day after the last visit; those
that end in leaving stand where the customer orders nothing for weeks. Sessions are kept apart by at least ten days
without visit or order, so a gap of a week splits them. At switch ``visits`` = 0 the next step does not depend on where
one is.

Only customers who agreed to it are followed, and the app is walked by its users alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.files import ClientFile, day, strings, text
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

FIRST: Final = "2026Q1"  # first quarter with visits
FOLLOWED_SHARE: Final = 0.85  # customers who agreed
SEEN_SHARE: Final = 0.60  # of their orders that can have a session
LONGEST: Final = 8  # visits; longer walks (1 in 200) are not recorded
APART: Final = 10  # days without visit or order before a session and, if it ended in leaving, after it

STATES: Final = ("web", "app", "store", "product", "service")
ENDS: Final = ("purchase:web", "purchase:store", "leave")
CHAIN: Final = np.array(
    # web, app, store, product, service, purchase:web, purchase:store, leave
    [
        [0.45, 0.17, 0.28, 0.07, 0.03, 0.00, 0.00, 0.00],  # start
        [0.00, 0.03, 0.07, 0.40, 0.05, 0.19, 0.02, 0.24],  # web
        [0.06, 0.00, 0.05, 0.37, 0.04, 0.28, 0.01, 0.19],  # app
        [0.07, 0.02, 0.00, 0.16, 0.03, 0.03, 0.43, 0.26],  # store
        [0.10, 0.04, 0.12, 0.00, 0.06, 0.34, 0.10, 0.24],  # product
        [0.08, 0.02, 0.05, 0.10, 0.00, 0.10, 0.05, 0.60],  # service
    ]
)
_CHANNEL = {"web": "web", "app": "app", "store": "store", "service": "phone"}  # a product page: where one was before


@dataclass(frozen=True)
class Visits:
    """Sessions of the customers followed.

    Attributes
    ----------
    rows : DataFrame
        One row a visit in order of time: ``customer``, ``order`` (0 = the session ended in leaving), ``session``,
        ``date``, ``touchpoint``, ``channel``.
    transitions : DataFrame
        See `cxlab.synthetic.truth.Truth.transitions`.
    """

    rows: pd.DataFrame
    transitions: pd.DataFrame


def chain(settings: WorldSettings) -> np.ndarray:
    """Return the probabilities of the next step, shape (6, 8): from start and `STATES`, to `STATES` and `ENDS`."""
    steps = CHAIN.copy()
    steps[1:] = settings.visits * CHAIN[1:] + (1 - settings.visits) * CHAIN[1:].mean(axis=0)
    return steps


def wander(settings: WorldSettings, people: pd.DataFrame, life: Life, ids: pd.DataFrame) -> Visits:
    """Draw the sessions of both brands."""
    steps = chain(settings)
    sources = np.array(["start", *STATES], dtype=object)
    targets = np.array([*STATES, *ENDS], dtype=object)
    truth = pd.DataFrame(
        {
            "from": np.repeat(sources, len(targets)),
            "to": np.tile(targets, len(sources)),
            "probability": steps.ravel(),
        }
    )
    agreed = settings.stream("followed").random(len(people)) < FOLLOWED_SHARE
    member, account = (ids[name].to_numpy() > 0 for name in ("member", "account"))
    bought = _purchases(settings, life, agreed, member)
    left = _pauses(settings, life, agreed & (member | account))
    slots = pd.concat([bought, left], ignore_index=True)
    slots["app_user"] = people["app_user"].to_numpy()[slots["customer"]]
    brand = people["brand"].to_numpy()[slots["customer"]]
    parts = [_fill(settings.stream(f"visits {name}"), slots[brand == name], steps) for name in s.BRANDS]
    rows = pd.concat(parts, ignore_index=True).sort_values(["date", "customer"], kind="stable", ignore_index=True)
    rows["session"] = pd.factorize(pd.MultiIndex.from_frame(rows[["customer", "session"]]))[0] + 1
    return Visits(rows, truth)


def visits_file(people: pd.DataFrame, visits: Visits, orders: pd.DataFrame, ids: pd.DataFrame) -> ClientFile:
    """Shape the visits as the shop's log: signed in by account before a web order, by member number before others.

    Parameters
    ----------
    orders : DataFrame
        ``order``, ``web`` and the ``account`` each order ran over.
    """
    rows = visits.rows.merge(orders[["order", "web", "account"]], on="order", how="left")
    who = rows["customer"].to_numpy()
    member, own = ids["member"].to_numpy()[who], ids["account"].to_numpy()[who]
    web = rows["web"].astype("boolean").fillna(False).to_numpy(bool)
    account = np.where(web, rows["account"].fillna(0), np.where(member > 0, 0, own)).astype(int)
    frame = pd.DataFrame(
        {
            "visit": [f"V{i:06d}" for i in range(1, len(rows) + 1)],
            "seen_on": day(rows["date"]),
            "shop": people["brand"].to_numpy()[who],
            "account_no": text(account),
            "member_no": text(np.where(account > 0, 0, member)),
            "page": rows["touchpoint"],
            "channel": rows["channel"],
            "session": [f"G{v:06d}" for v in rows["session"]],
        }
    )
    return ClientFile("visits.csv", "visits", strings(frame), key=("visit",))


def _purchases(settings: WorldSettings, life: Life, agreed: np.ndarray, member: np.ndarray) -> pd.DataFrame:
    """Return the orders that a session may lead up to: ``customer``, ``order``, ``end`` (of ENDS), ``date`` of the end.

    Nothing else is ordered on that day or so shortly before that the session could touch it.
    """
    orders = life.orders.sort_values(["customer", "date", "order"], kind="stable", ignore_index=True)
    same = orders["customer"].eq(orders["customer"].shift())
    gap = orders["date"].diff().dt.days.where(same, 10_000)
    until = (-orders["date"].diff(-1).dt.days).where(same.shift(-1, fill_value=False), 10_000)
    first, last = s.first_day(max(FIRST, settings.history_first)), s.last_day(settings.last)
    known = agreed[orders["customer"]] & (orders["web"] | member[orders["customer"]])
    fits = (gap >= LONGEST + APART) & (until > 0) & (orders["date"] > first + LONGEST) & (orders["date"] <= last)
    out = orders.loc[known & fits, ["customer", "order", "web", "date"]]
    return out.assign(end=np.where(out["web"], 0, 1)).drop(columns="web")


def _pauses(settings: WorldSettings, life: Life, able: np.ndarray) -> pd.DataFrame:
    """Return days on which a session may have ended in leaving, in the same columns: no order for weeks around."""
    rng = settings.stream("pauses")
    parts = []
    for q, quarter in enumerate(settings.quarters[:-1]):
        start = s.first_day(quarter)
        who = np.flatnonzero(able & life.alive[:, q])
        days = LONGEST + 1 + rng.integers(0, int((s.last_day(quarter) - start).astype(int)) - LONGEST, len(who))
        parts.append(pd.DataFrame({"customer": who, "date": start + days, "quarter": quarter}))
    pauses = pd.concat(parts, ignore_index=True).sort_values(["customer", "date"], kind="stable", ignore_index=True)
    pauses["date"] = pauses["date"].astype("datetime64[s]")
    apart = pauses["date"].diff().dt.days.where(pauses["customer"].eq(pauses["customer"].shift()), 10_000)
    pauses = pauses[(apart > LONGEST + APART) & (pauses["quarter"] >= FIRST)].drop(columns="quarter")
    orders = life.orders[["customer", "date"]].assign(date=life.orders["date"].astype("datetime64[s]"), bought=True)
    both = pd.concat([orders, pauses], ignore_index=True).sort_values(["customer", "date"], kind="stable")
    ordered = both["date"].where(both["bought"].eq(True))
    before = both["date"] - ordered.groupby(both["customer"]).ffill()
    after = ordered.groupby(both["customer"]).bfill() - both["date"]
    room = pd.Timedelta(days=LONGEST + APART)
    calm = ~(before <= room) & ~(after <= room) & both["bought"].isna()
    return both.loc[calm, ["customer", "date"]].assign(order=0, end=2)


def _fill(rng: np.random.Generator, slots: pd.DataFrame, steps: np.ndarray) -> pd.DataFrame:
    """Walk the chain as often as there is room for every kind of end, and lay the walks into the slots."""
    slots = slots.iloc[rng.permutation(len(slots))]
    room = np.array([(slots["end"] == end).sum() for end in range(len(ENDS))]) * np.array([SEEN_SHARE, SEEN_SHARE, 0.9])
    count = int(np.min(room / ending(steps)))
    place, path = np.zeros(count, int), np.full((count, LONGEST + 1), -1)
    for step in range(LONGEST + 1):
        going = place < steps.shape[0]
        u = rng.random(count)
        upto = np.cumsum(steps[np.where(going, place, 0)], axis=1)
        place = np.where(going, 1 + (u[:, None] > upto).sum(axis=1), place)
        path[:, step] = np.where(going, place - 1, -1)
    length = (path >= 0).sum(axis=1) - 1
    done = path.max(axis=1) >= len(STATES)
    parts = []
    for end in range(len(ENDS)):
        walks = np.flatnonzero(done & (path.max(axis=1) == len(STATES) + end) & (length > 0))
        by_app = (path[walks] == STATES.index("app")).any(axis=1)
        free = slots[slots["end"] == end]
        chosen = pd.concat([free[free["app_user"]], free[~free["app_user"]]])[: by_app.sum()]
        rest = free.drop(chosen.index)[: (~by_app).sum()]
        for mine, where in ((walks[by_app], chosen), (walks[~by_app], rest)):
            parts.append(_lay(path[mine[: len(where)]], length[mine[: len(where)]], where))
    return pd.concat(parts, ignore_index=True)


def _lay(path: np.ndarray, length: np.ndarray, slots: pd.DataFrame) -> pd.DataFrame:
    """Turn walks into rows, the last visit the day before the slot's date."""
    walk = np.repeat(np.arange(len(path)), length)
    step = np.arange(len(walk)) - np.repeat(np.cumsum(length) - length, length)
    touchpoint = np.array(STATES, dtype=object)[path[walk, step]]
    before = np.where(step > 0, np.array(STATES, dtype=object)[path[walk, np.maximum(step - 1, 0)]], "web")
    page = pd.Series(np.where(touchpoint == "product", before, touchpoint)).map(_CHANNEL).to_numpy()
    date = slots["date"].to_numpy("datetime64[D]")[walk] - (length[walk] - step)
    return pd.DataFrame(
        {
            "customer": slots["customer"].to_numpy()[walk],
            "order": slots["order"].to_numpy()[walk],
            "session": slots.index.to_numpy()[walk],
            "date": date,
            "touchpoint": touchpoint,
            "channel": page,
        }
    )


def ending(steps: np.ndarray) -> np.ndarray:
    """Return the probability of each of `ENDS` from the start."""
    between, out = steps[:, : len(STATES)], steps[:, len(STATES) :]
    return between[0] @ np.linalg.inv(np.eye(len(STATES)) - between[1:]) @ out[1:] + out[0]
