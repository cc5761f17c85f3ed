"""The declared rate of false alarms holds for the whole chain, on streams that are not what the threshold assumed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from cxlab.alerts import sequential

HORIZON, RATE = 52, 0.05
Looks = tuple[np.ndarray, np.ndarray, float]


def streams(kind: str, worlds: int, baseline: int, *, shift: float = 0.0, seed: int = 1) -> Iterator[Looks]:
    """Values, counts and the variance of one answer; after the baseline the level moves by `shift` sds of a look."""
    random = np.random.default_rng([seed, baseline])
    size = baseline + HORIZON
    moved = np.where(np.arange(size) >= baseline, shift, 0.0)
    for _ in range(worlds):
        n = random.integers(2, 15, size).astype(float) if kind == "thin" else np.full(size, 60.0)
        if kind in ("normal", "thin"):
            yield random.standard_normal(size) / np.sqrt(n) + moved / np.sqrt(n.mean()), n, 1.0
        elif kind == "ordinal":  # a satisfied crowd, few answers a week: skewed and lumpy
            shares = np.array([0.05, 0.1, 0.1, 0.15, 0.6])
            codes = np.arange(1.0, 6.0)
            n = random.integers(5, 40, size).astype(float)
            values = np.array([random.choice(codes, int(k), p=shares).mean() for k in n])
            yield values, n, float(shares @ (codes - shares @ codes) ** 2)
        elif kind == "wandering":  # the level differs from week to week by more than its answers explain
            yield 0.3 * random.standard_normal(size) + random.standard_normal(size) / np.sqrt(n), n, 1.0
        else:  # neighbours alike
            z, alike = random.standard_normal(size), float(kind)
            for t in range(1, size):
                z[t] = alike * z[t - 1] + np.sqrt(1 - alike**2) * z[t]
            yield z + moved, n, 6.0


def false_rate(kind: str, worlds: int, baseline: int) -> float:
    found = [
        sequential.watch(y, n, baseline=baseline, variance=v, horizon=HORIZON, rate=RATE).alarm
        for y, n, v in streams(kind, worlds, baseline)
    ]
    return float(np.mean(found))


def bound(worlds: int) -> float:
    return RATE + 1.96 * float(np.sqrt(RATE * (1 - RATE) / worlds))


KINDS = ["normal", "thin", "ordinal", "wandering", "0.3", "0.6"]


@pytest.mark.parametrize("kind", KINDS)
def test_false_alarms_stay_within_the_declared_rate(kind: str) -> None:
    assert false_rate(kind, 150, 26) <= bound(150)


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [12, 26, 52])
@pytest.mark.parametrize("kind", KINDS)
def test_false_alarms_of_many_streams(kind: str, baseline: int) -> None:
    assert false_rate(kind, 2_000, baseline) <= bound(2_000)


def cusum(z: np.ndarray) -> float:
    """The largest value of a two-sided CUSUM with slack .25."""
    up = down = peak = 0.0
    for one in z:
        up, down = max(0.0, up + one - 0.25), max(0.0, down - one - 0.25)
        peak = max(peak, up, down)
    return peak


def test_a_baseline_taken_for_known_breaks_the_rate() -> None:
    """The control: a chart whose limit has the rate where mean and spread are known, with those of 12 weeks."""
    random = np.random.default_rng(7)
    limit = float(np.quantile([cusum(random.standard_normal(HORIZON)) for _ in range(800)], 1 - RATE))
    found = []
    for y, _, _ in streams("normal", 150, 12):
        z = (y[12:] - y[:12].mean()) / y[:12].std(ddof=1)
        found.append(cusum(z) >= limit)
    assert np.mean(found) > 3 * bound(150)


@pytest.mark.parametrize(("shift", "weeks"), [(2.0, 8), (1.0, 20)])
def test_a_shift_is_found_and_dated(shift: float, weeks: int) -> None:
    found = [
        (sequential.watch(y, n, baseline=104, variance=v), y) for y, n, v in streams("normal", 40, 104, shift=shift)
    ]
    delays = [verdict.at - 104 + 1 if verdict.alarm else 99 for verdict, _ in found]
    assert np.median(delays) <= weeks
    assert np.median([abs(verdict.since - 104) for verdict, _ in found if verdict.alarm]) <= 3
    assert all(verdict.after > verdict.before for verdict, _ in found if verdict.alarm and shift > 1)


def shewhart(values: np.ndarray, baseline: int, limit: float) -> int:
    rest = values[baseline:] - values[:baseline].mean()
    out = np.flatnonzero(np.abs(rest) / values[:baseline].std(ddof=1) >= limit)
    return int(out[0]) + 1 if len(out) else HORIZON + 1


def test_small_shifts_are_found_earlier_than_by_single_looks_at_the_same_rate() -> None:
    calm = [y for y, _, _ in streams("normal", 400, 104, seed=2)]
    peaks = [np.max(np.abs(y[104:] - y[:104].mean()) / y[:104].std(ddof=1)) for y in calm]
    limit = float(np.quantile(peaks, 1 - RATE))  # a chart of single looks with the same rate, baseline estimated
    moved = list(streams("normal", 60, 104, shift=1.0, seed=3))
    theirs = [shewhart(y, 104, limit) for y, _, _ in moved]
    verdicts = [sequential.watch(y, n, baseline=104, variance=v) for y, n, v in moved]
    ours = [verdict.at - 104 + 1 if verdict.alarm else HORIZON + 1 for verdict in verdicts]
    assert np.median(ours) <= 0.5 * np.median(theirs)


def test_the_bound_needs_no_simulation_and_holds() -> None:
    """P(max of the e-detector >= H / rate) is at most the rate: counted far below, on normal and lumpy looks."""
    for kind in ("normal", "ordinal"):
        verdicts = [sequential.watch(y, n, baseline=26, variance=v) for y, n, v in streams(kind, 200, 26, seed=4)]
        assert np.mean([verdict.evidence >= HORIZON / RATE for verdict in verdicts]) <= bound(200)
    strong = [sequential.watch(y, n, baseline=104, variance=v) for y, n, v in streams("normal", 20, 104, shift=2.0)]
    assert np.mean([verdict.evidence >= HORIZON / RATE for verdict in strong]) > 0.9


def test_of_many_streams_the_sure_ones_are_kept() -> None:
    """e-BH: of 300 calm streams hardly one is kept, of moved ones most."""
    calm = [sequential.watch(y, n, baseline=26, variance=v).evidence for y, n, v in streams("normal", 300, 26, seed=5)]
    moved = [
        sequential.watch(y, n, baseline=26, variance=v).evidence for y, n, v in streams("normal", 30, 26, shift=3.0)
    ]
    kept = sequential.sure([*calm[:270], *moved], HORIZON / RATE)
    assert sum(kept[:270]) <= 1
    assert sum(kept[270:]) >= 25
    assert not any(sequential.sure(calm, HORIZON / RATE))
    strong = max(moved)
    assert sequential.sure([strong], strong)
    assert not any(sequential.sure([strong], strong, among=2))  # one of two streams needs twice the evidence


def test_a_limit_is_an_alarm_only_where_the_level_is_beyond_it() -> None:
    at_limit, below = [], []
    for y, n, v in streams("normal", 150, 26, seed=6):
        sd = float(np.sqrt(v / n.mean()))
        at_limit.append(sequential.watch(y, n, baseline=26, variance=v, limit=0.0, side="below").alarm)
        below.append(sequential.watch(y - 1.5 * sd, n, baseline=26, variance=v, limit=0.0, side="below").alarm)
    assert np.mean(at_limit) <= bound(150)
    assert np.mean(below) >= 0.95
