"""Which outcomes a page on drivers looks at, who can tell about them, and their fits with a verdict each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cxlab.drivers import model, respondents
from cxlab.drivers.data import FEWEST, DriverData
from cxlab.drivers.model import Monotone
from cxlab.errors import ModelError
from cxlab.inference.diagnostics import Gate, gate
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData

if TYPE_CHECKING:
    import xarray as xr

BEHAVIOUR: Final = ("repurchased", "left")  # what customers do, the first one there is
MOST_BLANK: Final = 0.5  # part of the respondents who may have left an attribute blank, or were never asked
MOST_STRAY: Final = 0.001  # part of the trajectories that may have lost their way
CARE: Final = ((1, 0.85, 240), (1, 0.97, 480), (3, 0.98, 600))  # times the draws, acceptance, steps to adapt
JUDGED: Final = ("level_effect", "r2")
_SHAPES: Final[dict[str, Monotone]] = {"monotone": "yes", "linear": "linear", "free": "free"}


@dataclass(frozen=True)
class Fit:
    """A fitted outcome.

    Attributes
    ----------
    data : DriverData
    tree : DataTree
        From `cxlab.drivers.model.fit`.
    gate : Gate
        Whether its draws may be believed.
    """

    data: DriverData
    tree: xr.DataTree
    gate: Gate

    @property
    def posterior(self) -> xr.Dataset:
        """Draws of the model."""
        return self.tree["posterior"].dataset


def outcomes(data: UnitData, *, params: Params, period: str, outcome: str = "auto") -> list[str]:
    """Return the outcomes of a unit's page: the one asked for first, a second question, and what customers do.

    Parameters
    ----------
    data : UnitData
    params : Params
    period : str
        The unit's period.
    outcome : str
        ``auto`` takes that of the params, else the headline.

    Returns
    -------
    list of str
        Empty if nobody rated attributes and an outcome together.
    """
    able = respondents.outcomes(data, params=params, period=period)
    if not able:
        return []
    asked = outcome if outcome != "auto" else params.drivers.outcome
    lead = able[0] if asked == "auto" else asked
    questions = [name for name in able if name not in (*respondents.BEHAVIOUR, "satisfied", lead)]
    done = [name for name in BEHAVIOUR if name in able and name != lead]
    return [lead, *questions[:1], *done[:1]]


def load(names: Sequence[str], data: UnitData, *, params: Params, period: str) -> tuple[list[DriverData], list[str]]:
    """Read the respondents of each outcome.

    What customers do is known of respondents of earlier periods only; an attribute that most of them were not asked
    about yet is left out there.

    Returns
    -------
    found : list of DriverData
        Those that can be fitted, in order.
    reasons : list of str
        Why the others cannot.
    """
    spec = params.drivers
    asking = set(spec.stated.values())
    named = [a for a in spec.attributes or respondents.attributes(data, period=period) if a not in asking]
    found, reasons = [], []
    for name in names:
        by = spec.by if spec.by and name == names[0] else ""
        try:
            one = respondents.load(data, params=params, period=period, outcome=name, named=named, by=by)
            asked = [a for a, blank in zip(one.attributes, one.blanks, strict=True) if blank <= MOST_BLANK]
            if name in respondents.BEHAVIOUR and FEWEST <= len(asked) < len(one.attributes):
                one = respondents.load(data, params=params, period=period, outcome=name, named=asked)
            found.append(one)
        except ModelError as error:
            reasons += [f"{name}: {problem}" for problem in error.problems]
    return found, reasons


def fit(
    people: Sequence[DriverData], *, settings: ModelSettings, seed: Callable[[str], int], draws: int = 0
) -> list[Fit]:
    """Fit every outcome; the shape of the curves is chosen on the first one, and what does not pass is drawn longer.

    A fit whose effects may differ by group and that does not pass is replaced by one with the same effects for all.

    Parameters
    ----------
    people : sequence of DriverData
    settings : ModelSettings
        Draws and chains of the params.
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain; 0 takes those of `settings`.
    """
    found: list[Fit] = []
    shape: Monotone = "auto"
    for data in people:
        one = _drawn(data, shape, settings=settings, seed=seed(f"drivers {data.name}"), draws=draws)
        if data.groups and not one.gate.passed:  # better the same effects for all than none
            alike = replace(data, groups=(), group=np.zeros_like(data.group))
            one = _drawn(alike, shape, settings=settings, seed=seed(f"drivers {data.name}"), draws=draws)
        shape = _shape(one.tree)
        found.append(one)
    return found


def _drawn(data: DriverData, shape: Monotone, *, settings: ModelSettings, seed: int, draws: int) -> Fit:
    """Fit an outcome; weighted draws that do not pass are drawn in shorter steps, then twice as many.

    Draws of the exact density cost by their number and are already long.
    """
    for longer, accept, tune in CARE:
        tree = model.fit(
            data, seed=seed, draws=(draws or settings.draws) * longer, chains=settings.chains, monotone=shape,
            accept=accept, tune=tune,
        )  # fmt: skip
        verdict = judge(tree)
        if verdict.passed or tree.attrs.get("method") != "importance":
            break
        shape = _shape(tree)
    return Fit(data, tree, verdict)


def _shape(tree: xr.DataTree) -> Monotone:
    return _SHAPES.get(str(tree.attrs.get("shape", "monotone")), "yes")


def judge(tree: xr.DataTree) -> Gate:
    """Judge a fit: weighted draws by their weights too, draws of the exact density as chains alone.

    Up to one stray trajectory in a thousand does not fail a fit: it was refused like any other step, and a corner that
    walkers cannot enter would turn back more of them. The verdict still counts all of them.
    """
    import xarray as xr

    plain = xr.DataTree.from_dict({k: tree[k].dataset for k in ("posterior", "sample_stats")})
    stray = plain["sample_stats"]["diverging"]
    if float(stray.mean()) <= MOST_STRAY:
        plain["sample_stats"]["diverging"] = stray & False
    if tree.attrs.get("method") == "importance":
        plain.attrs["khat"] = tree.attrs["khat"]
    return replace(gate(plain, names=JUDGED), divergences=int(stray.sum()))


def verdicts(fits: Sequence[Fit]) -> dict[str, Any]:
    """Return what a manifest keeps: how each fit was drawn and whether it passed."""
    kept = ("method", "khat", "ess_share", "shape")
    return {
        "fits": [
            {"name": one.data.name, **{k: one.tree.attrs.get(k) for k in kept}, **one.gate.as_dict()} for one in fits
        ]
    }


def reasons(fits: Sequence[Fit]) -> list[dict[str, str]]:
    """Return why fits did not pass, with the outcome's id, in each language."""
    return [
        {language: f"{one.data.name}: {text}" for language, text in reason.items()}
        for one in fits
        for reason in one.gate.reasons
    ]
