"""What a demo world is made of: its dials and the fixed cast (brands, touchpoints, segments, scales)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

Shape = Literal["must_be", "linear", "delighter", "none"]


@dataclass(frozen=True)
class WorldSettings:
    """Dials of a demo world. Effects are multipliers: 1 as documented, 0 switched off (the negative controls).

    Attributes
    ----------
    seed : int
        Every draw has a stream of its own below this seed, so switching one effect off leaves the other draws alone.
    customers : int
        True customers over the whole time, both brands together.
    history_first, survey_first, last : str
        First quarter with orders, first quarter with a survey wave, last quarter written to files. One more quarter is
        simulated and kept in the truth (`Truth.panel`).
    drop : float
        Late deliveries of Alder in the last quarter.
    campaign : float
        Birch's spring campaign, sent to a random half of its customers: it sells, flatters the price and raises what
        they expect of delivery.
    touchpoints : float
        Effects of touchpoint experience on satisfaction.
    segments : float
        Effects of age and tier on satisfaction.
    nonresponse_satisfaction, nonresponse_segments : float
        How far answering depends on satisfaction, and on age and tier.
    value_link : float
        How far satisfaction drives repurchase, churn and spend.
    life_events : float
        Effects of life events on the purchase rate.
    follow_up : float
        Effect of a follow-up after a complaint on next quarter's satisfaction.
    index : float
        Paths between the latents of the index questionnaire, 0 to 1; see `cxlab.synthetic.index`.
    managers : float
        Managers of Alder who believe delivery to be better than it is.
    visits : float
        How far the next step of a session depends on where one is; see `cxlab.synthetic.visits`.
    silos : float
        Conflicts between the id systems (changed e-mails, shared addresses, second accounts).
    dirt : float
        Rows and values that are wrong on purpose, and a flood of copied reviews.
    """

    seed: int = 20260701
    customers: int = 7800
    history_first: str = "2025Q1"
    survey_first: str = "2025Q3"
    last: str = "2026Q3"
    drop: float = 1.0
    campaign: float = 1.0
    touchpoints: float = 1.0
    segments: float = 1.0
    nonresponse_satisfaction: float = 1.0
    nonresponse_segments: float = 1.0
    value_link: float = 1.0
    life_events: float = 1.0
    follow_up: float = 1.0
    index: float = 1.0
    managers: float = 1.0
    visits: float = 1.0
    silos: float = 1.0
    dirt: float = 1.0

    def __post_init__(self) -> None:
        if self.customers < 200:
            raise ValueError(f"a world needs at least 200 customers, found {self.customers}")
        if not 0 <= self.index <= 1:
            raise ValueError(f"paths of the index can be switched between 0 and 1, found {self.index}")
        if not 0 <= self.visits <= 1:
            raise ValueError(f"steps of visits can be switched between 0 and 1, found {self.visits}")
        if not self.history_first <= self.survey_first <= self.last:
            raise ValueError(
                f"quarters must be in order: {self.history_first} <= {self.survey_first} <= {self.last}; e.g. 2025Q1"
            )

    @property
    def quarters(self) -> tuple[str, ...]:
        """Quarters simulated; the last one is the future that no file shows."""
        span = pd.period_range(self.history_first, pd.Period(self.last, "Q") + 1, freq="Q")
        return tuple(str(p) for p in span)

    @property
    def waves(self) -> tuple[str, ...]:
        """Quarters with a survey wave."""
        return tuple(q for q in self.quarters if self.survey_first <= q <= self.last)

    def stream(self, name: str) -> np.random.Generator:
        """Return the random stream of one part of the world; equal names give equal draws."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


def first_day(quarter: str) -> np.datetime64:
    """Return the first day of a quarter such as 2026Q3."""
    return np.datetime64(pd.Period(quarter, "Q").start_time.date())


def last_day(quarter: str) -> np.datetime64:
    """Return the last day of a quarter such as 2026Q3."""
    return np.datetime64(pd.Period(quarter, "Q").end_time.date())


@dataclass(frozen=True)
class Touchpoint:
    """A touchpoint the questionnaire rates, and what its experience does to satisfaction.

    `gain` is the effect of one unit of good experience (x > 0), `pain` of one unit of bad experience (x < 0), both in
    units of latent satisfaction; `level` is the mean experience.
    """

    name: str
    shape: Shape
    gain: float
    pain: float
    level: float


TOUCHPOINTS: Final = (
    Touchpoint("delivery", "must_be", 0.08, 0.75, 0.45),
    Touchpoint("quality", "linear", 0.40, 0.40, 0.35),
    Touchpoint("price", "linear", 0.28, 0.28, 0.00),
    Touchpoint("web", "linear", 0.18, 0.18, 0.25),
    Touchpoint("staff", "delighter", 0.45, 0.06, 0.30),
    Touchpoint("refund", "must_be", 0.05, 0.60, 0.05),
    Touchpoint("app", "none", 0.00, 0.00, 0.20),
    Touchpoint("service", "linear", 0.35, 0.35, 0.00),
)
TOUCHPOINT_NAMES: Final = tuple(t.name for t in TOUCHPOINTS)
APP_ASKED_FROM: Final = "2026Q1"  # the app question is younger than the survey

BRANDS: Final = ("alder", "birch")
BRAND_NAMES: Final = {"alder": "Alder", "birch": "Birch"}
BRAND_SHARE: Final = (0.54, 0.46)
BRAND_SATISFACTION: Final = (0.00, 0.12)

AGES: Final = ("18-29", "30-44", "45-59", "60+")
AGE_SHARE: Final = ((0.24, 0.33, 0.26, 0.17), (0.30, 0.36, 0.22, 0.12))  # by brand
AGE_SATISFACTION: Final = (-0.25, -0.05, 0.10, 0.25)
AGE_ANSWER: Final = (-0.70, -0.10, 0.30, 0.65)  # log-odds of answering
AGE_WEB: Final = (0.78, 0.66, 0.50, 0.34)  # mean share of orders placed on the web

TIERS: Final = ("basic", "silver", "gold")
TIER_SHARE: Final = (0.55, 0.30, 0.15)
TIER_SATISFACTION: Final = (-0.12, 0.08, 0.30)
TIER_ANSWER: Final = (-0.30, 0.15, 0.60)
TIER_RATE: Final = (0.80, 1.10, 1.60)

REGIONS: Final = ("north", "east", "south", "west")  # no effect on anything: a control inside the demo
REGION_SHARE: Final = (0.22, 0.34, 0.27, 0.17)
CHINESE_SHARE: Final = 0.40

# Satisfaction -> answers: cumulative logits, P(code > j) = logistic((loading * S - cut_j) / scale).
NPS_CODES: Final = tuple(range(11))
NPS_CUTS: Final = (-2.50, -2.20, -1.95, -1.70, -1.45, -1.05, -0.68, -0.22, 0.32, 0.90)
OVERALL_CODES: Final = (1, 2, 3, 4, 5)
OVERALL_CUTS: Final = (-2.10, -1.35, -0.50, 0.80)
EFFORT_CODES: Final = (1, 2, 3, 4, 5, 6, 7)
EFFORT_CUTS: Final = (-1.90, -1.50, -1.05, -0.50, 0.05, 0.85)
EFFORT_LOADING: Final = 0.8
ANSWER_SCALE: Final = 0.45
ATTRIBUTE_CUTS: Final = (-1.60, -0.90, -0.15, 0.75)
ATTRIBUTE_SCALE: Final = 0.30

DROP_BRAND: Final = "alder"
CAMPAIGN_BRAND: Final = "birch"
CAMPAIGN_QUARTER: Final = "2026Q1"
CAMPAIGN_RATE: Final = 0.35  # log purchase rate
CAMPAIGN_PRICE: Final = 0.50  # price experience
PRICE_LIST_DAY: Final = "2026-04-10"  # of Alder; has no effect on anything: a control
LATE_SHARE: Final = 0.08
LATE_SHARE_CHRISTMAS: Final = 0.11
LATE_SHARE_DROP: Final = 0.42
RATE_LINK: Final = 0.22  # log purchase rate per unit of last quarter's satisfaction
CHURN_LINK: Final = -0.75  # log-odds of leaving per unit of satisfaction
CHURN_BASE: Final = -3.1
SPEND_LINK: Final = 0.06  # log basket per unit of satisfaction
ANSWER_BASE: Final = -0.30
ANSWER_LINK: Final = 0.35  # log-odds of answering per unit of satisfaction
FOLLOW_UP_GAIN: Final = 0.45
LIFE_EVENTS: Final = {"moved_house": -0.7, "new_baby": 0.4, "new_job": 0.2, "retired": -0.3}  # log purchase rate
