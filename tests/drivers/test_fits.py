from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from driver_world import CURVES, data, posterior

from cxlab.drivers import data as people
from cxlab.drivers import fits, model
from cxlab.drivers.data import DriverData
from cxlab.errors import ModelError, Problem
from cxlab.params.models import Drivers, ModelSettings


def tree(*, method: str = "importance", khat: float = 0.1, apart: float = 0.0, draws: int = 200) -> xr.DataTree:
    """Draws whose chains lie `apart` from each other."""
    kept = posterior(data(200), draws=draws)
    shift = xr.DataArray(np.arange(4) * apart, dims="chain")
    kept = kept.assign(level_effect=kept["level_effect"] + shift, r2=kept["noise_var"] * 0 + 0.3)
    made = xr.DataTree.from_dict(
        {"posterior": kept, "sample_stats": xr.Dataset({"diverging": (("chain", "draw"), np.zeros((4, draws), bool))})}
    )
    made.attrs.update(method=method, khat=khat, shape="monotone")
    return made


def test_good_draws_pass_and_bad_ones_do_not() -> None:
    assert fits.judge(tree()).passed
    apart = fits.judge(tree(apart=1.0))
    assert not apart.passed
    assert "chains disagree" in apart.reasons[0]["en"]


def test_weights_judge_weighted_draws_only() -> None:
    assert not fits.judge(tree(khat=0.9)).passed
    assert fits.judge(tree(method="walkers", khat=0.9)).passed  # the weights were given up for the exact density


def test_one_stray_trajectory_is_forgiven_and_many_are_not() -> None:
    for stray, passed in ((0, True), (1, False), (8, False)):  # of 800: one in a thousand is less than one
        made = tree()
        made["sample_stats"]["diverging"][0, :stray] = True
        assert fits.judge(made).passed is passed
    longer = tree(draws=600)
    longer["sample_stats"]["diverging"][0, :2] = True
    assert fits.judge(longer).passed
    assert fits.judge(longer).divergences == 2  # forgiven, but told
    assert int(longer["sample_stats"]["diverging"].sum()) == 2  # what is judged is a copy


def test_what_does_not_pass_is_drawn_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, str]] = []

    def fit(one: object, *, monotone: str, effort: int, **_: object) -> xr.DataTree:
        asked.append((effort, monotone))
        return tree(apart=1.0 if effort == 1 else 0.0)

    monkeypatch.setattr(model, "fit", fit)
    found = fits.fit([data(200), data(200)], settings=ModelSettings(), seed=lambda _: 1, draws=100)
    assert [one.gate.passed for one in found] == [True, True]
    assert asked == [(1, "auto"), (3, "yes"), (1, "yes"), (3, "yes")]  # the shape is chosen once
    assert fits.reasons(found) == []
    assert [v["name"] for v in fits.verdicts(found)["fits"]] == ["overall", "overall"]


def test_behaviour_leaves_out_what_most_were_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = data(200).codes.copy()
    codes[:150, 3] = -1

    def load(*_: object, outcome: str, named: list[str], **__: object) -> DriverData:
        kept = [list(CURVES).index(a) for a in named]
        own = data(200, name=outcome)
        levels = tuple(own.levels[a] for a in kept)
        return replace(own, attributes=tuple(named), levels=levels, codes=codes[:, kept])

    monkeypatch.setattr(people, "respondents", load)
    monkeypatch.setattr(people, "attributes", lambda *_, **__: list(CURVES))
    params: Any = SimpleNamespace(drivers=Drivers())
    unit: Any = None
    found, _ = fits.load(["overall", "repurchased"], unit, params=params, period="2026Q3")
    assert [len(one.attributes) for one in found] == [4, 3]
    assert "web" not in found[1].attributes


def test_groups_that_cannot_be_drawn_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "fit", lambda one, **_: tree(apart=1.0 if one.groups else 0.0))
    own = data(200)
    split = replace(own, groups=("a", "b"), group=np.arange(len(own.codes)) % 2)
    (found,) = fits.fit([split], settings=ModelSettings(), seed=lambda _: 1)
    assert found.gate.passed
    assert found.data.groups == ()


@pytest.mark.parametrize(
    ("able", "asked", "wanted"),
    [
        (["nps", "overall", "easy", "satisfied", "repurchased", "spend"], "auto", ["nps", "overall", "repurchased"]),
        (["overall", "satisfied"], "auto", ["overall"]),
        (["overall", "nps", "left", "spend"], "nps", ["nps", "overall", "left"]),
        (["overall", "repurchased"], "repurchased", ["repurchased", "overall"]),
        ([], "auto", []),
    ],
)
def test_outcomes_of_a_page(monkeypatch: pytest.MonkeyPatch, able: list[str], asked: str, wanted: list[str]) -> None:
    monkeypatch.setattr(people, "outcomes", lambda *_, **__: able)
    params: Any = SimpleNamespace(drivers=SimpleNamespace(outcome="auto"))
    unit: Any = None
    assert fits.outcomes(unit, params=params, period="2026Q3", outcome=asked) == wanted


def test_an_outcome_with_too_few_answers_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, outcome: str, named: list[str], **__: object) -> DriverData:
        assert named == ["delivery"]  # an item that asks how important delivery is drives nothing
        if outcome == "left":
            raise ModelError(Problem("too few respondents with an outcome", value="3", allowed="at least 30"))
        return data(200, name=outcome)

    monkeypatch.setattr(people, "respondents", load)
    monkeypatch.setattr(people, "attributes", lambda *_, **__: ["delivery", "how_important"])
    params: Any = SimpleNamespace(drivers=Drivers(stated={"delivery": "how_important"}))
    unit: Any = None
    found, reasons = fits.load(["overall", "left"], unit, params=params, period="2026Q3")
    assert [one.name for one in found] == ["overall"]
    assert reasons == ["left: too few respondents with an outcome (found 3; allowed: at least 30)"]
