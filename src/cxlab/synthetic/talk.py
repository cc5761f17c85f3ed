"""What customers write: survey comments and unsolicited reviews."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.synthetic import asides, words
from cxlab.synthetic import settings as s
from cxlab.synthetic.life import Life
from cxlab.synthetic.scales import draw_codes
from cxlab.synthetic.settings import WorldSettings


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


def _write(
    settings: WorldSettings, people: pd.DataFrame, life: Life, who: np.ndarray, q: np.ndarray, contact: pd.DataFrame,
    rng: np.random.Generator, name: str,
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
    texts, topics = words.compose(plan, rng=rng, contact_share=0.025)
    aside = settings.stream(f"asides {name}")
    texts, topics, _ = asides.tell(texts, topics, plan["language"].tolist(), life.satisfaction[who, q], aside)
    return texts, topics


def comments(
    settings: WorldSettings, people: pd.DataFrame, life: Life, responses: pd.DataFrame, contact: pd.DataFrame
) -> tuple[list[str], pd.DataFrame]:
    """Return the comment of each response ("" = none) and the true topic of each sentence."""
    rng = settings.stream("comments")
    who, q = responses["customer"].to_numpy(), responses["quarter"].to_numpy()
    latent = life.satisfaction[who, q]
    writes = rng.random(len(who)) < np.clip(0.30 + 0.14 * np.abs(latent - 0.3), 0, 0.8)
    rows = np.flatnonzero(writes)
    texts, topics = _write(settings, people, life, who[rows], q[rows], contact, rng, "comments")
    written = [""] * len(who)
    for row, text in zip(rows.tolist(), texts, strict=True):
        written[row] = text
    return written, topics.assign(source="survey", row=rows[topics["row"].to_numpy(int)])


def reviews(
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
    texts, topics = _write(settings, people, life, who, q, contact, rng, "reviews")
    end = s.last_day(settings.quarters[last])
    arrived = chosen["delivered"].to_numpy().astype("datetime64[D]")
    table = pd.DataFrame(
        {
            "customer": who,
            "quarter": q,
            "date": np.minimum(arrived + rng.integers(0, 6, len(who)), end),
            "stars": 1 + draw_codes(rng, life.satisfaction[who, q], cuts=s.OVERALL_CUTS, scale=s.ANSWER_SCALE),
            "text": texts,
            "language": people["language"].to_numpy()[who],
            "order": np.where(rng.random(len(who)) < 0.6, chosen["order"], 0),
        }
    )
    return table, topics.assign(source="reviews")
