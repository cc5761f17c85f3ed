"""Which grouping foretells spending: the score by hand, a grouping that knows wins, one drawn by lot does not."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from value import simulate
from value.segments.base import AMOUNTS, BEGIN, CUTS, PARAMETERS, Tables, purchases_of

from cxlab.errors import ModelError
from cxlab.value import model
from cxlab.value.rfm import history as rfm
from cxlab.value.segments.compare import WAYS, compare, score_groups

END = BEGIN + timedelta(weeks=78)


def by_hand(groups: np.ndarray, spent: np.ndarray, now: np.ndarray, came: np.ndarray, borrow: float) -> np.ndarray:
    """E|X - y| - E|X - X'| / 2 of the mixture of the group's and everybody's past."""
    out = []
    for g, y in zip(now, came, strict=True):
        n = (groups == g).sum()
        weight = np.where(groups == g, 1.0, 0.0) + borrow / len(spent)
        weight /= n + borrow
        apart = np.abs(spent[:, None] - spent[None, :])
        out.append(weight @ np.abs(spent - y) - 0.5 * weight @ apart @ weight)
    return np.array(out)


def test_the_score_is_the_one_of_the_book() -> None:
    random = np.random.default_rng(1)
    groups, now = random.integers(0, 3, 60), random.integers(0, 4, 40)  # a group that was not there before
    spent, came = random.integers(0, 12, 60).astype(float), random.integers(0, 12, 40).astype(float)
    np.testing.assert_allclose(
        score_groups(groups, spent, now, came), by_hand(groups, spent, now, came, 20.0), atol=1e-9
    )


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    world = simulate.draw(
        1500, family="bgnbd", parameters=PARAMETERS["bgnbd"], spend=AMOUNTS, weeks=78, arrivals=20, horizon=0.1, seed=3
    )
    return purchases_of(world, until=78)


def scores(rows: pd.DataFrame, experience: object = None) -> pd.DataFrame:
    history = rfm.read(Tables(rows), end=END)
    data = model.model_data(history.customers(), family="bgnbd")
    table = compare(history, data, CUTS, experience=experience)  # type: ignore[arg-type]
    return table.set_index("way")


def test_value_and_aliveness_foretell_more_than_nothing(rows: pd.DataFrame) -> None:
    table = scores(rows)
    assert list(table.index) == list(WAYS[:3])
    assert table.loc["value_aliveness", "skill_low"] > 0.05
    assert table.loc["none", "skill"] == 0
    assert table.loc["value_aliveness", "score"] <= table.loc["rfm", "score"] * 1.02
    assert table.loc["value_aliveness", "groups"] <= 9


def test_experience_that_matters_adds_and_one_drawn_by_lot_does_not(rows: pd.DataFrame) -> None:
    """The unhappy buy nothing in either stretch; the same words dealt out by lot foretell nothing more."""
    who = rows["customer"].unique()
    word = np.random.default_rng(2).choice(["bad", "good"], len(who))
    unhappy = set(who[word == "bad"])
    until = pd.Timestamp(END - timedelta(weeks=52))
    some = rows[~(rows["customer"].isin(unhappy) & (pd.to_datetime(rows["date"]) > until))]
    told = pd.DataFrame({"customer": who, "experience": word})
    table = scores(some, lambda day: told)
    assert table.loc["with_experience", "score"] < table.loc["value_aliveness", "score"]
    assert table.loc["with_experience", "ahead"] > 0.99
    lot = pd.DataFrame({"customer": who, "experience": np.random.default_rng(3).permutation(word)})
    table = scores(rows, lambda day: lot)
    assert table.loc["with_experience", "score"] > table.loc["value_aliveness", "score"] * 0.995
    assert "with_experience" not in scores(rows, lambda day: None).index


def test_groups_dealt_out_by_lot_have_no_skill(rows: pd.DataFrame) -> None:
    """The control: what customers spend later is dealt out by lot; no grouping foretells it."""
    random = np.random.default_rng(4)
    late = (pd.to_datetime(rows["date"]) > pd.Timestamp(END - timedelta(weeks=26))).to_numpy()
    dealt = rows.copy()
    dealt.loc[late, "customer"] = random.choice(rows["customer"].unique(), late.sum())
    assert scores(dealt).loc["value_aliveness", "skill"] < 0.02


def test_days_later_than_asked_for_are_not_read(rows: pd.DataFrame) -> None:
    asked: list[date] = []

    def told(day: date) -> None:
        asked.append(day)

    scores(rows, told)
    assert asked == [END - timedelta(weeks=52), END - timedelta(weeks=26)]


def test_too_little_is_said(rows: pd.DataFrame) -> None:
    some = rows[rows["customer"] < "c00080"]
    with pytest.raises(ModelError, match="too few customers to compare"):
        scores(some)
    early = rows[pd.to_datetime(rows["date"]) < pd.Timestamp(BEGIN + timedelta(weeks=9))]
    history = rfm.read(Tables(early), end=BEGIN + timedelta(weeks=9))
    data = model.model_data(history.customers(), family="bgnbd")
    with pytest.raises(ModelError, match="too short to compare"):
        compare(history, data, CUTS)
