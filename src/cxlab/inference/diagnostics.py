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
    from arviz_stats import ess  # arviz itself would import all of its figures
    from arviz_stats import rhat as split_rhat

    posterior = tree["posterior"].dataset
    sets = [posterior[list(names)] if names else posterior]
    if reported is not None:
        sets.append(reported)
    rhat, bulk, tail = [], [], []
    if tree.attrs.get("method") == "nested":  # independent draws by weight: no chains that could disagree
        bulk, tail, sets = [float(tree.attrs["ess"])], [float(tree.attrs["ess"])], []
    for data in sets:
        for name in data.data_vars:
            draws = data[name]
            if draws.ndim > 2 and draws.size == 0:
                continue
            with np.errstate(invalid="ignore", divide="ignore"):  # a constant, e.g. a share of 1, has no r-hat
                rhat.append(_worst(split_rhat(draws), np.nanmax))
                bulk.append(_worst(ess(draws, method="bulk"), np.nanmin))
                tail.append(_worst(ess(draws, method="tail"), np.nanmin))
    divergences = int(tree["sample_stats"]["diverging"].sum())
    rhat, bulk, tail = ([x for x in found if np.isfinite(x)] for found in (rhat, bulk, tail))  # constants have none
    worst = (max(rhat, default=1.0), min(bulk, default=np.inf), min(tail, default=np.inf))
    reasons = []
    if tree.attrs.get("method") != "nuts" and tree.attrs.get("khat", 0.0) >= KHAT:
        reasons.append(
            {
                "en": f"the draws' weights cannot be trusted (k-hat {tree.attrs['khat']:.2f})",
                "zh": f"抽样权重不可靠（k-hat {tree.attrs['khat']:.2f}）",
            }
        )
    if not worst[0] < MAX_RHAT:
        reasons.append(
            {"en": f"the chains disagree (r-hat {worst[0]:.3f})", "zh": f"各条链的结果不一致（r-hat {worst[0]:.3f}）"}
        )
    if min(worst[1:]) < MIN_ESS:
        reasons.append(
            {
                "en": f"too few independent draws ({min(worst[1:]):.0f})",
                "zh": f"有效样本量过小（{min(worst[1:]):.0f}）",
            }
        )
    if divergences:
        reasons.append({"en": f"the sampler lost its way {divergences} times", "zh": f"采样出现 {divergences} 次发散"})
    return Gate(not reasons, *worst, divergences, tuple(reasons))


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


def _worst(values: Any, choose: Any) -> float:
    array = np.asarray(values, float)
    return float(choose(array)) if np.isfinite(array).any() else float("nan")
