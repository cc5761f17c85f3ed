"""What topics do, as tidy rows: planted effects, points at stake, nothing from shuffled scores, failed fits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from voice_world import page

from cxlab.inference.diagnostics import Gate
from cxlab.inference.estimates import compared
from cxlab.params.models import Limits, Scale
from cxlab.vocab import ESTIMATE_COLUMNS
from cxlab.voice import estimates, mentions, model, names
from cxlab.voice.mentions import Heard

PERIODS = ("2026Q1", "2026Q2", "2026Q3")
EFFECTS = {"delivery": -1.6, "staff": 1.2, "price": 0.0, "web": 0.0}
PARAMS: Any = SimpleNamespace(scales={"five": Scale(codes=[1, 2, 3, 4, 5])}, limits=Limits())
CUTS = np.array([-2.4, -1.5, -0.4, 1.0])


def world(seed: int = 0, *, n: int = 1500, shuffled: bool = False) -> Heard:
    """Comments on four topics; delivery is told twice as often in the last period, a gift goes with better scores."""
    random = np.random.default_rng(seed)
    period = random.integers(0, 3, n)
    chance = np.array([0.2, 0.25, 0.3, 0.15])
    said = random.random((n, 4)) < np.where((period == 2)[:, None], chance * [2, 1, 1, 1], chance)
    said[~said.any(axis=1), 2] = True
    gift = random.random(n) < 0.15
    eta = said @ np.array([*EFFECTS.values()]) + 0.9 * gift
    y = ((eta + random.logistic(size=n))[:, None] > CUTS).sum(axis=1)
    y = random.permutation(y) if shuffled else y
    ids = np.array([f"c{i}" for i in range(n)], object)
    comments = pd.DataFrame(
        {"comment_id": ids, "customer": ids, "period": np.array(PERIODS)[period], "source": "survey"}
    )
    comments["touchpoint"] = np.where(random.random(n) < 0.5, "store", "online")
    row, topic = np.nonzero(said)
    clauses = pd.DataFrame({"comment_id": ids[row], "topic_id": np.array([*EFFECTS], object)[topic]})
    clauses["sentiment"] = np.where(topic == 0, 0.2, 0.7)
    scores = pd.DataFrame(
        {"comment_id": ids, "item": "overall", "role": "overall", "scale": "five", "place": y, "codes": 5}
    )
    told = pd.DataFrame({"comment_id": ids[gift], "situation": "gift"})
    return mentions.of(comments, clauses, scores, params=PARAMS, periods=PERIODS, situations=told)


@cache
def example() -> tuple[Heard, estimates.Fits, pd.DataFrame]:
    found = world()
    fits = estimates.fit(found, seed=1)
    return found, fits, estimates.table(found, fits, params=PARAMS, period=PERIODS[-1])


def rows(table: pd.DataFrame, estimand: str, **where: str) -> pd.DataFrame:
    own = table[table["estimand"] == estimand]
    for column, value in ({"level": "total"} | where).items():
        own = own[own[column] == value]
    return own.set_index("topic")


def test_the_table_is_tidy_and_every_number_has_its_interval() -> None:
    _, fits, table = example()
    assert [*table.columns] == [c for c in ESTIMATE_COLUMNS if c not in ("run_id", "brand")] + ["topic", "situation"]
    assert fits.gate.passed
    assert table["n"].notna().all()
    assert table["n_eff"].notna().all()
    ranged = ~table["estimand"].isin(["p_rank_worst", "p_emerging"])
    assert (table["ci_low"] <= table["mean"])[ranged].all()
    assert (table["mean"] <= table["ci_high"])[ranged].all()
    assert not table.duplicated(["estimand", "level", "group", "period", "topic", "situation"]).any()
    assert set(table["verdict"]) <= {"", "better", "worse", "no_real_change", "cannot_tell"}


def test_planted_effects_are_real_and_the_others_are_not() -> None:
    _, _, table = example()
    effect = rows(table, "score_effect")
    assert effect.loc["delivery", "verdict"] == "worse"
    assert effect.loc["staff", "verdict"] == "better"
    assert set(effect.loc[["price", "web"], "verdict"]) <= {"cannot_tell", "no_real_change"}
    assert estimates.expected_false(table) < 0.05
    gift = table[table["estimand"] == "situation_effect"].iloc[0]
    assert (gift["situation"], gift["verdict"]) == ("gift", "better")


def test_points_at_stake_are_share_times_effect() -> None:
    found, fits, table = example()
    stake, effect = rows(table, "points_at_stake"), rows(table, "score_effect")
    share = rows(table, "share", period=PERIODS[-1])
    for topic in EFFECTS:
        assert stake.loc[topic, "mean"] == pytest.approx(
            share.loc[topic, "mean"] * effect.loc[topic, "mean"], abs=0.005
        )
    drawn = estimates.draws_of(found, fits, period=PERIODS[-1])
    np.testing.assert_allclose(drawn["stake"], drawn["share"] * drawn["effect"], rtol=1e-5)
    assert float(drawn["stake"].sel(topic="delivery").mean()) == pytest.approx(stake.loc["delivery", "mean"], rel=1e-4)
    worst = rows(table, "p_rank_worst")
    assert worst["mean"].idxmax() == "delivery"
    assert worst["mean"].sum() == pytest.approx(1.0, abs=0.01)


def test_what_is_told_more_often_is_seen_and_the_rest_is_not() -> None:
    _, _, table = example()
    change = rows(table, "share_change", period=PERIODS[-1])
    assert change.loc["delivery", "prob_gt_ref"] > 0.99
    assert change.loc["delivery", "verdict"] == ""  # more talk is neither better nor worse
    before = rows(table, "share_change", period=PERIODS[1])
    assert before.loc["delivery", "prob_gt_ref"] < 0.975
    tone = rows(table, "sentiment", period=PERIODS[-1])
    assert tone.loc["delivery", "ci_high"] < 0.35 < 0.6 < tone.loc["staff", "ci_low"]


def test_touchpoints_have_rows_of_their_own() -> None:
    _, _, table = example()
    for estimand in ("share", "score_effect", "effect_difference", "points_at_stake", "sentiment"):
        assert set(rows(table, estimand, level="touchpoint")["group"]) == {"store", "online"}
    apart = rows(table, "effect_difference", level="touchpoint")
    assert set(apart["verdict"]) <= {"cannot_tell", "no_real_change"}


def tied(found: Heard, seed: int) -> set[str]:
    """Return the topics that the page calls tied to the score."""
    table = estimates.table(found, estimates.fit(found, seed=seed), params=PARAMS, period=PERIODS[-1])
    return set(names.tied(page(table)))


def test_of_shuffled_scores_no_topic_is_told() -> None:
    assert sum(bool(tied(world(seed, n=600, shuffled=True), seed)) for seed in range(20)) <= 1
    assert tied(world(0, n=600), 0) == {"delivery", "staff"}


def test_topics_without_effect_are_not_told_beside_strong_ones() -> None:
    """Strong effects widen what others are believed to have: each judged alone, one is told in every third run."""
    effect = np.array([-1.5, -1.0, 1.0, 1.5] + [0.0] * 16)
    alone, together, strong = [], [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        said = random.random((800, 20)) < random.uniform(0.06, 0.3, 20)
        y = ((said @ effect + random.logistic(size=800))[:, None] > CUTS).sum(axis=1)
        data = model.model_data(pd.DataFrame(said, columns=[f"t{i}" for i in range(20)]), y, values=range(1, 6))
        drawn = model.estimands(model.fit(data, draws=500, chains=4, seed=seed)[0]["posterior"].dataset, data)
        numbers = compared(drawn["score_effect"].to_numpy().reshape(2000, -1), practical=0.05)
        every = numbers.assign(topic=drawn["topic"].to_numpy(), period=PERIODS[-1], n=drawn["n"].to_numpy())
        every = every.assign(estimand="score_effect", level="total", situation="", metric="mean", weighting="none")
        told = names.tied(page(every))
        null = every["topic"].isin([f"t{i}" for i in range(4, 20)])
        together.append(bool(set(every["topic"][null]) & set(told)))
        strong.append(len(set(every["topic"][~null]) & set(told)) / 4)
        alone.append(every["verdict"][null].isin(["better", "worse"]).any())
    assert np.mean(together) <= 0.15 < 0.25 < np.mean(alone)
    assert np.mean(strong) > 0.85


def test_too_few_scores_leave_shares_and_failed_fits_no_numbers() -> None:
    found = replace(world(n=300), scored=None)
    fits = estimates.fit(found, seed=1)
    table = estimates.table(found, fits, params=PARAMS, period=PERIODS[-1])
    assert {"share", "share_change", "sentiment"} <= set(table["estimand"])
    assert "score_effect" not in set(table["estimand"])
    assert np.isnan(estimates.draws_of(found, fits, period=PERIODS[-1])["effect"]).all()
    failed = replace(fits, gate=Gate(False, 1.2, 50.0, 50.0, 3, ({"en": "no", "zh": "否"},)))
    table = estimates.table(found, failed, params=PARAMS, period=PERIODS[-1])
    assert table.loc[table["estimand"] == "share", "mean"].notna().all()  # of fits of their own
    drawn = estimates.draws_of(found, failed, period=PERIODS[-1])
    assert dict(drawn["place_effect"].sizes) == {"chain": 4, "draw": 500, "topic": 0, "touchpoint": 0}
    assert dict(drawn["stake"].sizes) == {"chain": 4, "draw": 500, "topic": 0}


def test_a_failed_fit_is_withheld_alone() -> None:
    found, fits, _ = example()
    failed = replace(fits, gate=Gate(False, 1.2, 50.0, 50.0, 3, ({"en": "no", "zh": "否"},)))
    table = estimates.table(found, failed, params=PARAMS, period=PERIODS[-1])
    assert (table.loc[table["estimand"].isin(["score_effect", "points_at_stake"]), "verdict"] == "withheld").all()
    assert table.loc[table["estimand"] == "score_effect", "mean"].isna().all()
    one = replace(fits, withheld=frozenset({"web"}))
    table = estimates.table(found, one, params=PARAMS, period=PERIODS[-1])
    share, stake, effect = (rows(table, e, period=PERIODS[-1]) for e in ("share", "points_at_stake", "score_effect"))
    for own in (share, stake):
        assert np.isnan(own.loc["web", "mean"])
        assert np.isfinite(own.loc["delivery", "mean"])
    assert np.isfinite(effect.loc["web", "mean"])


def test_nothing_said_is_an_empty_table() -> None:
    comments = pd.DataFrame(columns=["comment_id", "customer", "period", "source", "touchpoint"])
    clauses = pd.DataFrame({"comment_id": ["x"], "topic_id": ["t"], "sentiment": [0.5]})
    scores = pd.DataFrame(columns=["comment_id", "item", "role", "scale", "place", "codes"])
    found = mentions.of(comments, clauses, scores, params=PARAMS, periods=PERIODS)
    fits = estimates.fit(found, seed=1)
    table = estimates.table(found, fits, params=PARAMS, period=PERIODS[-1])
    assert table.empty
    assert [*table.columns][-2:] == ["topic", "situation"]


def test_new_topics_are_rows_too() -> None:
    found, fits, _ = example()
    new = pd.DataFrame({"topic": ["courier"], "mean": [0.97], "n": [40]})
    table = estimates.table(found, fits, params=PARAMS, period=PERIODS[-1], emerging=new)
    assert rows(table, "p_emerging").loc["courier", "mean"] == 0.97
