r"""What customers expected before they bought, and how far the experience fell short of it or went beyond.

.. math:: h_{ikq} = 0.55 + 0.3 a_i + 0.2 (x_{ikq} - \bar x_{bkq}) + c_{ikq} + \text{Normal}(0, 0.5)

on the scale of the experience :math:`x_{ikq}` (see `cxlab.synthetic`). A kinder nature (trait :math:`a_i`) hopes for
more and sees more, and what one remembers to have expected is coloured by what one got; both tie the two answers of a
person together. The colour is against the brand's mean among users, so a bad quarter lowers nobody's hopes.

The campaign also promises fast delivery: :math:`c = 0.5` for those who got it in its quarter, half as much in the next
(switch ``campaign``). A price list of Alder's changes no expectation: a control.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.life import Life
from cxlab.synthetic.scales import code_probabilities
from cxlab.synthetic.settings import WorldSettings

EXPECTED: Final = ("delivery", "quality", "staff")  # touchpoints with an expectation question
LEVEL, TRAIT, RECALL, SPREAD = 0.55, 0.30, 0.20, 0.50  # mean, slopes on trait and experience, sd of the rest
PROMISED: Final = "delivery"  # what the campaign promises to be fast
RAISED: Final = (0.50, 0.25)  # in the campaign's quarter and in the next one, units of experience
_K = [s.TOUCHPOINT_NAMES.index(name) for name in EXPECTED]
_CODES = np.arange(1, 6)


def hopes(
    settings: WorldSettings, people: pd.DataFrame, life: Life, who: np.ndarray, quarter: np.ndarray
) -> np.ndarray:
    """Return the expectation of each touchpoint before individual noise, shape (len(who), 3), order of `EXPECTED`."""
    hope = np.repeat(LEVEL + TRAIT * people["trait"].to_numpy()[who][:, None], len(EXPECTED), axis=1)
    brand = people["brand"].map({b: i for i, b in enumerate(s.BRANDS)}).to_numpy()
    used = life.used[:, :, _K]
    for b in range(len(s.BRANDS)):
        mine = used[brand == b]
        total = np.where(mine, life.experience[brand == b][:, :, _K], 0).sum(axis=0)
        usual = total / np.maximum(mine.sum(axis=0), 1)  # quarter x touchpoint
        hope += RECALL * (brand[who] == b)[:, None] * (life.experience[who, quarter][:, _K] - usual[quarter])
    first = settings.quarters.index(s.CAMPAIGN_QUARTER) if s.CAMPAIGN_QUARTER in settings.quarters else -len(RAISED)
    for later, size in enumerate(RAISED):
        reached = life.exposed[who] & (quarter == first + later)
        hope[:, EXPECTED.index(PROMISED)] += settings.campaign * size * reached
    return hope


def gaps(settings: WorldSettings, people: pd.DataFrame, life: Life, responses: pd.DataFrame) -> pd.DataFrame:
    """Compare expectation with experience, in expectation over noise and answers.

    Parameters
    ----------
    settings, people, life
        The world.
    responses : DataFrame
        ``customer`` and ``quarter`` of the survey's answers.

    Returns
    -------
    DataFrame
        See `cxlab.synthetic.truth.Truth.gaps`.
    """
    brand = people["brand"].to_numpy()
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    weights = weights / weights.sum()
    rows = []
    for quarter in settings.waves:
        q = settings.quarters.index(quarter)
        answered = responses.loc[responses["quarter"] == q, "customer"].to_numpy()
        for population, everybody in (("buyers", np.arange(len(people))), ("respondents", answered)):
            hoped = hopes(settings, people, life, everybody, np.full(len(everybody), q))
            for place, k in enumerate(_K):
                users = life.used[everybody, q, k]
                for name in s.BRANDS:
                    mine = users & (brand[everybody] == name)
                    if not mine.any():
                        continue
                    x, hope = life.experience[everybody[mine], q, k], hoped[mine, place]
                    had = code_probabilities(x, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
                    wanted = sum(
                        w * code_probabilities(hope + SPREAD * node, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
                        for node, w in zip(nodes, weights, strict=True)
                    )
                    both = had.T @ wanted / len(x)  # experience code x expectation code
                    below, met = np.triu(both, 1).sum(), np.trace(both)
                    sd = np.sqrt(hope.var() + SPREAD**2)
                    rows.append(
                        {
                            "touchpoint": EXPECTED[place],
                            "brand": name,
                            "period": quarter,
                            "population": population,
                            "n": len(x),
                            "expectation": hope.mean(),
                            "experience": x.mean(),
                            "expectation_sd": sd,
                            "experience_sd": x.std(),
                            "correlation": ((hope - hope.mean()) * (x - x.mean())).mean() / (sd * x.std()),
                            "expectation_points": both.sum(axis=0) @ _CODES,
                            "experience_points": both.sum(axis=1) @ _CODES,
                            "below": below,
                            "met": met,
                            "above": 1 - below - met,
                        }
                    )
    return pd.DataFrame(rows)
