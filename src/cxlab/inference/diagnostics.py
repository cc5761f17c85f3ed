"""Whether a fit may be believed: convergence, effective sample size, divergences. What fails is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

MAX_RHAT: Final = 1.01
MIN_ESS: Final = 400
KHAT: Final = 0.7  # of importance weights
WEIGHTED: Final = ("importance", "nested")  # ways to draw that choose draws by weight; others are chains


@dataclass(frozen=True)
class Gate:
    """The verdict on one fit.

    Attributes
    ----------
    passed : bool
        Whether its numbers may be shown.
    rhat : float
        Largest rank-normalised split r-hat; 1 is perfect.
    ess_bulk, ess_tail : float
        Smallest effective sample sizes, in draws.
    divergences : int
        Divergent transitions after adaptation.
    reasons : tuple of dict
        Why it did not pass, in each language.
    """

    passed: bool
    rhat: float
    ess_bulk: float
    ess_tail: float
    divergences: int
    reasons: tuple[dict[str, str], ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON data for a manifest."""
        return asdict(self)


def gate(tree: xr.DataTree, reported: xr.Dataset | None = None, *, names: tuple[str, ...] = ()) -> Gate:
    """Judge a fit by its parameters and by what is reported of it.

    Parameters
    ----------
    tree : DataTree
        Groups ``posterior`` and ``sample_stats``.
    reported : Dataset, optional
        Draws of the reported quantities, dims (chain, draw, ..).
    names : tuple of str
        Variables of the posterior to judge; all if empty.

    Returns
    -------
    Gate

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Burkner (2021), doi:10.1214/20-BA1221.
    """
    if tree.attrs.get("method") in WEIGHTED and "ess" in tree.attrs:  # independent: no chains that could disagree
        worst = (1.0, float(tree.attrs["ess"]), float(tree.attrs["ess"]))
    else:
        posterior = tree["posterior"].dataset
        worst = _worst([posterior[list(names)] if names else posterior, *([] if reported is None else [reported])])
    divergences = int(tree["sample_stats"]["diverging"].sum())
    khat = tree.attrs.get("khat", 0.0) if tree.attrs.get("method") != "nuts" else 0.0
    effective = min(worst[1:])
    reasons = [
        {"en": english, "zh": chinese}
        for failed, english, chinese in (
            (
                khat >= KHAT,
                f"the draws' weights cannot be trusted (k-hat {khat:.2f})",
                f"抽样权重不可靠（k-hat {khat:.2f}）",
            ),
            (
                not worst[0] < MAX_RHAT,
                f"the chains disagree (r-hat {worst[0]:.3f})",
                f"各条链的结果不一致（r-hat {worst[0]:.3f}）",
            ),
            (
                effective < MIN_ESS,
                f"too few independent draws ({effective:.0f})",
                f"有效样本量过小（{effective:.0f}）",
            ),
            (divergences > 0, f"the sampler lost its way {divergences} times", f"采样出现 {divergences} 次发散"),
        )
        if failed
    ]
    return Gate(not reasons, *worst, divergences, tuple(reasons))


def _worst(sets: Sequence[xr.Dataset]) -> tuple[float, float, float]:
    """Largest r-hat, smallest bulk and tail effective size of all draws of chains."""
    from arviz_stats import ess, rhat  # arviz itself would import all of its figures

    values = []
    for draws in (data[name] for data in sets for name in data.data_vars):
        if draws.ndim > 2 and draws.size == 0:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):  # a constant, e.g. a share of 1, has no r-hat
            both = [rhat(draws), ess(draws, method="bulk"), ess(draws, method="tail")]
        values.append(np.stack([np.ravel(np.asarray(one, float)) for one in both]))
    found = np.concatenate(values, axis=1) if values else np.empty((3, 0))
    rhats, bulk, tail = (row[np.isfinite(row)] for row in found)  # constants have none
    return float(rhats.max(initial=1.0)), float(bulk.min(initial=np.inf)), float(tail.min(initial=np.inf))


def overall(found: Sequence[Gate], names: Sequence[str]) -> tuple[bool, list[dict[str, str]]]:
    """Return whether all fits passed and, if not, the reasons with the name of the question."""
    reasons = [
        {lang: f"{name}: {text}" for lang, text in reason.items()}
        for one, name in zip(found, names, strict=True)
        for reason in one.reasons
    ]
    return all(one.passed for one in found), reasons


def summary(found: Sequence[Gate], names: Sequence[str]) -> dict[str, Any]:
    """Return what a manifest keeps of the verdicts: one entry a fit, in order."""
    return {"fits": [{"name": name, **one.as_dict()} for one, name in zip(found, names, strict=True)]}
