"""Quarter by quarter: orders, deliveries, returns, contacts, experience, satisfaction, leaving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.settings import WorldSettings

_K = {name: k for k, name in enumerate(s.TOUCHPOINT_NAMES)}
SEASON = {1: -0.06, 2: 0.0, 3: -0.04, 4: 0.22}  # log purchase rate by quarter of the year


@dataclass(frozen=True)
class Life:
    """What happened. Panels have shape (customers, quarters), experience panels (customers, quarters, touchpoints).

    Attributes
    ----------
    alive, had_contact : ndarray of bool
        Customer has entered and not left; customer called or wrote in the quarter.
    satisfaction : ndarray of float
        Latent satisfaction at the end of the quarter.
    experience : ndarray of float
        Experience of each touchpoint; only meaningful where `used`.
    used : ndarray of bool
        Touchpoints used in the quarter.
    purchase_rate, leave_probability : ndarray of float
        Expected orders in the quarter, probability of leaving at its end.
    exposed : ndarray of bool, shape (customers,)
        Random half of the campaign's brand that got the mailing.
    orders, contacts, life_events, follow_ups : DataFrame
        ``customer`` is the row number of the customer, ``quarter`` the column of the panels.
    """

    alive: np.ndarray
    had_contact: np.ndarray
    satisfaction: np.ndarray
    experience: np.ndarray
    used: np.ndarray
    purchase_rate: np.ndarray
    leave_probability: np.ndarray
    exposed: np.ndarray
    orders: pd.DataFrame
    contacts: pd.DataFrame
    life_events: pd.DataFrame
    follow_ups: pd.DataFrame


def touchpoint_effects(experience: np.ndarray, used: np.ndarray, *, scale: float) -> np.ndarray:
    """Return the summed effect of the touchpoints used, shape of `experience` without its last axis."""
    gain = np.array([t.gain for t in s.TOUCHPOINTS])
    pain = np.array([t.pain for t in s.TOUCHPOINTS])
    effect = gain * np.maximum(experience, 0) + pain * np.minimum(experience, 0)
    return scale * np.where(used, effect, 0.0).sum(axis=-1)


def late_share(settings: WorldSettings, quarter: str) -> np.ndarray:
    """Return the share of late deliveries of each brand in a quarter."""
    share = np.full(len(s.BRANDS), s.LATE_SHARE_CHRISTMAS if quarter.endswith("Q4") else s.LATE_SHARE)
    if quarter == settings.last:
        k = s.BRANDS.index(s.DROP_BRAND)
        share[k] += settings.drop * (s.LATE_SHARE_DROP - share[k])
    return share


def simulate(settings: WorldSettings, people: pd.DataFrame) -> Life:
    """Run the customers through all quarters, the future one included."""
    n, quarters = len(people), settings.quarters
    q_count, k_count = len(quarters), len(s.TOUCHPOINTS)
    alive = np.zeros((n, q_count), bool)
    had_contact = np.zeros((n, q_count), bool)
    satisfaction = np.zeros((n, q_count))
    experience = np.zeros((n, q_count, k_count))
    used = np.zeros((n, q_count, k_count), bool)
    purchase_rate = np.zeros((n, q_count))
    leave = np.zeros((n, q_count))
    brand = people["brand"].map({b: i for i, b in enumerate(s.BRANDS)}).to_numpy()
    trait, base, rate, entry = (people[c].to_numpy() for c in ("trait", "base", "rate", "entry"))
    app_user = people["app_user"].to_numpy()
    exposed = (brand == s.BRANDS.index(s.CAMPAIGN_BRAND)) & (settings.stream("exposed").random(n) < 0.5)

    gone = np.zeros(n, bool)
    carry = np.zeros(n)  # what is left of last quarter's experience
    cared_for = np.zeros(n, bool)
    life_shift = np.zeros(n)
    last_satisfaction = base + trait
    all_orders: list[pd.DataFrame] = []
    all_contacts: list[pd.DataFrame] = []
    all_events: list[pd.DataFrame] = []
    all_follow_ups: list[pd.DataFrame] = []
    for q, quarter in enumerate(quarters):
        rng = settings.stream(f"quarter {quarter}")
        start, end = s.first_day(quarter), s.last_day(quarter)
        days = int((end - start).astype(int)) + 1
        alive[:, q] = (entry <= q) & ~gone

        event = rng.random(n)
        names, sizes = list(s.LIFE_EVENTS), np.array(list(s.LIFE_EVENTS.values()))
        which = rng.integers(0, len(names), n)
        met = (event < 0.02) & alive[:, q]
        life_shift = np.where(met, settings.life_events * sizes[which], life_shift)
        all_events.append(
            pd.DataFrame({"customer": np.flatnonzero(met), "quarter": q, "name": np.array(names)[which[met]]}).assign(
                date=start + rng.integers(0, days, int(met.sum()))
            )
        )

        campaign = settings.campaign * (quarter == s.CAMPAIGN_QUARTER) * exposed
        log_rate = (
            np.log(rate)
            + SEASON[int(quarter[-1])]
            + life_shift
            + s.CAMPAIGN_RATE * campaign
            + settings.value_link * s.RATE_LINK * last_satisfaction
        )
        purchase_rate[:, q] = np.exp(log_rate) * alive[:, q]
        count = rng.poisson(purchase_rate[:, q])
        count = np.where(entry == q, np.maximum(count, 1), count)
        orders = _orders(settings, people, rng, count, last_satisfaction, start=start, days=days, quarter=quarter)
        orders["quarter"] = q
        orders["order"] = np.arange(len(orders)) + 1 + sum(map(len, all_orders))

        x = (
            np.array([t.level for t in s.TOUCHPOINTS]) + 0.30 * trait[:, None] + rng.normal(0.0, 0.75, (n, k_count))
        )  # a satisfied nature sees everything in a kinder light: attributes correlate
        x[:, _K["price"]] += s.CAMPAIGN_PRICE * campaign
        arrived = orders[orders["web"] & (orders["delivered"] <= end)]
        worst = np.zeros(n)
        np.maximum.at(worst, arrived["customer"].to_numpy(), arrived["late_days"].to_numpy(float))
        x[:, _K["delivery"]] -= np.where(worst > 0, 1.0 + 0.28 * np.minimum(worst, 8), 0.0)

        bought = count > 0
        web = np.bincount(orders["customer"], orders["web"], n) > 0
        store = np.bincount(orders["customer"], ~orders["web"], n) > 0
        returns = np.bincount(orders["customer"], orders["returned"], n) > 0
        has_delivery = np.bincount(arrived["customer"], minlength=n) > 0
        trouble = (worst > 0) + (x[:, _K["quality"]] < -0.9) + 0.6 * returns
        contact = bought & (rng.random(n) < 1 / (1 + np.exp(3.0 - 1.3 * trouble)))
        had_contact[:, q] = contact
        for name, flag in (
            ("delivery", has_delivery), ("quality", bought), ("price", bought), ("web", web), ("staff", store),
            ("refund", returns), ("app", app_user & web), ("service", contact),
        ):  # fmt: skip
            used[:, q, _K[name]] = flag
        experience[:, q] = x
        effects = touchpoint_effects(x, used[:, q], scale=settings.touchpoints)
        satisfaction[:, q] = (
            base
            + trait
            + effects
            + 0.25 * carry
            + settings.follow_up * s.FOLLOW_UP_GAIN * cared_for
            + rng.normal(0.0, 0.35, n)
        )
        contacts, follow_ups = _contacts(rng, orders, contact, worst, x, returns, start=start, days=days)
        all_contacts.append(contacts.assign(quarter=q))
        all_follow_ups.append(follow_ups.assign(quarter=q))
        all_orders.append(orders)
        cared_for = np.zeros(n, bool)
        cared_for[follow_ups["customer"]] = True
        carry = effects
        last_satisfaction = satisfaction[:, q]
        leave[:, q] = 1 / (1 + np.exp(-s.CHURN_BASE - settings.value_link * s.CHURN_LINK * satisfaction[:, q]))
        gone |= alive[:, q] & (rng.random(n) < leave[:, q])

    return Life(
        alive=alive,
        had_contact=had_contact,
        satisfaction=satisfaction,
        experience=experience,
        used=used,
        purchase_rate=purchase_rate,
        leave_probability=leave,
        exposed=exposed,
        orders=pd.concat(all_orders, ignore_index=True),
        contacts=pd.concat(all_contacts, ignore_index=True),
        life_events=pd.concat(all_events, ignore_index=True),
        follow_ups=pd.concat(all_follow_ups, ignore_index=True),
    )


def _orders(
    settings: WorldSettings,
    people: pd.DataFrame,
    rng: np.random.Generator,
    count: np.ndarray,
    satisfaction: np.ndarray,
    *,
    start: np.datetime64,
    days: int,
    quarter: str,
) -> pd.DataFrame:
    """Draw the orders of one quarter: one row an order, with its delivery (web) and its return."""
    who = np.repeat(np.arange(len(count)), count)
    m = len(who)
    brand = people["brand"].map({b: i for i, b in enumerate(s.BRANDS)}).to_numpy()[who]
    date = start + rng.integers(0, days, m)
    web = rng.random(m) < people["web_share"].to_numpy()[who]
    log_amount = (
        people["basket"].to_numpy()[who]
        + settings.value_link * s.SPEND_LINK * satisfaction[who]
        + rng.normal(0, 0.5, m)
    )
    cents = np.round(100 * np.exp(log_amount)).astype(np.int64)
    late = web & (rng.random(m) < late_share(settings, quarter)[brand])
    late_days = np.where(late, rng.geometric(0.35, m), 0)
    promised = date + 2 + rng.poisson(1.2, m)
    early = rng.integers(0, 2, m)
    returned = rng.random(m) < np.where(web, 0.11, 0.05)
    return pd.DataFrame(
        {
            "customer": who,
            "date": date,
            "web": web,
            "cents": cents,
            "margin": np.round(cents * rng.uniform(0.24, 0.46, m)).astype(np.int64),
            "product": rng.integers(0, 40, m),
            "store": rng.integers(0, 12, m),
            "promised": promised,
            "delivered": np.where(late, promised + late_days, np.maximum(promised - early, date + 1)),
            "late_days": late_days,
            "returned": returned,
            "return_date": np.maximum(date, start) + 4 + rng.integers(0, 14, m),
        }
    )


def _contacts(
    rng: np.random.Generator,
    orders: pd.DataFrame,
    contact: np.ndarray,
    worst: np.ndarray,
    experience: np.ndarray,
    returns: np.ndarray,
    *,
    start: np.datetime64,
    days: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw contacts of one quarter and the follow-ups of complaints (a random 40 %)."""
    who = np.flatnonzero(contact)
    m = len(who)
    if m == 0:
        empty = pd.DataFrame({"customer": np.array([], int)})
        return empty, empty
    # The order it is about: the worst delivery of the quarter, else the latest order.
    about = orders.sort_values(["late_days", "date"], kind="stable").groupby("customer").tail(1).set_index("customer")
    about = about.loc[who]
    topic = np.select(
        [worst[who] > 0, experience[who, _K["quality"]] < -0.5, returns[who]],
        ["delivery", "quality", "refund"],
        rng.choice(["service", "web", "price"], m),
    )
    complaint = np.isin(topic, ["delivery", "quality"]) | (rng.random(m) < 0.35)
    anchor = np.where(topic == "delivery", about["promised"], about["date"]).astype("datetime64[D]")
    opened = np.minimum(anchor + 1 + rng.integers(0, 8, m), start + days - 1)
    contacts = pd.DataFrame(
        {
            "customer": who,
            "order": about["order"].to_numpy(),
            "topic": topic,
            "complaint": complaint,
            "date": opened,
            "channel": rng.choice(["phone", "chat", "mail"], m, p=[0.5, 0.35, 0.15]),
            "days_open": rng.geometric(0.35, m),
            "solved": rng.random(m) < 0.78,
        }
    )
    cared = contacts[complaint & (rng.random(m) < 0.40)]
    follow_ups = pd.DataFrame(
        {
            "customer": cared["customer"],
            "date": cared["date"] + pd.to_timedelta(rng.integers(2, 15, len(cared)), unit="D"),
            "topic": cared["topic"],
            "kind": rng.choice(["call", "voucher", "apology letter"], len(cared), p=[0.6, 0.3, 0.1]),
            "outcome": rng.choice(["recovered", "open", "lost"], len(cared), p=[0.6, 0.25, 0.15]),
        }
    )
    return contacts, follow_ups
