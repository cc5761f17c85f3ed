"""Small structural worlds for the tests of the index."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.index.data import Structure, structure

BLOCKS = {
    "quality": ["q1", "q2", "q3"],
    "value": ["v1", "v2", "v3"],
    "satisfaction": ["s1", "s2", "s3"],
    "loyalty": ["l1"],
}
PATHS = {"value": ["quality"], "satisfaction": ["quality", "value"], "loyalty": ["satisfaction"]}
ENDS = {item: (1.0, 10.0) for items in BLOCKS.values() for item in items}
FREE = dict.fromkeys(ENDS, (-np.inf, np.inf))


def small() -> Structure:
    """Three latents of three items each and one of a single item."""
    return structure(BLOCKS, PATHS, target="satisfaction")


def answers(
    n: int,
    *,
    seed: int,
    loading: float = 0.8,
    quality: float = 0.5,
    value: float = 0.3,
    shift: float = 0.0,
    period: str = "1",
) -> pd.DataFrame:
    """Answers around 6 with sd 2 from known standardised paths; `shift` moves satisfaction, in its sds.

    The column ``later`` is no item: it follows satisfaction by .6.
    """
    random = np.random.default_rng(seed)
    q = random.standard_normal(n)
    v = 0.5 * q + np.sqrt(0.75) * random.standard_normal(n)
    explained = quality**2 + value**2 + quality * value
    s = quality * q + value * v + np.sqrt(1 - explained) * random.standard_normal(n) + shift
    loyal = 0.6 * s + 0.8 * random.standard_normal(n)
    found = {}
    for name, latent in (("quality", q), ("value", v), ("satisfaction", s)):
        for item in BLOCKS[name]:
            found[item] = 6 + 2 * (loading * latent + np.sqrt(1 - loading**2) * random.standard_normal(n))
    found["l1"] = 6 + 2 * loyal
    later = 0.6 * s + 0.8 * random.standard_normal(n)
    return pd.DataFrame(found).clip(1, 10).assign(period=period, later=later)
