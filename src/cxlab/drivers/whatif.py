"""What would go with better ratings: move the answers of a sample of respondents, read off the outcome draw by draw.

The answer to a scenario is the average, over respondents as they are, of the model's probabilities with the moved codes
minus those with the codes as given. It is an association carried forward, not the promised effect of a measure: people
who rate an attribute higher differ in more than that. Only respondents whose codes move are computed again, so a widget
gets its answer in a few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cxlab.drivers.kano import Anchors
from cxlab.errors import ModelError, Problem, nearest

if TYPE_CHECKING:
    import xarray as xr

DRAWS: Final = 400  # draws a what-if is computed with: its interval's ends are good to a twentieth of its width
SAMPLE: Final = 2000  # respondents kept beside the posterior
_GOLDEN: Final = 0.6180339887498949
Kind = Literal["lift", "target"]


@dataclass(frozen=True)
class Move:
    """One thing that changes.

    Attributes
    ----------
    attribute : str
    kind : str
        ``lift``: whoever is not satisfied with it rates it `size` codes higher; ``target``: as many of the unsatisfied
        as it takes become just satisfied, spread evenly over them, until a share `size` is satisfied.
    size : float
    """

    attribute: str
    kind: Kind
    size: float = 1.0


@dataclass(frozen=True)
class Outlook:
    """All that answers a what-if about one outcome.

    Attributes
    ----------
    outcome : str
        Item id.
    measures : mapping of metric -> ((boundary, weight), ..)
        Each metric is a sum of weights times P(answer above the boundary); none for a number, whose mean is `mean`.
    attributes : tuple of str
    effect : float array (draw, attribute, level)
        Latent contribution of each code; level 0 is "not used".
    cut : float array (draw, boundary)
    codes : int array (respondent, attribute)
        Level of each answer, blanks completed.
    weight : float array (respondent,)
        Adds up to one.
    satisfied : int array (attribute,)
        First level that counts as satisfied.
    best : int array (attribute,)
        Last level.
    eta : float array (draw, respondent)
        Latent outcome without noise.
    chance : mapping of metric -> float array (draw, respondent)
        What each metric expects of each respondent as they are.
    """

    outcome: str
    measures: Mapping[str, tuple[tuple[int, float], ...]]
    attributes: tuple[str, ...]
    effect: np.ndarray
    cut: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    satisfied: np.ndarray
    best: np.ndarray
    eta: np.ndarray
    chance: Mapping[str, np.ndarray]

    def place(self, attribute: str) -> int:
        """Return the column of an attribute."""
        if attribute not in self.attributes:
            raise ModelError(
                Problem("no such attribute", value=attribute, allowed=", ".join(self.attributes),
                        nearest=nearest(attribute, self.attributes))
            )  # fmt: skip
        return self.attributes.index(attribute)


def measures(
    codes: Sequence[float], *, role: str, satisfied_from: float | None
) -> dict[str, tuple[tuple[int, float], ...]]:
    """Say which metrics a question has, as weights of the probabilities of answering above each boundary.

    Parameters
    ----------
    codes : sequence of float
        From worst to best; two for yes and no.
    role : str
        ``nps`` on 0 to 10 gives the net promoter score, a scale with `satisfied_from` the share satisfied, else the
        mean. All but yes and no also give ``unhappy``: detractors, or the codes that mirror the satisfied ones.
    satisfied_from : float or None

    Returns
    -------
    dict
        The lead metric first; boundary k lies between code k and code k + 1.
    """
    last = len(codes) - 1
    if role == "nps" and tuple(codes) == tuple(range(11)):
        return {"nps": ((8, 100.0), (6, 100.0), (-1, -100.0)), "unhappy": ((-1, 1.0), (6, -1.0))}
    if len(codes) == 2:
        return {"csat" if satisfied_from is not None else "share": ((0, 1.0),)}
    if satisfied_from is None:
        steps = tuple((k, float(codes[k + 1] - codes[k])) for k in range(last))
        return {"mean": steps, "unhappy": ((-1, 1.0), (max(last // 3 - 1, 0), -1.0))}
    good = sum(c >= satisfied_from for c in codes)
    bad = min(good, len(codes) - good)
    return {"csat": ((last - good, 1.0),), "unhappy": ((-1, 1.0), (bad - 1, -1.0))}


def outlook(
    posterior: xr.Dataset,
    *,
    outcome: str,
    measures: Mapping[str, tuple[tuple[int, float], ...]],
    codes: np.ndarray,
    weight: np.ndarray,
    satisfied: Sequence[int],
    draws: int = DRAWS,
) -> Outlook:
    """Prepare what-ifs about one outcome.

    Parameters
    ----------
    posterior : Dataset
        ``level_effect`` (chain, draw, attribute, level) and ``cut`` (chain, draw, boundary).
    outcome : str
    measures : mapping
        From `measures`.
    codes : int array (respondent, attribute)
        Levels, 0 = not used; no blanks.
    weight : array (respondent,)
    satisfied : sequence of int
        First satisfied level of each attribute.
    draws : int
        Draws to keep, evenly spaced.
    """
    effect = _flat(posterior["level_effect"], ("attribute", "level"))
    cut = _flat(posterior["cut"], ("boundary",)) if "cut" in posterior else np.zeros((len(effect), 1))
    kept = np.unique(np.linspace(0, len(effect) - 1, min(draws, len(effect))).round().astype(int))
    best = np.isfinite(effect[0, :, 1:]).sum(axis=1)
    effect = np.nan_to_num(effect[kept]).astype(np.float32)
    cut = cut[kept].astype(np.float32)
    codes = np.asarray(codes, int)
    if codes.size and (codes.min() < 0 or (codes > best).any()):
        raise ModelError(Problem("a code is outside its attribute's levels", value=str(codes.min()), allowed="0 to K"))
    eta = np.zeros((len(kept), len(codes)), np.float32)
    for j in range(codes.shape[1]):
        eta += effect[:, j, codes[:, j]]
    weight = np.asarray(weight, float) / np.sum(weight)
    chance = {name: _expect(eta, cut, terms) for name, terms in measures.items()}
    return Outlook(
        outcome=outcome,
        measures=dict(measures),
        attributes=tuple(str(a) for a in posterior["attribute"].to_numpy()),
        effect=effect,
        cut=cut,
        codes=codes,
        weight=weight.astype(np.float32),
        satisfied=np.asarray(satisfied, int),
        best=best,
        eta=eta,
        chance=chance,
    )


def stored(draws: xr.Dataset, outcome: str = "", *, keep: int = DRAWS) -> Outlook:
    """Return the what-if of an outcome from the draws of a finished run, ``posterior/drivers``.

    Parameters
    ----------
    draws : Dataset
        From `cxlab.drivers.estimates.draws_of`.
    outcome : str
        One of its outcomes; the first if empty.
    keep : int
        Draws to compute with.

    Raises
    ------
    ModelError
        If there is no such outcome.
    """
    legal = [str(o) for o in draws["outcome"].to_numpy()] if "outcome" in draws.coords else []
    if not legal or (outcome and outcome not in legal):
        raise ModelError(
            Problem("no draws of this outcome", value=outcome, nearest=nearest(outcome, legal),
                    allowed=", ".join(legal) or "none: no fit passed its checks")
        )  # fmt: skip
    one = draws.sel(outcome=outcome or legal[0])
    used = (one["satisfied"] > 0).to_numpy()
    one = one.isel(attribute=used).drop_vars([v for v in ("contribution_cov",) if v in one])
    here = (one["respondent_code"] >= 0).all("attribute").to_numpy()
    if "cut" in one:
        one = one.dropna("boundary", subset=["cut"]) if one.sizes.get("boundary") else one
    return outlook(
        one,
        outcome=outcome or legal[0],
        measures={
            k: tuple((int(b), float(w)) for b, w in v) for k, v in json.loads(str(one["measures"].item())).items()
        },
        codes=one["respondent_code"].isel(respondent=here).to_numpy(),
        weight=one["respondent_weight"].isel(respondent=here).to_numpy(),
        satisfied=one["satisfied"].to_numpy().tolist(),
        draws=keep,
    )


def level(at: Outlook) -> dict[str, np.ndarray]:
    """Return each metric as things are, {metric: (draw,)}."""
    return {name: np.asarray(values @ at.weight, float) for name, values in at.chance.items()}


def share_above(at: Outlook, boundary: int) -> np.ndarray:
    """Return the share of answers above a boundary as things are, (draw,)."""
    return np.asarray(_expect(at.eta, at.cut, ((boundary, 1.0),)) @ at.weight, float)


def moved(at: Outlook, moves: Sequence[Move]) -> np.ndarray:
    """Return the respondents' codes after all moves, (respondent, attribute); several of one attribute add up."""
    codes = at.codes.copy()
    for move in moves:
        j = at.place(move.attribute)
        column = codes[:, j]
        short = np.flatnonzero((column > 0) & (column < at.satisfied[j]))
        if move.kind == "lift":
            column[short] = np.minimum(column[short] + round(move.size), at.best[j])
        else:
            users = column > 0
            whole, wanting = at.weight[users].sum(), at.weight[short].sum()
            needed = move.size * whole - (whole - wanting)
            column[_evenly(short, column[short], at.weight[short], needed)] = at.satisfied[j]
    return codes


def change(at: Outlook, moves: Sequence[Move]) -> dict[str, np.ndarray]:
    """Return how each metric differs after all moves, {metric: (draw,)}."""
    return _difference(at, moved(at, moves))


def one_higher(at: Outlook) -> dict[str, np.ndarray]:
    """Return how each metric differs if everybody who uses an attribute rates it one code higher, (draw, attribute)."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in at.measures}
    for j in range(len(at.attributes)):
        codes = at.codes.copy()
        users = codes[:, j] > 0
        codes[users, j] = np.minimum(codes[users, j] + 1, at.best[j])
        for name, values in _difference(at, codes).items():
            found[name].append(values)
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def sides(at: Outlook, anchors: Anchors, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return reward and penalty of each attribute in the units of a metric, each (draw, attribute).

    Among those who use an attribute: the metric if all gave the best code minus if all gave the typical one, and the
    typical one minus the worst; the other attributes as they are.
    """
    reward, penalty = np.zeros((2, len(at.effect), len(at.attributes)))
    for j in range(len(at.attributes)):
        users = np.flatnonzero(at.codes[:, j] > 0)
        if not users.size:
            continue
        weight = at.weight[users] / at.weight[users].sum()
        others = at.eta[:, users] - at.effect[:, j, at.codes[users, j]]
        low, middle, high = (
            _expect(others + at.effect[:, j, where[j], None], at.cut, at.measures[metric]) @ weight
            for where in (anchors.worst, anchors.reference, anchors.best)
        )
        reward[:, j], penalty[:, j] = high - middle, middle - low
    return reward, penalty


def _difference(at: Outlook, codes: np.ndarray) -> dict[str, np.ndarray]:
    rows = np.flatnonzero((codes != at.codes).any(axis=1))
    eta = at.eta[:, rows]
    for j in np.flatnonzero((codes != at.codes).any(axis=0)):
        eta = eta + at.effect[:, j, codes[rows, j]] - at.effect[:, j, at.codes[rows, j]]
    return {
        name: np.asarray((_expect(eta, at.cut, terms) - at.chance[name][:, rows]) @ at.weight[rows], float)
        for name, terms in at.measures.items()
    }


def _expect(eta: np.ndarray, cut: np.ndarray, terms: Sequence[tuple[int, float]]) -> np.ndarray:
    """Sum the weighted chances of answering above the boundaries; boundary -1 lies below everything."""
    from scipy.special import expit

    if not terms:
        return eta
    total = np.zeros_like(eta)
    for boundary, size in terms:
        total += np.float32(size) * (expit(eta - cut[:, boundary, None]) if boundary >= 0 else np.float32(1))
    return total


def _evenly(rows: np.ndarray, codes: np.ndarray, weight: np.ndarray, needed: float) -> np.ndarray:
    """Choose rows whose weights add up to `needed`, spread evenly over the codes."""
    if needed <= 0 or not rows.size:
        return rows[:0]
    order = rows[np.argsort(codes, kind="stable")]
    spread = np.argsort(np.arange(len(order)) * _GOLDEN % 1)  # any first part of this order covers all codes evenly
    reached = np.cumsum(weight[np.argsort(codes, kind="stable")][spread])
    return np.asarray(order[spread][reached - weight.mean() / 2 <= needed])


def _flat(values: xr.DataArray, dims: tuple[str, ...]) -> np.ndarray:
    array = values.transpose("chain", "draw", *dims).to_numpy()
    return array.reshape(-1, *array.shape[2:])
