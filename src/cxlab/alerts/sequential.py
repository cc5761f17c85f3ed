r"""Sequential rules whose false-alarm rate is declared: P(false alarm within a horizon), baseline estimation included.

A stream is one value a look (week), each with its number of answers. At look :math:`t` every look :math:`k` after the
baseline is tried as the last before a change, and shifts :math:`\delta` of .25 to 1.5 sds of a look in turn:

.. math:: T_{k,t} = \frac{\bar y_{k+1..t} - \bar y_{1..k}}{s_{k,t}\sqrt{1/W_{k+1..t} + 1/W_{1..k}}}, \qquad
    M_t = \sum_k \operatorname{mean}_\delta \exp(\delta\sqrt{n_{k,t}}\,T_{k,t} - \delta^2 n_{k,t} / 2) \ge h
    \Rightarrow \text{alarm}

with weights :math:`w` by answers, :math:`1/n = 1/W_{k+1..t} + 1/W_{1..k}` and :math:`s` from what is left within both
parts. Everything before the change counts as baseline, so its error stands in the statistic and shrinks while nothing
happens (the change-point model of Hawkins, Qiu and Kang 2003, summed as Shiryaev and Roberts do, which finds small
lasting shifts earlier than its maximum). The threshold :math:`h` is solved by simulating the whole chain: a baseline
of the same length, the estimated mean and spread, and looks that resemble their neighbours (AR(1)) as much as the
baseline allows to believe: the correlation is drawn from what the baseline says of it, not set to its estimate.

Beside it stands an e-detector that needs no simulation: on the recursive residuals, which are independent standard
normals while nothing changes, the Shiryaev-Roberts mixture :math:`M_t` has :math:`E M_t = t`, so
:math:`P(\max_{t \le H} M_t \ge c) \le H / c` (Shin, Ramdas and Rinaldo 2023). Over many streams those are told as sure
that the e-BH rule keeps: their error over patience is bounded (Dandapanthula and Ramdas 2025).

References
----------
Hawkins, Qiu and Kang (2003), The changepoint model for statistical process control, doi:10.1080/00224065.2003.11980233.
Shin, Ramdas and Rinaldo (2023), E-detectors, doi:10.51387/23-NEJSDS51.
Dandapanthula and Ramdas (2025), Multiple testing in multi-stream sequential change detection, arXiv:2501.04130.
Wang and Ramdas (2022), False discovery rate control with e-values, doi:10.1111/rssb.12489.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np
from scipy.special import chdtri, logsumexp

Side = Literal["both", "below", "above"]
FEWEST: Final = 12  # looks of a baseline
BASELINES: Final = (12, 18, 26, 52, 104)  # lengths for which thresholds are solved
ALIKE: Final = np.array([0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9])  # correlations of neighbouring looks that are simulated
WORLDS: Final = 1_200
SHIFTS: Final = np.array([0.25, 0.5, 1.0, 1.5])  # sds of a look, for the e-detector's mixture
SEED: Final = 20_260_701


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a stream at its newest look.

    Attributes
    ----------
    alarm : bool
        Whether the threshold was reached at this look or before.
    at : int
        Index of the look that reached it first; -1 without an alarm.
    since : int
        Index of the first look after the change; -1 without an alarm.
    statistic, threshold : float
        Largest so far and what it takes, both as logarithms.
    before, after : float
        Mean of the looks before and since the change (or of all, and of the newest look).
    evidence : float
        The largest value of the e-detector so far; the bound of a false alarm within the horizon is horizon / evidence.
    """

    alarm: bool
    at: int
    since: int
    statistic: float
    threshold: float
    before: float
    after: float
    evidence: float


def watch(
    values: np.ndarray,
    counts: np.ndarray,
    *,
    baseline: int,
    variance: float,
    horizon: int = 52,
    rate: float = 0.05,
    limit: float | None = None,
    side: Side = "both",
) -> Verdict:
    """Watch a stream from the end of its baseline to its newest look.

    Parameters
    ----------
    values : ndarray, shape (looks,)
        Mean of each look, oldest first; the first `baseline` are the past that is taken as it was.
    counts : ndarray, shape (looks,)
        Answers behind each.
    baseline : int
        At least `FEWEST`.
    variance : float
        Variance of one answer, known from all of them; looks that spread more than it explains widen the rule.
    horizon, rate : int, float
        P(false alarm within so many looks) is at most `rate`.
    limit : float, optional
        Watch whether the level is beyond this value instead of whether it changed.
    side : {"both", "below", "above"}
        Of a change, or of the limit.
    """
    y = values[: baseline + horizon]
    n = counts
    w = n[: len(y)] / n[:baseline].mean()
    unit = variance / n[:baseline].mean()  # of a look with usual answers, were there nothing but chance
    alike = correlation(y[:baseline], w[:baseline])
    h = threshold(baseline, horizon=horizon, rate=rate, alike=alike, side=side, fixed=limit is not None)
    looks = np.arange(baseline, len(y))
    size = _evidence(y[None], w[None], baseline, limit=limit, side=side, least=unit)[0]  # look x possible change
    best = logsumexp(size, axis=1) if len(looks) else np.array([])
    reached = np.flatnonzero(best >= h)
    evidence = e_detector(y, w, baseline, unit=unit, alike=alike, side=side) if limit is None else np.zeros(1)
    proof = float(evidence.max(initial=0.0))
    if not len(reached):
        last = float(y[-1]) if len(looks) else float("nan")
        whole = float(np.average(y[: max(len(y) - 1, 1)], weights=w[: max(len(y) - 1, 1)]))
        return Verdict(False, -1, -1, float(best.max(initial=0.0)), h, whole, last, proof)
    at = int(reached[0])
    change = int(size[at].argmax())  # of looks after the baseline
    first = baseline + change
    before = float(np.average(y[:first], weights=w[:first])) if limit is None else limit
    after = float(np.average(y[first : baseline + at + 1], weights=w[first : baseline + at + 1]))
    return Verdict(True, baseline + at, first, float(best[at]), h, before, after, proof)


def _evidence(
    y: np.ndarray, w: np.ndarray, baseline: int, *, limit: float | None, side: Side, least: float = 0.0
) -> np.ndarray:
    """Return the log evidence of each possible change at each look, shape (worlds, looks after the baseline, same).

    -inf where the change would come after the look; `least` is the smallest variance a look can have.
    """
    shifts = {"both": np.concatenate([SHIFTS, -SHIFTS]), "above": SHIFTS, "below": -SHIFTS}[side]
    worlds, size = y.shape
    later = size - baseline
    total, square = np.cumsum(w * y, axis=1), np.cumsum(w * y * y, axis=1)
    weight = np.broadcast_to(np.cumsum(w, axis=1), y.shape)
    out = np.full((worlds, later, later), -np.inf)
    for at in range(later):
        t = baseline + at
        k = np.arange(baseline - 1, t)  # the last look before the change
        part, own = total[:, t, None] - total[:, k], weight[:, t, None] - weight[:, k]
        rest = square[:, t, None] - total[:, k] ** 2 / weight[:, k] - part**2 / own
        sd = np.sqrt(np.maximum(np.maximum(rest, 0.0) / (t - 1), max(least, 1e-12)))  # t + 1 looks, two means
        n = 1 / (1 / own + 1 / weight[:, k]) if limit is None else own
        gap = np.sqrt(n) * (part / own - (total[:, k] / weight[:, k] if limit is None else limit)) / sd
        root = np.sqrt(n)
        drive = root * gap
        likelihood = sum(np.exp(np.minimum(d * drive - d * d * n / 2, 600.0)) for d in shifts)
        out[:, at, : at + 1] = np.log(np.maximum(likelihood / len(shifts), 1e-300))
    return out


def correlation(values: np.ndarray, weights: np.ndarray) -> float:
    """Return how alike neighbouring looks of the baseline are, with the bias of a short series taken out."""
    rest = np.sqrt(weights) * (values - np.average(values, weights=weights))
    whole = float(rest @ rest)
    raw = float(rest[1:] @ rest[:-1]) / whole if whole > 0 else 0.0
    return float(np.clip(raw + (1 + 3 * raw) / len(values), -0.9, 0.9))


def threshold(
    baseline: int,
    *,
    horizon: int = 52,
    rate: float = 0.05,
    alike: float = 0.0,
    side: Side = "both",
    fixed: bool = False,
) -> float:
    """Return the threshold at which the whole chain has the declared P(false alarm within the horizon).

    Parameters
    ----------
    baseline, horizon : int
        Looks; between two lengths of `BASELINES` the shorter one is taken.
    alike : float
        Estimated correlation of neighbouring looks; it is drawn a fifth of its error above this, with that error.
    fixed : bool
        For a limit that is given and not estimated.
    """
    length = max((b for b in BASELINES if b <= baseline), default=FEWEST)
    peaks = _peaks(length, horizon, side, fixed)  # correlation x world
    error = np.sqrt(max(1 - alike**2, 0.1) / baseline)
    weight = np.exp(-0.5 * ((ALIKE - max(alike, 0.0) - 0.2 * error) / error) ** 2)
    each = np.repeat(weight / weight.sum() / peaks.shape[1], peaks.shape[1])
    flat = peaks.ravel()
    order = np.argsort(flat)[::-1]
    return float(flat[order][np.searchsorted(np.cumsum(each[order]), rate)])


@cache
def _peaks(baseline: int, horizon: int, side: Side, fixed: bool) -> np.ndarray:
    """Return the largest statistic within the horizon in worlds without a change, for each of `ALIKE`."""
    out = []
    for alike in ALIKE:
        z = _noise(np.random.default_rng([SEED, baseline, horizon]), WORLDS, baseline + horizon, float(alike))
        peak = np.empty(WORLDS)
        for start in range(0, WORLDS, 200):
            part = slice(start, start + 200)
            even = np.ones((1, baseline + horizon))
            size = _evidence(z[part], even, baseline, limit=0.0 if fixed else None, side=side)
            peak[part] = logsumexp(size, axis=2).max(axis=1)
        out.append(peak)
    return np.array(out)


def _noise(random: np.random.Generator, worlds: int, looks: int, alike: float) -> np.ndarray:
    """Return standard normal looks of which neighbours correlate (AR(1)), shape (worlds, looks)."""
    z = random.standard_normal((worlds, looks))
    for t in range(1, looks):
        z[:, t] = alike * z[:, t - 1] + np.sqrt(1 - alike**2) * z[:, t]
    return z


def e_detector(
    values: np.ndarray,
    weights: np.ndarray,
    baseline: int,
    *,
    unit: float,
    alike: float = 0.0,
    side: Side = "both",
) -> np.ndarray:
    """Return the Shiryaev-Roberts e-detector after each look that follows the baseline, shape (looks - baseline,).

    The variance of a look is taken at the upper 90 % bound that the baseline allows, and as that of a sum where
    neighbours are alike, so that the bound does not rest on an estimate.
    """
    rest = weights[:baseline] * (values[:baseline] - np.average(values[:baseline], weights=weights[:baseline])) ** 2
    spread = max(float(rest.sum() / chdtri(baseline - 1, 0.9)), unit)
    spread *= (1 + max(alike, 0.0)) / (1 - max(alike, 0.0))
    total, weight = np.cumsum(weights * values), np.cumsum(weights)
    t = np.arange(baseline, len(values))
    z = (values[t] - total[t - 1] / weight[t - 1]) / np.sqrt(spread * (1 / weights[t] + 1 / weight[t - 1]))
    shifts = {"both": np.concatenate([SHIFTS, -SHIFTS]), "above": SHIFTS, "below": -SHIFTS}[side]
    state, out = np.zeros(len(shifts)), np.empty(len(t))
    for i, one in enumerate(z):
        state = np.exp(shifts * one - shifts**2 / 2) * (state + 1)
        out[i] = state.mean()
    return out


def sure(evidence: Sequence[float], patience: float, *, among: int = 0) -> list[bool]:
    """Return which of several streams the e-BH rule keeps: the share of false ones over a patience is bounded.

    Parameters
    ----------
    evidence : sequence of float
        The e-detector of each stream, or of those with an alarm.
    patience : float
        Looks after which one false alarm is accepted; at any look the expected share of false alarms among those kept
        is at most looks / patience.
    among : int
        How many streams are watched in all; default: as many as are given.
    """
    e = np.asarray(evidence, float)
    order = np.argsort(e)[::-1]
    rank = np.arange(1, len(e) + 1)
    kept = np.flatnonzero(e[order] * rank >= max(among, len(e)) * patience)
    out = np.zeros(len(e), bool)
    out[order[: kept[-1] + 1 if len(kept) else 0]] = True
    return [bool(x) for x in out]
