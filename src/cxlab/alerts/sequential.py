r"""Sequential rules whose false-alarm rate is declared: P(false alarm within a horizon), baseline estimation included.

A stream is one value a look (week) with its number of answers, as a score :math:`z` in sds of what answers alone would
spread. Looks may stand together: with the first autocorrelation :math:`\rho` of the baseline, raised by a standard
error and more in short baselines because it is estimated, the innovations are

.. math:: w_t = (z_t - \rho z_{t-1}) / (s \sqrt{1 - \rho^2}),

with :math:`s` the baseline's scale, at least 1 (`innovations`). The alarm statistic is the Shiryaev-Roberts mixture
over the look :math:`k` of the change and its size :math:`\lambda` (`evidence`)

.. math:: S_t = \log \operatorname{mean}_\lambda \sum_{k \le t} \exp \sum_{i=k}^t (\lambda w_i - \lambda^2 / 2).

With an *estimated* baseline no theorem bounds it: the threshold is solved by simulation of the whole chain, from a
baseline of as many looks as the stream's, as the highest needed for :math:`\rho` of 0, .3 and .5 (`threshold`).

Beside it stands a bound that needs no simulation: residuals of each look from all looks before it are independent
standard normal whatever level and scale are, so the likelihood ratio of a change, whose effect on them fades as the
change enters the baseline, is an e-detector (`e_detector`): :math:`P(\max_{t \le H} M_t \ge c) \le H / c` (Shin,
Ramdas and Rinaldo 2024). Over many streams those are told as sure that the e-BH rule keeps: their error over patience
is bounded (Dandapanthula and Ramdas 2025). The bound is exact for independent looks; tests hold it on others.

It cannot say why; a slow seasonal swing is a change to it; and an effect that the baseline shares is none.

References
----------
Shin, Ramdas and Rinaldo (2024), E-detectors, doi:10.51387/23-NEJSDS51.
Dandapanthula and Ramdas (2025), Multiple testing in multi-stream sequential change detection, arXiv:2501.04130.
Quesenberry (1991), SPC Q charts for start-up processes, doi:10.1080/00224065.1991.11979327.
Wang and Ramdas (2022), False discovery rate control with e-values, doi:10.1111/rssb.12489.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from scipy.special import ndtri, stdtr

Side = Literal["both", "below", "above"]
FEWEST: Final = 12  # looks of a baseline
SHIFTS: Final = np.array([0.25, 0.5, 1.0, 2.0])  # sizes of a change looked for, in sds of a look
SIMULATED: Final = 12_000  # streams a threshold is solved with, for each autocorrelation
TOGETHER: Final = (0.0, 0.3, 0.5)  # autocorrelations of looks the threshold holds for
SIZES: Final = (12, 16, 24, 36, 52, 78, 104)  # baselines simulated: a stream takes the next shorter one
_WAYS: Final = {"both": 0, "below": -1, "above": 1}


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
    y, n = values[: baseline + horizon], counts[: baseline + horizon]
    level = float(np.average(y[:baseline], weights=n[:baseline])) if limit is None else limit
    z = (y - level) * np.sqrt(n / variance)
    w = innovations(z[None, :baseline], z[None, baseline:], known=limit is not None)
    found = evidence(w[:, baseline - 1 :], _WAYS[side])[0]
    h = threshold(baseline, horizon, rate, way=_WAYS[side], known=limit is not None)
    proof = float(np.exp(min(e_detector(w, baseline).max(initial=0.0), 700.0))) if limit is None else 0.0
    reached = np.flatnonzero(found >= h)
    if not len(reached):
        last = float(y[-1]) if len(y) > baseline else float("nan")
        return Verdict(False, -1, -1, float(found.max(initial=0.0)), h, level, last, proof)
    at = baseline + int(reached[0])
    first = baseline + onset(w[0, baseline - 1 : at])
    after = float(np.average(y[first : at + 1], weights=n[first : at + 1]))
    before = level if limit is not None else float(np.average(y[:first], weights=n[:first]))
    return Verdict(True, at, first, float(found[at - baseline]), h, before, after, proof)


def innovations(base: np.ndarray, looks: np.ndarray, *, known: bool = False, least: float = 1.0) -> np.ndarray:
    """Return what each week adds to the one before, in the baseline's scale.

    Parameters
    ----------
    base : array (streams, m)
        Normal scores of the baseline.
    looks : array (streams, t)
        Those of the weeks looked at.
    known : bool
        Whether the level is given, and not the mean of the baseline.
    least : float
        Smallest scale: sampling alone gives 1, and the sums of few answers, being discrete, less.

    Returns
    -------
    array (streams, m - 1 + t)
        Of the baseline's second week and later.
    """
    m = base.shape[1]
    own = base - base.mean(axis=1, keepdims=True)
    r = (own[:, 1:] * own[:, :-1]).sum(axis=1) / np.maximum((own**2).sum(axis=1), 1e-12)
    r += (1 + 3 * r) / m  # the bias of the estimate
    rho = np.clip(r + (1 + 10 / m) * np.sqrt(np.maximum(1 - r**2, 0) / m), 0, 0.8)[:, None]
    centre = 0.0 if known else base.mean(axis=1, keepdims=True)
    whole = np.concatenate([base, looks], axis=1) - centre
    out = (whole[:, 1:] - rho * whole[:, :-1]) / np.sqrt(1 - rho**2)
    inside = own[:, 1:] - rho * own[:, :-1]
    scale = np.sqrt((inside**2).sum(axis=1, keepdims=True) / (m - 2) / (1 - rho**2))
    return out / np.maximum(scale, max(least, 1e-9))


def evidence(w: np.ndarray, way: int = 0) -> np.ndarray:
    """Return the Shiryaev-Roberts mixture after each look, in logs.

    Parameters
    ----------
    w : array (streams, t)
        Innovations of the weeks looked at.
    way : {-1, 0, 1}
        Changes looked for: downwards, both, upwards.
    """
    sizes = np.concatenate([sign * SHIFTS for sign in ((-1, 1) if way == 0 else (way,))])
    sums = np.full((len(w), len(sizes)), -np.inf)
    out = np.empty(w.shape)
    for t in range(w.shape[1]):
        sums = np.logaddexp(sums, 0) + w[:, t, None] * sizes - sizes**2 / 2
        top = sums.max(axis=1)
        out[:, t] = top + np.log(np.exp(sums - top[:, None]).mean(axis=1))
    return out


def _quiet(count: int, weeks: int, together: float, rng: np.random.Generator) -> np.ndarray:
    """Return standard normal streams (count, weeks) whose neighbouring weeks have this autocorrelation."""
    out = rng.normal(size=(count, weeks))
    for t in range(1, weeks if together else 0):
        out[:, t] = together * out[:, t - 1] + np.sqrt(1 - together**2) * out[:, t]
    return out


@lru_cache(maxsize=32)
def _highest(m: int, horizon: int, way: int, known: bool) -> np.ndarray:
    """Return the sorted largest evidence of simulated quiet streams, one row an autocorrelation."""
    rows = []
    for nth, together in enumerate(TOGETHER):
        z = _quiet(SIMULATED, m + horizon, together, np.random.default_rng([20_260, m, horizon, nth]))
        w = innovations(z[:, :m], z[:, m:], known=known, least=0)[:, m - 1 :]
        rows.append(np.sort(evidence(w, way).max(axis=1)))
    return np.array(rows)


def threshold(m: int, horizon: int, rate: float, *, way: int = 0, known: bool = False) -> float:
    """Return the evidence that a quiet stream with a baseline of `m` weeks reaches within `horizon` looks at `rate`."""
    beyond = max(int(rate * SIMULATED), 1)
    return float(_highest(max(s for s in SIZES if s <= m), horizon, way, known)[:, -beyond].max())


def e_detector(w: np.ndarray, m: int) -> np.ndarray:
    """Return the e-detector after each look, in logs, whose baseline is estimated and grows.

    Parameters
    ----------
    w : array (streams, m - 1 + t)
        Innovations as of `innovations`.
    m : int
        Weeks of the baseline.

    Returns
    -------
    array (streams, t)
    """
    past, horizon = m - 1, w.shape[1] - m + 1
    before = past + np.arange(horizon)
    sums, squares = np.cumsum(w, axis=1), np.cumsum(w**2, axis=1)
    mean = sums[:, past - 1 : -1] / before
    # a scale below 1 is that of discrete sums, see `innovations`
    scale = np.sqrt(np.maximum((squares[:, past - 1 : -1] - before * mean**2) / (before - 1), 1))
    t = (w[:, past:] - mean) / scale / np.sqrt(1 + 1 / before)
    q = -np.sign(t) * ndtri(np.maximum(stdtr(before - 1, -np.abs(t)), 1e-15))
    total = np.full(q.shape, -np.inf)
    for k in range(horizon):
        fade = np.sqrt(before[k:] / (before[k:] + 1)) * before[k] / before[k:]
        gain, cost = np.cumsum(fade * q[:, k:], axis=1), np.cumsum(fade**2) / 2
        for size in np.concatenate([-SHIFTS, SHIFTS]):
            total[:, k:] = np.logaddexp(total[:, k:], size * gain - size**2 * cost)
    return total - np.log(2 * len(SHIFTS))


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


def onset(w: np.ndarray) -> int:
    """Return the look (of one stream's innovations) at which the change most likely began."""
    later = np.cumsum(w[::-1])[::-1]
    return int(np.argmax(later**2 / np.arange(len(w), 0, -1)))
