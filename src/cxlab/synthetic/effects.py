r"""What mentioning a topic goes with, known without sampling noise of the answers.

A topic is not planted with an effect of its own: customers write about what stood out, and what stood out made them
satisfied or not. The true effect of a mention is therefore that of the best linear prediction over all buyers, each
weighted by her probability to answer and to write,

.. math:: E[\text{code} \mid S] = \alpha_{bq} + \kappa_{p} + \sum_t \delta_t m_t + \sum_u \rho_u s_u + \text{rest}

with brand and quarter :math:`bq`, the touchpoint asked about :math:`p`, mentions :math:`m` and situations :math:`s`.
Sizing and anything else ("other") are mentioned by chance: their effect is none but what the tone of a topic that takes
its place would give.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from cxlab.synthetic import asides
from cxlab.synthetic import settings as s
from cxlab.synthetic.life import Life
from cxlab.synthetic.scales import code_probabilities
from cxlab.synthetic.settings import WorldSettings

TOPICS: Final = (*s.TOUCHPOINT_NAMES, "courier", "sizing", "other")
COPIES: Final = 4  # comments each buyer is thought to write: more of them, less noise in the truth
_ITEMS: Final = {
    "overall": (s.OVERALL_CUTS, s.OVERALL_CODES, 1.0),
    "nps": (s.NPS_CUTS, s.NPS_CODES, 1.0),
    "easy": (s.EFFORT_CUTS, s.EFFORT_CODES, s.EFFORT_LOADING),
}


def mentions(settings: WorldSettings, people: pd.DataFrame, life: Life, who: np.ndarray, q: np.ndarray,
             rng: np.random.Generator) -> np.ndarray:  # fmt: skip
    """Return which topics a comment mentions, shape (rows, topics): the law of `cxlab.synthetic.talk`, all at once."""
    x, used = life.experience[who, q], life.used[who, q]
    appeal = np.where(used, 1.3 * np.abs(x - 0.2) + rng.gumbel(0, 0.6, x.shape), -np.inf)
    rank = np.argsort(np.argsort(-appeal, axis=1), axis=1)
    n = len(who)
    count = np.minimum(1 + (rng.random(n) < 0.5) + (rng.random(n) < 0.25), used.sum(axis=1))
    told = rank < count[:, None]
    extra = rng.random((n, 2))
    dropped = (people["brand"].to_numpy()[who] == s.DROP_BRAND) & (q == len(settings.quarters) - 2)
    delivery = s.TOUCHPOINT_NAMES.index("delivery")
    courier = told[:, delivery] & (x[:, delivery] <= 0) & dropped & (extra[:, 0] < 0.5 * settings.drop)
    told[:, delivery] &= ~courier
    sizing = extra[:, 1] < 0.06
    other = (extra[:, 1] > 0.88) | ~(told.any(axis=1) | courier | sizing)
    return np.column_stack([told, courier, sizing, other])


def topic_effects(settings: WorldSettings, people: pd.DataFrame, life: Life, invitations: pd.DataFrame) -> pd.DataFrame:
    """Return the true effects of mentions and situations on the scores of survey comments.

    Returns
    -------
    DataFrame
        ``brand`` ("" = both), ``item``, ``kind`` (topic, situation), ``topic`` (its name), ``effect`` (codes: expected
        score with a mention less without, all else as it is), ``share`` of the comments (0-1).
    """
    rng = settings.stream("topic effects")
    rows = invitations.loc[invitations.index.repeat(COPIES)].reset_index(drop=True)
    who, q = rows["customer"].to_numpy(), rows["quarter"].to_numpy()
    latent = life.satisfaction[who, q]
    weight = rows["probability"].to_numpy() * np.clip(0.30 + 0.14 * np.abs(latent - 0.3), 0, 0.8)
    told = mentions(settings, people, life, who, q, rng)
    chance = asides.shares(latent)
    names = [("topic", t) for t in TOPICS] + [("situation", u) for u in asides.SHARES]
    brand = people["brand"].to_numpy()[who]
    place = pd.factorize(rows["touchpoint"])[0]
    cell = pd.factorize(pd.Series(brand) + rows["quarter"].astype(str))[0]
    fixed = np.column_stack([np.eye(cell.max() + 1)[cell], np.eye(place.max() + 1)[place][:, 1:]])
    X = np.column_stack([told, chance, fixed]).astype(float)
    told_of = np.arange(len(TOPICS), len(names))
    parts = []
    for name in ("", *s.BRANDS):
        mine = np.ones(len(rows), bool) if not name else brand == name
        w = weight[mine] / weight[mine].sum()
        share = w @ X[mine]
        # a situation is told with a known chance, one at a time: its products are known without drawing it
        products = (X[mine] * w[:, None]).T @ X[mine]
        products[np.ix_(told_of, told_of)] = np.diag(share[told_of])
        kept = share > 0
        for item, (cuts, codes, loading) in _ITEMS.items():
            y = code_probabilities(loading * latent[mine], cuts=cuts, scale=s.ANSWER_SCALE) @ np.array(codes, float)
            slope = np.full(X.shape[1], np.nan)
            moments = X[mine].T @ (w * y)
            slope[kept] = np.linalg.lstsq(products[np.ix_(kept, kept)], moments[kept], rcond=None)[0]
            part = pd.DataFrame(names, columns=["kind", "topic"])
            part = part.assign(effect=slope[: len(names)], share=share[: len(names)])
            parts.append(part.assign(brand=name, item=item))
    return pd.concat(parts, ignore_index=True)[["brand", "item", "kind", "topic", "effect", "share"]]
