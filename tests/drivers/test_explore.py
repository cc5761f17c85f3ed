from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr
from driver_world import FAILED, GOOD, LABELS, measured

from cxlab.drivers import estimates
from cxlab.drivers.explore import WhatIf, what_if


@pytest.fixture(scope="module")
def draws() -> xr.Dataset:
    both = [measured(), measured(name="repurchased")]
    return estimates.draws_of(both, [GOOD, GOOD])


@pytest.fixture
def widget(draws: xr.Dataset) -> WhatIf:
    return what_if(draws, labels=LABELS)


def test_it_asks_before_it_answers(widget: WhatIf) -> None:
    assert "Choose one or several attributes" in widget.view.value
    assert [value for _, value in widget.outcome.options] == ["overall", "repurchased"]
    assert ("Store staff", "staff") in widget.pick.options


def test_a_choice_is_answered_in_words(widget: WhatIf) -> None:
    widget.pick.value = ("delivery",)
    assert "The share of satisfied customers goes from" in widget.view.value
    assert "only an experiment shows" in widget.view.value
    one = widget.answer["csat"].mean()
    widget.pick.value = ("delivery", "quality")
    assert widget.answer["csat"].mean() > one > 0
    assert widget.answer["unhappy"].mean() < 0


def test_a_target_moves_with_its_slider(widget: WhatIf) -> None:
    widget.pick.value = ("quality",)
    assert widget.size.disabled
    widget.reach.value = "target"
    assert not widget.size.disabled
    widget.size.value = 0.6
    little = widget.answer["csat"].mean()
    widget.size.value = 0.95
    assert widget.answer["csat"].mean() > little


def test_another_outcome_keeps_the_choice(widget: WhatIf) -> None:
    widget.pick.value = ("delivery",)
    widget.outcome.value = "repurchased"
    assert widget.pick.value == ("delivery",)
    assert np.isfinite(widget.answer["csat"]).all()


def test_in_chinese(draws: xr.Dataset) -> None:
    widget = what_if(draws, labels=LABELS, language="zh")
    widget.pick.value = ("staff",)
    assert "满意客户的占比从" in widget.view.value


def test_no_fit_passed() -> None:
    widget = what_if(estimates.draws_of([measured()], [FAILED]), labels=LABELS)
    assert "nothing to show" in widget.view.value


def test_it_answers_at_once(widget: WhatIf) -> None:
    widget.pick.value = ("delivery", "quality", "staff")
    start = time.process_time()
    for _ in range(3):
        widget.pick.value = ("delivery",)
        widget.pick.value = ("delivery", "quality", "staff", "web")
    assert (time.process_time() - start) / 6 < 0.5  # .02 measured; .1 is the aim: a guard, no measurement
