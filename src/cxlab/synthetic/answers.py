"""From satisfaction to what is said: invitations, non-response, survey ratings, weights, comments, reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic import words
from cxlab.synthetic.life import Life
from cxlab.synthetic.settings import WorldSettings

NOT_USED, REFUSED, BLANK = 6, 9, 0  # codes of the 1-5 scales
NPS_REFUSED = 99
_K = {name: k for k, name in enumerate(s.TOUCHPOINT_NAMES)}
EXPECTED = ("delivery", "quality", "staff")  # touchpoints with an expectation question


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


def code_probabilities(latent: np.ndarray, *, cuts: tuple[float, ...], scale: float) -> np.ndarray:
    """Return the probability of each code under a cumulative logit, shape (*latent.shape, len(cuts) + 1)."""
    above = 1 / (1 + np.exp(-(latent[..., None] - np.array(cuts)) / scale))
    one, zero = np.ones((*latent.shape, 1)), np.zeros((*latent.shape, 1))
    edges = np.concatenate([one, above, zero], axis=-1)
    return edges[..., :-1] - edges[..., 1:]


def _codes(rng: np.random.Generator, latent: np.ndarray, *, cuts: tuple[float, ...], scale: float) -> np.ndarray:
    """Draw 0-based codes under a cumulative logit."""
    noisy = latent + rng.logistic(0.0, scale, latent.shape)
    return (noisy[..., None] > np.array(cuts)).sum(axis=-1)


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
    talk, topics = _comments(settings, people, life, responses, contact)
    responses["comment"] = talk
    reviews, review_topics = _reviews(settings, people, life, contact)
    return Answers(invited, responses, reviews, pd.concat([topics, review_topics], ignore_index=True))


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
    out["nps"] = _codes(rng, latent, cuts=s.NPS_CUTS, scale=s.ANSWER_SCALE)
    out["overall"] = 1 + _codes(rng, latent, cuts=s.OVERALL_CUTS, scale=s.ANSWER_SCALE)
    out["effort"] = 1 + _codes(rng, s.EFFORT_LOADING * latent, cuts=s.EFFORT_CUTS, scale=s.ANSWER_SCALE)
    x = life.experience[who, q]
    codes = 1 + _codes(rng, x, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
    codes = np.where(life.used[who, q], codes, NOT_USED)
    expected = np.array([_K[t] for t in EXPECTED])
    hope = 0.55 + 0.3 * people["trait"].to_numpy()[who][:, None] + rng.normal(0, 0.5, (m, len(EXPECTED)))
    hoped = 1 + _codes(rng, hope, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
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


def _topics(
    rng: np.random.Generator, settings: WorldSettings, people: pd.DataFrame, life: Life, who: np.ndarray, q: np.ndarray
) -> list[list[tuple[str, str]]]:
    """Choose what each comment is about: touchpoints used, the more extreme the more likely."""
    x, used, latent = life.experience[who, q], life.used[who, q], life.satisfaction[who, q]
    # Scores are Gumbel-perturbed, so the best k of them are a weighted sample without replacement.
    appeal = np.where(used, 1.3 * np.abs(x - 0.2) + rng.gumbel(0, 0.6, x.shape), -np.inf)
    rank = np.argsort(-appeal, axis=1)
    count = np.minimum(1 + (rng.random(len(who)) < 0.5) + (rng.random(len(who)) < 0.25), used.sum(axis=1))
    extra = rng.random((len(who), 2))
    courier = (people["brand"].to_numpy()[who] == s.DROP_BRAND) & (q == len(settings.quarters) - 2)
    plans = []
    for i in range(len(who)):
        plan = []
        for k in rank[i, : count[i]]:
            name, tone = s.TOUCHPOINT_NAMES[k], "good" if x[i, k] > 0 else "bad"
            if name == "delivery" and tone == "bad" and courier[i] and extra[i, 0] < 0.5 * settings.drop:
                name = "courier"
            plan.append((name, tone))
        if extra[i, 1] < 0.06:
            plan.append(("sizing", "bad" if extra[i, 0] < 0.7 else "good"))
        if not plan or extra[i, 1] > 0.88:
            plan.append(("other", "good" if latent[i] > 0.1 else "bad"))
        plans.append(plan)
    return plans


def _comments(
    settings: WorldSettings, people: pd.DataFrame, life: Life, responses: pd.DataFrame, contact: pd.DataFrame
) -> tuple[list[str], pd.DataFrame]:
    rng = settings.stream("comments")
    who, q = responses["customer"].to_numpy(), responses["quarter"].to_numpy()
    latent = life.satisfaction[who, q]
    writes = rng.random(len(who)) < np.clip(0.30 + 0.14 * np.abs(latent - 0.3), 0, 0.8)
    rows = np.flatnonzero(writes)
    texts, topics = _write(settings, people, life, who[rows], q[rows], contact, rng)
    comments = [""] * len(who)
    for row, text in zip(rows.tolist(), texts, strict=True):
        comments[row] = text
    return comments, topics.assign(source="survey", row=rows[topics["row"].to_numpy(int)])


def _write(
    settings: WorldSettings, people: pd.DataFrame, life: Life, who: np.ndarray, q: np.ndarray, contact: pd.DataFrame,
    rng: np.random.Generator,
) -> tuple[list[str], pd.DataFrame]:  # fmt: skip
    plan = pd.DataFrame(
        {
            "language": people["language"].to_numpy()[who],
            "brand": (people["brand"].to_numpy()[who] == s.BRANDS[1]).astype(int),
            "topics": _topics(rng, settings, people, life, who, q),
            "email": contact["email"].to_numpy()[who],
            "phone": contact["phone"].to_numpy()[who],
        }
    )
    return words.compose(plan, rng=rng, contact_share=0.025)


def _reviews(
    settings: WorldSettings, people: pd.DataFrame, life: Life, contact: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Unsolicited star ratings: the very pleased and, more so, the angry write them."""
    rng = settings.stream("reviews")
    last = len(settings.quarters) - 2
    orders = life.orders[(life.orders["quarter"] <= last) & life.orders["web"]]
    who, q = orders["customer"].to_numpy(), orders["quarter"].to_numpy()
    latent = life.satisfaction[who, q]
    log_odds = -4.3 + np.where(latent < 0.3, 0.95, 0.6) * np.abs(latent - 0.3)
    chosen = orders[rng.random(len(orders)) < 1 / (1 + np.exp(-log_odds))].reset_index(drop=True)
    who, q = chosen["customer"].to_numpy(), chosen["quarter"].to_numpy()
    texts, topics = _write(settings, people, life, who, q, contact, rng)
    end = s.last_day(settings.quarters[last])
    arrived = chosen["delivered"].to_numpy().astype("datetime64[D]")
    reviews = pd.DataFrame(
        {
            "customer": who,
            "quarter": q,
            "date": np.minimum(arrived + rng.integers(0, 6, len(who)), end),
            "stars": 1 + _codes(rng, life.satisfaction[who, q], cuts=s.OVERALL_CUTS, scale=s.ANSWER_SCALE),
            "text": texts,
            "language": people["language"].to_numpy()[who],
            "order": np.where(rng.random(len(who)) < 0.6, chosen["order"], 0),
        }
    )
    return reviews, topics.assign(source="reviews")
