r"""The poll of managers: what our customers experience, in their view.

Each manager answers for a customer she remembers, drawn from those who used the touchpoint in the quarter, and rates
that customer's experience on the customers' own scale, moved by what managers of the brand wrongly believe:

.. math:: P(\text{code} > j) = \text{logistic}((x_{ikq} + b_{bk} - \tau_j) / 0.3)

Managers of Alder believe delivery to be 0.8 better than it is (switch ``managers``); all other beliefs are right. A
manager is no customer and has no customer's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.expectations import EXPECTED
from cxlab.synthetic.files import ClientFile, day, strings, text
from cxlab.synthetic.life import Life
from cxlab.synthetic.scales import code_probabilities, draw_codes
from cxlab.synthetic.settings import WorldSettings

FIRST: Final = "2026Q1"  # first quarter with a poll
SIZE: Final = 60  # managers of a brand asked each quarter
BELIEF: Final = {("alder", "delivery"): 0.8}  # units of experience too high
DEPARTMENTS: Final = ("stores", "logistics", "buying", "marketing", "service")
BLANK_SHARE: Final = 0.03


@dataclass(frozen=True)
class Poll:
    """The managers' answers and what is true of them.

    Attributes
    ----------
    responses : DataFrame
        ``brand``, ``quarter``, ``date``, ``department`` and a code each for `EXPECTED` (0 = blank).
    truth : DataFrame
        See `cxlab.synthetic.truth.Truth.managers`.
    """

    responses: pd.DataFrame
    truth: pd.DataFrame


def poll(settings: WorldSettings, people: pd.DataFrame, life: Life, surveyed: pd.DataFrame) -> Poll:
    """Ask the managers of each brand, quarter by quarter.

    Parameters
    ----------
    settings, people, life
        The world so far.
    surveyed : DataFrame
        ``customer`` and ``quarter`` of the customers' survey, whose mean a notebook compares the managers with.
    """
    brand = people["brand"].to_numpy()
    parts, truth = [], []
    for quarter in [q for q in settings.waves if q >= FIRST]:
        q = settings.quarters.index(quarter)
        rng = settings.stream(f"managers {quarter}")
        answered = surveyed.loc[surveyed["quarter"] == q, "customer"].to_numpy()
        for name in s.BRANDS:
            rows = pd.DataFrame({"brand": name, "quarter": q, "department": rng.choice(DEPARTMENTS, SIZE)})
            rows["date"] = s.first_day(quarter) + rng.integers(60, 75, SIZE)
            for touchpoint in EXPECTED:
                k = s.TOUCHPOINT_NAMES.index(touchpoint)
                belief = settings.managers * BELIEF.get((name, touchpoint), 0.0)
                users = np.flatnonzero(life.used[:, q, k] & (brand == name))
                remembered = life.experience[rng.choice(users, SIZE), q, k]
                codes = 1 + draw_codes(rng, remembered + belief, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
                rows[touchpoint] = np.where(rng.random(SIZE) < BLANK_SHARE, 0, codes)
                mine = answered[life.used[answered, q, k] & (brand[answered] == name)]
                truth.append(
                    {
                        "brand": name,
                        "period": quarter,
                        "touchpoint": touchpoint,
                        "belief": belief,
                        "managers_points": _points(life.experience[users, q, k] + belief),
                        "buyers_points": _points(life.experience[users, q, k]),
                        "respondents_points": _points(life.experience[mine, q, k]),
                    }
                )
            parts.append(rows)
    return Poll(pd.concat(parts, ignore_index=True), pd.DataFrame(truth))


def managers_file(answers: Poll) -> ClientFile:
    """Shape the poll as the tool exports it."""
    rows = answers.responses
    frame = {
        "poll": [f"M{i:04d}" for i in range(1, len(rows) + 1)],
        "asked_on": day(rows["date"]),
        "brand": rows["brand"].map(s.BRAND_NAMES).to_numpy(),
        "department": rows["department"].to_numpy(),
    }
    frame |= {f"customers_{t}": text(rows[t].to_numpy()) for t in EXPECTED}
    return ClientFile("managers.csv", "managers", strings(pd.DataFrame(frame)), key=("poll",))


def _points(experience: np.ndarray) -> float:
    if len(experience) == 0:
        return float("nan")
    share = code_probabilities(experience, cuts=s.ATTRIBUTE_CUTS, scale=s.ATTRIBUTE_SCALE)
    return float((share @ np.arange(1, 6)).mean())
