"""Respondents whose satisfaction hangs on four attributes in a known way, and draws around that truth.

`fitted` needs no sampler: draws are the planted curves plus noise. What a fit makes of such worlds is tested where the
model is.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from cxlab.drivers import estimates as driver_estimates
from cxlab.drivers import fits
from cxlab.drivers.data import DriverData, model_data
from cxlab.drivers.fits import Measured, Question
from cxlab.params.models import Limits
from cxlab.report.format import Labels
from cxlab.report.tidy import About, Estimates

CURVES = {  # codes 1 to 5
    "delivery": (-1.6, -0.8, 0.0, 0.1, 0.2),
    "quality": (-1.0, -0.5, 0.0, 0.5, 1.0),
    "staff": (-0.1, -0.05, 0.0, 0.8, 1.6),
    "web": (-0.02, -0.01, 0.0, 0.01, 0.02),
}
LABELS = Labels(
    items={
        "overall": {"en": "Overall satisfaction", "zh": "总体满意度"},
        "delivery": {"en": "Delivery", "zh": "配送"},
        "quality": {"en": "Product quality", "zh": "产品质量"},
        "staff": {"en": "Store staff", "zh": "门店员工"},
        "web": {"en": "Web shop", "zh": "网上商城"},
    },
    overall=("overall",),
)
CUT = (-2.5, -1.5, -0.3, 1.5)
GOOD = SimpleNamespace(passed=True)
FAILED = SimpleNamespace(passed=False)
PARAMS: Any = SimpleNamespace(limits=Limits(), targets={"home": {"csat": 0.7}})


def respondents(
    n: int = 1500, *, seed: int = 0, blank: float = 0.1, unused: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Codes as they are, and as they were answered: some blank, some not used."""
    random = np.random.default_rng(seed)
    latent = 0.7 * random.normal(size=(n, 1)) + 0.7 * random.normal(size=(n, len(CURVES)))
    codes = np.digitize(latent, [-1.3, -0.5, 0.3, 1.2])
    codes[random.random(codes.shape) < unused] = -2
    seen = np.where((random.random(codes.shape) < blank) & (codes >= 0), -1, codes)
    return codes, seen


def data(n: int = 1500, *, seed: int = 0, name: str = "overall", weighted: bool = False) -> DriverData:
    """Model data of a world."""
    codes, seen = respondents(n, seed=seed)
    random = np.random.default_rng(seed + 1)
    curves = np.array(list(CURVES.values()))
    eta = sum(np.where(codes[:, a] >= 0, curves[a][codes[:, a]], 0.0) for a in range(len(curves)))
    return model_data(
        seen,
        np.digitize(eta + random.logistic(size=n), CUT),
        attributes=list(CURVES),
        levels=[(1, 2, 3, 4, 5)] * len(CURVES),
        kind="ordinal",
        outcome_levels=(1, 2, 3, 4, 5),
        weights=random.uniform(0.5, 2, n) if weighted else None,
        name=name,
    )


def posterior(
    one: DriverData, *, draws: int = 200, noise: float = 0.04, strength: float = 1.0, seed: int = 0
) -> xr.Dataset:
    """Draws around the planted curves, times `strength`, in the layout of `cxlab.drivers.model`."""
    random = np.random.default_rng(seed)
    size = len(CURVES)
    effect = np.zeros((4, draws, size, 6))
    effect[..., 1:] = strength * np.array(list(CURVES.values()))
    effect += random.normal(size=effect.shape) * noise * strength
    codes, _ = respondents(len(one.codes), seed=0)
    level = np.where(codes < 0, 0, codes + 1)
    share = np.stack([np.bincount(level[:, a], minlength=6) / len(level) for a in range(size)])
    parts = effect[:, :, np.arange(size)[None], level]  # chain, draw, respondent, attribute
    parts = parts - parts.mean(axis=2, keepdims=True)
    cov = np.einsum("cdna,cdnb->cdab", parts, parts) / len(level)
    mood = parts.mean(axis=3, keepdims=True)
    net = parts - mood
    return xr.Dataset(
        {
            "level_effect": (("chain", "draw", "attribute", "level"), effect),
            "level_share": (("chain", "draw", "attribute", "level"), np.broadcast_to(share, effect.shape)),
            "contribution_cov": (("chain", "draw", "attribute", "attribute_"), cov),
            "net_cov": (
                ("chain", "draw", "attribute", "attribute_"),
                np.einsum("cdna,cdnb->cdab", net, net) / len(level),
            ),
            "noise_var": (("chain", "draw"), np.full((4, draws), np.pi**2 / 3)),
            "cut": (
                ("chain", "draw", "boundary"),
                np.tile(CUT, (4, draws, 1)) + random.normal(size=(4, draws, 4)) * 0.02,
            ),
        },
        coords={"attribute": list(CURVES), "attribute_": list(CURVES)},
    )


def question(**other: Any) -> Question:
    """What the params would say."""
    given = {"role": "overall", "satisfied_from": 4.0, "satisfied": (4,) * 4, "touchpoints": ("home", "", "store", "")}
    return Question(**(given | other))


def measured(*, name: str = "overall", strength: float = 1.0, **other: Any) -> Measured:
    """Everything that is reported of a world."""
    one = data(name=name, **other)
    return fits.measure(one, posterior(one, strength=strength), params=PARAMS, seed=1, about=question())


def page(frame: pd.DataFrame, labels: Labels = LABELS) -> Estimates:
    """A written table as findings read it."""
    return Estimates(frame, About(labels, period="2026Q3"))


def estimates(*, gate: Any = GOOD, stated: dict[str, float] | None = None, **other: Any) -> tuple[Measured, Estimates]:
    """A world and its tidy table."""
    one = measured(**other)
    return one, page(driver_estimates.table([one], [gate], stated=stated))
