"""Spells until the second purchase, drawn from the model itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from cxlab.value import second_purchase
from cxlab.value.second_purchase import EDGES, SecondData

PRODUCTS = tuple(f"p{i:02d}" for i in range(10))
CHANNELS = ("store", "web")


@dataclass(frozen=True)
class World:
    """Spells and what is true of them."""

    spells: pd.DataFrame
    base: np.ndarray
    effects: dict[tuple[str, str], float]


def draw(seed: int, *, n: int = 1500, sd: float = 0.5, channel: float = 0.4, late: float = -0.6) -> World:
    """Draw customers who are seen for 5 to 60 weeks; products, channels and late deliveries matter."""
    random = np.random.default_rng([seed, 5])
    base = np.array([-3.0, -2.9, -2.7, -2.9, -3.1, -3.4, -3.7]) + random.normal(0, 0.2, 7)
    product = random.choice(len(PRODUCTS), n, p=np.arange(10, 0, -1) / 55)
    web = random.random(n) < 0.6
    by_product = random.normal(0, sd, len(PRODUCTS))
    is_late = random.random(n) < 0.25
    known = np.where(is_late, random.integers(1, 4, n), 99)
    seen = random.integers(5, 60, n)
    bins = np.searchsorted(EDGES, np.arange(52), side="right") - 1
    weeks, bought = seen.copy(), np.zeros(n, bool)
    alive = np.ones(n, bool)
    for w in range(52):
        eta = base[bins[w]] + by_product[product] + channel * np.where(web, 0.5, -0.5) + late * (known <= w)
        hit = alive & (seen > w) & (random.random(n) < expit(eta))
        weeks[hit], bought[hit] = w, True
        alive &= ~hit
    spells = pd.DataFrame(
        {
            "weeks": weeks,
            "bought": bought,
            "product": np.array(PRODUCTS, object)[product],
            "channel": np.where(web, "web", "store"),
            "late": np.where(is_late, "late", ""),
            "late_week": np.where(is_late, known, np.nan),
        }
    )
    effects = {("product", p): float(v) for p, v in zip(PRODUCTS, by_product, strict=True)}
    effects |= {("channel", "web"): channel / 2, ("channel", "store"): -channel / 2, ("late", "late"): late}
    return World(spells, base, effects)


def data(world: World) -> SecondData:
    """Return the model's data of a world."""
    return second_purchase.model_data(
        world.spells, features=("product", "channel", "late"), since={"late": "late_week"}
    )


def truth(world: World, seen: SecondData) -> np.ndarray:
    """Return the true differences of the chance of a second purchase, in the order of the estimands."""
    import xarray as xr

    effect = [world.effects[f, v] for f, known in seen.levels.items() for v in known]
    one = xr.Dataset(
        {"base": (("chain", "draw", "bin"), world.base[None, None]),
         "effect": (("chain", "draw", "level"), np.array(effect)[None, None])}
    )  # fmt: skip
    return second_purchase.estimands(one, seen)["second_purchase_over"].to_numpy()[0]
