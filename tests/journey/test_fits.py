"""From a client's files to findings on the journey: planted truth, labels shuffled, and data that cannot answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from journey_files import unit
from tidy import HOSTILE, tell

from cxlab.journey import churn, estimates, findings_paths
from cxlab.journey import findings as say
from cxlab.journey import fits as journeys
from cxlab.journey.fits import Journeys
from cxlab.params.models import ModelSettings, Params
from cxlab.report.charts import to_svg
from cxlab.report.finding import Finding
from cxlab.report.format import Labels
from cxlab.runs import UnitData
from cxlab.runs.disclosure import suppress
from cxlab.vocab import ESTIMATE_COLUMNS

LABELS = Labels(groups={"touchpoint": {"delivery": {"en": "Delivery", "zh": "配送"}, "web": "Web"},
                        "outcome": {"late": {"en": "late", "zh": "延误"}}})  # fmt: skip


def lives(*, effect: float, seed: int = 1, customers: int = 500) -> dict[str, list[str]]:
    """Customers who visit, buy and get parcels; a late one makes a share `effect` of them leave, and all less happy.

    A third are hard to please: their parcels are late more often, and they leave more often anyhow.
    """
    random = np.random.default_rng(seed)
    rows: dict[str, list[str]] = {"answers": [], "met": [], "bought": [], "customers": []}
    first = np.datetime64("2024-01-02")
    for k in range(customers):
        who, hard = f"c{k}", random.random() < 0.35
        rows["customers"].append(f"{who},{first - random.integers(10, 1500)},{'hard' if hard else 'easy'}")
        day = first + random.integers(0, 30)
        for turn in range(40):
            if day > np.datetime64("2025-12-31"):
                break
            if random.random() < 0.5:
                rows["met"].append(f"v{k}-{turn},{who},{day},web,,")
                if random.random() < 0.3:
                    day = day + random.integers(15, 45)
                    continue
            rows["bought"].append(f"{who},{day}")
            late = random.random() < (0.35 if hard else 0.08)
            arrived = day + random.integers(2, 5)
            rows["met"].append(f"d{k}-{turn},{who},{arrived},delivery,o{k}-{turn},{str(late).lower()}")
            if random.random() < 0.15:
                mood = random.normal(-0.4 if hard else 0.4, 0.7)
                page = int(np.clip(np.round(3.4 + mood + random.normal(0, 0.8)), 1, 5))
                speed = int(np.clip(np.round(4.0 + 0.5 * mood - 1.6 * late + random.normal(0, 0.6)), 1, 5))
                whole = int(
                    np.clip(np.round(3.4 + mood + 0.4 * (page - 3.4) - 1.2 * late + random.normal(0, 0.6)), 1, 5)
                )
                rows["answers"].append(f"r{k}-{turn},{who},{arrived + 1},o{k}-{turn},{whole},{speed},{page}")
            if random.random() < (0.2 if hard else 0.04) + effect * late:
                break
            day = day + random.integers(15, 45)
    return rows


def told(data: UnitData, params: Params) -> tuple[Journeys, pd.DataFrame]:
    found = journeys.load(data, params=params)
    fits = journeys.fit(found, settings=ModelSettings(chains=4), seed=lambda name: len(name) * 7919)
    gates = estimates.gates(fits)
    assert all(g.passed for g in gates)
    table = estimates.table(found, fits, gates, period="2025", practical=0.03)
    return found, suppress(table, params.limits.min_n)


def findings(table: pd.DataFrame, found: Journeys, labels: Labels) -> dict[str, Finding]:
    about = {"labels": labels, "period": "2025", "missing": found.missing}
    said = [
        tell(say.moments, table, weeks=found.weeks, **about),
        tell(say.one_bad, table, weeks=found.weeks, kind=found.kind, **about),
        tell(say.peak_end, table, **about),
        tell(findings_paths.flow, table, states=found.states, gap=found.gap, **about),
        tell(findings_paths.drop_off, table, early=found.early, **about),
        tell(findings_paths.decision, table, **about),
        tell(say.age, table, **about),
    ]
    return {one.id: one for one in said}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Params, Journeys, pd.DataFrame]:
    data, params = unit(tmp_path_factory.mktemp("world"), **lives(effect=0.3))
    return params, *told(data, params)


def one(table: pd.DataFrame, **wanted: str) -> pd.Series:
    rows = table
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_late_parcel_is_found_in_satisfaction_and_in_leaving(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, found, table = world
    assert found.sides == {("delivery", "late"): "late"}
    assert found.horizon is not None
    assert found.horizon.kind == "purchase"
    assert one(table, estimand="mot_satisfaction", basis="late")["verdict"] == "worse"
    gone = one(table, estimand="mot_leaving", basis="late")
    assert gone["verdict"] == "worse"
    assert 0.15 < gone["mean"] < 0.4
    assert one(table, estimand="mot_satisfaction", touchpoint="web")["verdict"] == "worse"


def test_the_folk_figure_says_more_than_the_adjusted_one(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, _, table = world
    raw, adjusted = (one(table, estimand=e, basis="late" if e.startswith("raw") else "outcome")
                     for e in ("raw_leaving", "one_bad"))  # fmt: skip
    assert adjusted["ci_low"] < 0.3 < adjusted["ci_high"] + 0.05
    assert raw["mean"] > adjusted["mean"]


def test_the_table_is_tidy(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, found, table = world
    assert set(table.columns) == {*ESTIMATE_COLUMNS, *estimates.COORDS} - {"run_id", "brand"}
    wanted = {"mot_satisfaction", "mot_leaving", "transition", "one_bad", "purchase", "decided", "tenure", "flow"}
    assert wanted <= set(table["estimand"])
    steps = table[table["estimand"] == "transition"]
    sums = steps.groupby("touchpoint")["mean"].sum()
    np.testing.assert_allclose(sums, 1.0, atol=1e-6)
    shares = table[table["unit"] == "share"]
    assert shares["mean"].abs().max() <= 1
    assert found.missing == {"peak_end": "no_three"}
    assert table[table["n"] < 30]["mean"].isna().all()


def test_every_finding_is_told_in_both_languages(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, found, table = world
    said = findings(table, found, LABELS)
    assert "“Delivery" in said["moments"].sentence("en")
    assert "配送" in said["moments"].sentence("zh")
    assert said["one_bad"].verdict == "worse"
    assert "everything else alike" in said["one_bad"].sentence("en")
    assert said["flow"].sentence("en").startswith("Of ")
    assert said["drop_off"].sentence("en").startswith("Before a purchase, journeys break off most often at “Web”")
    assert said["peak_end"].sentence("en") == (
        "Whether peaks and ends count cannot be told: no answers rate three touchpoints or more."
    )
    for name, finding in said.items():
        for language in ("en", "zh"):
            page = finding.pages[language]
            assert (page.figure is None) == (name == "peak_end")
            assert "{" not in page.sentence + page.note + page.caption


def test_labels_of_any_kind_are_drawn(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, found, table = world
    for text in HOSTILE[::4]:
        labels = Labels(groups={"touchpoint": {"delivery": text, "web": text}, "channel": {"web": text}})
        for name in ("moments", "flow", "decision"):
            page = findings(table, found, labels)[name].pages["en"]
            assert page.figure is not None
            assert "<script" not in to_svg(page.figure)


def test_leaving_that_has_nothing_to_do_with_parcels_is_not_found(tmp_path: Path) -> None:
    data, params = unit(tmp_path, **lives(effect=0.0, seed=4))
    _, table = told(data, params)
    assert one(table, estimand="one_bad", basis="outcome")["verdict"] in ("cannot_tell", "no_real_change")
    assert one(table, estimand="mot_leaving", basis="late")["verdict"] in ("cannot_tell", "no_real_change")


def test_an_experience_that_nobody_judged_is_no_good_one(tmp_path: Path) -> None:
    """Service has an outcome, too, but nothing shows that one side of it is bad."""
    random = np.random.default_rng(8)
    rows = lives(effect=0.3, seed=2)
    for row in list(rows["met"]):
        id, who, day, place, _, _ = row.split(",")
        if place == "delivery" and random.random() < 0.5:
            late = str(random.random() < 0.3).lower()
            rows["met"].append(f"s{id},{who},{np.datetime64(day) - 1},service,,{late}")
    data, params = unit(tmp_path, **rows)
    found = journeys.load(data, params=params)
    assert ("service", "late") in found.sides
    assert found.horizon is not None
    all_rows = churn.followed(data, found.horizon, basis="outcome", names=["late"])
    parcels = int((all_rows["touchpoint"] == "delivery").sum())
    assert [len(one.y) for one in found.one_bad if one.places[0][1] == "outcome"] == [parcels]
    assert parcels < len(all_rows)


def test_without_stages_there_is_no_end_of_a_journey(tmp_path: Path) -> None:
    answers = [f"r{i},c{i},2025-03-10,,{1 + i % 5},{1 + i % 4},{1 + i % 3}" for i in range(90)]
    data, params = unit(tmp_path, answers=answers, journey={"stages": []})
    found = journeys.load(data, params=params)
    assert found.missing["peak_end"] == "no_order"
    assert "journey.stages" in tell(say.peak_end, pd.DataFrame({"estimand": []}), missing=found.missing).sentence("en")


EMPTY: dict[str, Callable[[Path], tuple[UnitData, Params]]] = {
    "one answer": lambda p: unit(p, answers=["r1,ann,2025-03-10,,4,2,1"]),
    "one interaction": lambda p: unit(p, met=["i1,ann,2025-03-10,delivery,,true"]),
    "one purchase": lambda p: unit(p, bought=["ann,2025-03-10"]),
    "all blank": lambda p: unit(p, answers=[f"r{i},c{i},2025-03-10,,9,9,9" for i in range(50)]),
    "one code": lambda p: unit(p, answers=[f"r{i},c{i},2025-03-{1 + i % 28},,4,4,4" for i in range(90)]),
    "nobody known": lambda p: unit(p, answers=[f"r{i},,2025-03-10,,{1 + i % 5},{1 + i % 4},4" for i in range(90)],
                                   met=[f"i{i},,2025-03-01,delivery,,true" for i in range(50)]),
    "one touchpoint": lambda p: unit(p, met=[f"i{i},c{i % 40},2025-{1 + i % 12:02d}-05,delivery,,"
                                            for i in range(400)]),
}  # fmt: skip


@pytest.mark.parametrize("case", EMPTY)
def test_data_that_cannot_answer_are_said_in_a_sentence(tmp_path: Path, case: str) -> None:
    data, params = EMPTY[case](tmp_path)
    found, table = told(data, params)
    said = findings(table, found, LABELS)
    assert len(said) == 7
    missing = [one for one in said.values() if one.statements[0].key.startswith(("journey_missing", "journey_blocked"))]
    assert len(missing) >= 4
    assert all(one.pages["en"].figure is None for one in missing)
    if case.startswith("one ") and case not in ("one code", "one touchpoint"):
        assert not found.answerable


def test_a_failed_check_withholds_the_claim(world: tuple[Params, Journeys, pd.DataFrame]) -> None:
    _, found, table = world
    held = table.copy()
    held.loc[held["estimand"] != "flow", ["mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref"]] = np.nan
    held["verdict"] = "withheld"
    for finding in findings(held, found, LABELS).values():
        if not finding.statements[0].key.startswith("journey_missing"):
            assert finding.verdict == "withheld"
            assert finding.pages["en"].figure is None
