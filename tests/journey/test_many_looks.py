"""What a page calls clear, or the largest, of many experiences is seldom false; and what is planted is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import tell

from cxlab.inference.diagnostics import Gate
from cxlab.journey import estimates, findings, moments_of_truth
from cxlab.journey.fits import Fitted, Journeys

PLACES = [f"place{i}" for i in range(9)]
MISSING = {"satisfaction": "no_experience", "leaving": "no_followed"}


def said(seed: int, effects: np.ndarray, *, n: int = 1500) -> tuple[set[str], list[str]]:
    """Keys of the sentences on leaving, and the names in the first of them, in a world with these effects (logits)."""
    random = np.random.default_rng(seed)
    bad = random.random((n, len(PLACES))) < 0.15
    known = random.random((n, len(PLACES))) < 0.5
    left = random.random(n) < 1 / (1 + np.exp(1.0 - (bad & known) @ effects))
    words = np.where(~known, "unknown", np.where(bad, "bad", "good"))
    levels = pd.DataFrame(words, columns=pd.MultiIndex.from_tuples([(p, "rating") for p in PLACES]))
    data = moments_of_truth.model_data(
        levels, left.astype(int), outcome="leaving", codes=2, success=0, customer=np.arange(n)
    )
    tree, _, weight = moments_of_truth.fit(data, draws=250, chains=4, seed=seed)
    reported = moments_of_truth.estimands(tree["posterior"].dataset, data, weight=weight, seed=seed)
    fit = Fitted("leaving", reported, tree, weight=weight)
    table = estimates.table(Journeys(), [fit], [Gate(True, 1.0, 1e3, 1e3, 0)], period="2026Q3", practical=0.03)
    finding = tell(findings.moments, table, missing=MISSING, weeks=13)
    text = finding.sentence("en")
    keys = {s.key.removeprefix("journey_moments.") for s in finding.statements}
    return keys, [place for place in PLACES if place in text.split(".")[0]]


def rates(seeds: range, effects: np.ndarray, true: set[str]) -> dict[str, float]:
    """Shares of worlds: something false is called clear; a largest is named; the one named is false."""
    worlds = [said(seed, effects) for seed in seeds]
    led = [names for keys, names in worlds if "leaving_lead" in keys]
    return {
        "false": float(
            np.mean([bool(set(names) - true) for keys, names in worlds if "leaving_none" not in keys] or [0])
        ),
        "told": float(np.mean(["leaving_none" not in keys for keys, _ in worlds])),
        "led": len(led) / len(worlds),
        "wrong": float(np.mean([PLACES[int(effects.argmax())] not in names for names in led] or [0])),
    }


def test_without_effects_nothing_is_told_and_a_planted_one_is_the_largest() -> None:
    none = rates(range(12), np.zeros(9), set())
    assert none["told"] <= 0.15  # 5 % is stated; one of twelve by chance
    found = rates(range(20, 24), np.r_[1.6, np.zeros(8)], {PLACES[0]})
    assert found["led"] >= 0.8
    assert found["wrong"] == 0


def test_of_two_alike_none_is_called_the_largest_too_often() -> None:
    """With a winner of many looks and no rule (the one with the largest mean) it would be wrong half of the time."""
    alike = rates(range(40, 48), np.r_[0.9, 0.85, 0.8, np.zeros(6)], set(PLACES[:3]))
    assert alike["false"] <= 0.13  # one of eight; 5 % is stated, see the slow test
    assert alike["led"] * alike["wrong"] <= 0.2


@pytest.mark.slow
def test_many_looks_in_many_worlds() -> None:
    none = rates(range(300, 500), np.zeros(9), set())
    assert none["told"] <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 200)
    alike = rates(range(500, 600), np.r_[0.9, 0.85, 0.8, np.zeros(6)], set(PLACES[:3]))
    assert alike["led"] * alike["wrong"] <= 0.1
    assert alike["false"] <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 100)
