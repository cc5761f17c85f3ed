"""From satisfaction to what is said: invitations, non-response, survey ratings, weights, comments, reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.expectations import EXPECTED, SPREAD, hopes
from cxlab.synthetic.life import Life
from cxlab.synthetic.scales import draw_codes
from cxlab.synthetic.settings import WorldSettings
from cxlab.synthetic.talk import comments, reviews

NOT_USED, REFUSED, BLANK = 6, 9, 0  # codes of the 1-5 scales
NPS_REFUSED = 99
_K = {name: k for k, name in enumerate(s.TOUCHPOINT_NAMES)}


@dataclass(frozen=True)
class Answers:
    """Clean answers, before the client's systems get their hands on them.

    Attributes
    ----------
    invitations : DataFrame
        ``customer``, ``quarter``, ``touchpoint``, ``channel``, ``date``, ``answered``, ``probability`` (of answering).
    responses : DataFrame
        One row an answered questionnaire: the invitation's columns, ``order``, ``weight``, codes of all items (with the
        scale's missing codes; null where never asked), expectations, ``comment``.
    reviews : DataFrame
        Unsolicited: ``customer``, ``quarter``, ``date``, ``stars``, ``text``, ``language``, ``order`` (0 = not given).
    topics : DataFrame
        True topic and tone of every sentence: ``source`` (survey, reviews), ``row``, ``sentence``, ``topic``, ``tone``.
    """

    invitations: pd.DataFrame
    responses: pd.DataFrame
    reviews: pd.DataFrame
    topics: pd.DataFrame


def survey(
    settings: WorldSettings, people: pd.DataFrame, life: Life, *, reachable: np.ndarray, contact: pd.DataFrame
) -> Answers:
    """Ask the buyers of each wave, and let some of them answer.

    Parameters
    ----------
    settings, people, life
        The world so far.
    reachable : ndarray of bool, shape (N,)
        Customers some system has an address of.
    contact : DataFrame
        ``email`` and ``phone`` of each customer, for those who leave them in a comment.
    """
    invited = pd.concat(
        [_invite(settings, people, life, wave, reachable=reachable) for wave in settings.waves], ignore_index=True
    )
    responses = invited[invited["answered"]].reset_index(drop=True)
    responses = _rate(settings, people, life, responses)
    responses["weight"] = _weights(people, life, responses)
    responses["comment"], topics = comments(settings, people, life, responses, contact)
    unasked, review_topics = reviews(settings, people, life, contact)
    return Answers(invited, responses, unasked, pd.concat([topics, review_topics], ignore_index=True))


def _invite(
    settings: WorldSettings, people: pd.DataFrame, life: Life, wave: str, *, reachable: np.ndarray
) -> pd.DataFrame:
    rng = settings.stream(f"invite {wave}")
    n, q = len(people), settings.quarters.index(wave)
    used = life.used[:, q]
    u_service, u_place, u_ask, u_answer, u_channel = rng.random((5, n))
    touchpoint = np.where(
        used[:, _K["service"]] & (u_service < 0.9),
        "service",
        np.where(used[:, _K["delivery"]] & (~used[:, _K["staff"]] | (u_place < 0.6)), "delivery", "store"),
    )
    frame = used[:, _K["quality"]] & reachable & (used[:, _K["staff"]] | (touchpoint != "store"))
    asked = frame & (u_ask < 0.92)
    chinese = (people["language"] == "zh").to_numpy()
    channel = np.where(
        chinese,
        np.select([u_channel < 0.6, u_channel < 0.8], ["wechat", "e-mail"], "sms"),
        np.where(u_channel < 0.65, "e-mail", "sms"),
    )
    age = people["age"].map(dict(zip(s.AGES, s.AGE_ANSWER, strict=True))).to_numpy()
    tier = people["tier"].map(dict(zip(s.TIERS, s.TIER_ANSWER, strict=True))).to_numpy()
    log_odds = (
        s.ANSWER_BASE
        + settings.nonresponse_satisfaction * s.ANSWER_LINK * life.satisfaction[:, q]
        + settings.nonresponse_segments * (age + tier)
    )
    probability = 1 / (1 + np.exp(-log_odds))
    who = np.flatnonzero(asked)
    return pd.DataFrame(
        {
            "customer": who,
            "quarter": q,
            "touchpoint": touchpoint[who],
            "channel": channel[who],
            "probability": probability[who],
            "answered": u_answer[who] < probability[who],
        }
    ).pipe(_date, life, rng, wave, q)


def _date(invited: pd.DataFrame, life: Life, rng: np.random.Generator, wave: str, q: int) -> pd.DataFrame:
    """Ask after the experience, except for a few late parcels that were asked about on the promised day."""
    start, end = s.first_day(wave), s.last_day(wave)
    orders = life.orders[life.orders["quarter"] == q]
    arrived = orders[orders["web"] & (orders["delivered"] <= end.astype("datetime64[s]"))]
    worst = arrived.sort_values(["late_days", "date"], kind="stable").groupby("customer").tail(1).set_index("customer")
    bought = orders[~orders["web"]].sort_values("date", kind="stable").groupby("customer").head(1).set_index("customer")
    called = life.contacts[life.contacts["quarter"] == q].set_index("customer")
    who = invited["customer"]
    place = invited["touchpoint"].to_numpy()
    delivered = worst["delivered"].reindex(who).to_numpy()
    too_soon = (place == "delivery") & (rng.random(len(who)) < 0.06)
    delivered = np.where(too_soon, worst["promised"].reindex(who).to_numpy(), delivered)
    moment = np.select(
        [place == "delivery", place == "store"],
        [delivered, bought["date"].reindex(who).to_numpy()],
        called["date"].reindex(who).to_numpy(),
    ).astype("datetime64[D]")
    delay = np.where(too_soon, 0, rng.integers(1, 4, len(who)))
    order = np.select(
        [place == "delivery", place == "service"],
        [worst["order"].reindex(who).to_numpy(), called["order"].reindex(who).to_numpy()],
        0,
    )
    return invited.assign(
        date=np.clip(moment + delay, start, end),
        order=np.nan_to_num(order).astype(int),
        wait=np.minimum(rng.geometric(0.5, len(who)) - 1, 5),
    )


def _rate(settings: WorldSettings, people: pd.DataFrame, life: Life, responses: pd.DataFrame) -> pd.DataFrame:
    rng = settings.stream("ratings")
    who, q, m = responses["customer"].to_numpy(), responses["quarter"].to_numpy(), len(responses)
    latent = life.satisfaction[who, q]
    out = responses.copy()
    ends = np.array([s.last_day(quarter) for quarter in settings.quarters])
    asked = out["date"].to_numpy().astype("datetime64[D]")
    out["date"] = np.minimum(asked + out["wait"].to_numpy(), ends[q])
    out["nps"] = draw_codes(rng, latent, cuts=s.NPS_CUTS, scale=s.ANSWER_SCALE)
    out["overall"] = 1 + draw_codes(rng, latent, cuts=s.OVERALL_CUTS, scale=s.ANSWER_SCALE)
    out["effort"] = 1 + draw_codes(rng, s.EFFORT_LOADING * latent, cuts=s.EFFORT_CUTS, scale=s.ANSWER_SCALE)
    x = life.experience[who, q]
    codes = 1 + draw_codes(rng, x, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
    codes = np.where(life.used[who, q], codes, NOT_USED)
    expected = np.array([_K[t] for t in EXPECTED])
    hope = hopes(settings, people, life, who, q) + rng.normal(0, SPREAD, (m, len(EXPECTED)))
    hoped = 1 + draw_codes(rng, hope, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
    lost = rng.random((m, len(s.TOUCHPOINTS) + 3))
    out["nps"] = np.select([lost[:, 0] < 0.012, lost[:, 0] < 0.022], [-1, NPS_REFUSED], out["nps"])
    for k, item in ((1, "overall"), (2, "effort")):
        out[item] = np.select([lost[:, k] < 0.012, lost[:, k] < 0.018], [BLANK, REFUSED], out[item])
    codes = np.select([lost[:, 3:] < 0.015, lost[:, 3:] < 0.022], [BLANK, REFUSED], codes)
    early = np.array(settings.quarters)[q] < s.APP_ASKED_FROM
    for k, name in enumerate(s.TOUCHPOINT_NAMES):
        out[f"q_{name}"] = pd.array(np.where((name == "app") & early, -1, codes[:, k]), dtype="Int64")
        if name == "app":
            out[f"q_{name}"] = out[f"q_{name}"].mask(early)
    asked_hopes = (rng.random(m) < 0.45)[:, None] & life.used[who, q][:, expected]
    for k, name in enumerate(EXPECTED):
        out[f"e_{name}"] = pd.array(hoped[:, k], dtype="Int64")
        out[f"e_{name}"] = out[f"e_{name}"].mask(~asked_hopes[:, k])
    return out


def _weights(people: pd.DataFrame, life: Life, responses: pd.DataFrame) -> np.ndarray:
    """Weight each brand's wave to its buyers by age and tier, trimmed to [1/4, 4], mean 1."""
    cell = people["brand"] + people["age"] + people["tier"]
    weight = np.ones(len(responses))
    for q in np.unique(responses["quarter"].to_numpy()):
        rows = np.flatnonzero(responses["quarter"] == q)
        frame = cell[life.used[:, q, _K["quality"]]].value_counts()
        mine = cell.to_numpy()[responses["customer"].to_numpy()[rows]]
        ratio = frame.reindex(mine).to_numpy() / pd.Series(mine).map(pd.Series(mine).value_counts()).to_numpy()
        brand = people["brand"].to_numpy()[responses["customer"].to_numpy()[rows]]
        mean = pd.Series(ratio).groupby(brand).transform("mean").to_numpy()
        weight[rows] = np.clip(ratio / mean, 0.25, 4.0)
    return np.round(weight, 4)
