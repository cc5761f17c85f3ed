from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from driver_world import FAILED, GOOD, PARAMS, estimates, page
from tidy import HOSTILE

from cxlab.drivers import estimates as driver_estimates
from cxlab.drivers import findings as say
from cxlab.drivers.fits import Measured
from cxlab.report import Finding
from cxlab.report.format import Labels
from cxlab.report.tidy import Estimates

World = tuple[Measured, Estimates]
STATED = {"web": 4.5, "quality": 4.0}


@pytest.fixture(scope="module")
def world() -> World:
    return estimates()


def suppressed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="suppressed")


def with_means(table: Estimates, means: dict[tuple[str, str], float], column: str = "mean") -> Estimates:
    """A table with other values of (estimand, attribute)."""
    frame = table.frame.copy()
    for (estimand, attribute), value in means.items():
        frame.loc[(frame["estimand"] == estimand) & (frame["attribute"] == attribute), column] = value
    return page(frame)


def outlook_of(one: Measured, gate: object = GOOD) -> Estimates:
    return page(driver_estimates.outlook_table([one], [gate], params=PARAMS))


def all_findings(world: World) -> list[Finding]:
    """All findings of a page on a world."""
    one, table = world
    return [
        say.importance(table),
        say.pains(table),
        say.priorities(table),
        say.what_if(outlook_of(one), table, practical=one.practical),
        say.halo(table),
        say.heard(table),
    ]


def test_what_goes_with_satisfaction(world: World) -> None:
    _, table = world
    found = say.importance(table)
    assert found.statements[0].text("en").startswith("What goes most with “Overall satisfaction” is “Product quality”")
    assert "All 4 attributes together account for" in found.sentence("en")
    assert "Among the three strongest with a probability of at least .9: Product quality" in found.sentence("en")
    assert "产品质量" in found.sentence("zh")
    assert "Web shop" not in found.sentence("en")
    assert "An association" in found.pages["en"].note


def test_little_explained_ranks_nothing() -> None:
    _, table = estimates(strength=0.01)
    found = say.importance(table)
    assert "We rank nothing" in found.sentence("en")
    assert "strongest" not in found.sentence("en")


def test_pains_and_wows(world: World) -> None:
    _, table = world
    found = say.pains(table)
    assert (
        found.statements[0].text("en").startswith("“Delivery” is a pain: the worst answer instead of the typical one")
    )
    assert "Wows, where excelling gains more than failing costs: Store staff." in found.sentence("en")
    assert "Each step counts alike: Product quality." in found.sentence("en")
    assert "Matter little either way: Web shop." in found.sentence("en")
    assert "惊喜点" in found.sentence("zh")
    figure = found.pages["en"].figure
    assert figure is not None
    (lost,) = [line for line in figure.axes[0].lines if line.get_gid() == "penalty"]
    assert (np.asarray(lost.get_xdata(), float)[:3] < 0).all()


def test_nothing_is_a_pain_where_nothing_matters() -> None:
    _, table = estimates(strength=0.01)
    found = say.pains(table)
    assert found.sentence("en").startswith("Nothing here is clearly a pain or a wow. Matter little either way")


def test_what_to_work_on_first(world: World) -> None:
    _, table = world
    found = say.priorities(with_means(table, {("p_first", "quality"): 0.95, ("p_keep", "quality"): 0.0}))
    assert "To work on first" in found.sentence("en")
    assert "Product quality" in found.statements[0].text("en")
    better = with_means(table, {("p_first", "quality"): 0.0})
    assert "Product quality" not in say.priorities(better).statements[0].text("en")


def test_quadrants_are_against_the_averages_of_what_is_shown(world: World) -> None:
    one, _ = world
    performance, shares = one.performance[:: -(-len(one.performance) // len(one.shares.values))], one.shares.values
    low = performance - np.array([0, 0.3, 0, 0])
    chances = driver_estimates.quadrants(low, shares, np.ones(4, bool))
    np.testing.assert_allclose(sum(chances.values()), 1)
    assert chances["first"][1] > 0.9
    assert (
        driver_estimates.quadrants(performance + np.array([0, 0.3, 0, 0]), shares, np.ones(4, bool))["first"][1] < 0.1
    )


def test_stated_importance_is_set_against_derived() -> None:
    _, table = estimates(stated=STATED)
    wanted = "“Web shop” matters most to them; what goes most with their answers is “Product quality”."
    assert f"Customers say that {wanted}" in say.priorities(table).sentence("en")
    same = say.priorities(with_means(table, {("stated", "web"): 1.0}))
    assert "is also what goes most" in same.sentence("en")
    assert "matters most to them" not in say.priorities(estimates()[1]).sentence("en")


def test_what_if(world: World) -> None:
    one, table = world
    found = say.what_if(outlook_of(one), table, practical=one.practical)
    assert found.statements[0].text("en").startswith("Among customers alike in everything else, one point more on “")
    assert "only an experiment shows" in found.pages["en"].note
    assert "cause" not in found.sentence("en")
    none = say.what_if(outlook_of(one), table, practical=0.9)
    assert none.sentence("en").startswith("No single step up goes with a change")


def test_general_mood(world: World) -> None:
    _, table = world
    told = say.halo(with_means(table, {("bare_r2", ""): 0.2})).sentence("en")
    assert "general mood taken out" in told
    assert "That leaves" in told
    swapped = with_means(table, {("bare_r2", ""): 0.9, ("bare_share", "web"): 0.9})
    assert "“Web shop” is strongest instead of" in say.halo(swapped).sentence("en")


def test_a_mood_that_leaves_next_to_nothing_ranks_nothing(world: World) -> None:
    """Ratings that rise and fall together: what is left does not say that no attribute matters."""
    _, table = world
    told = say.halo(with_means(table, {("bare_r2", ""): 0.02})).sentence("en")
    assert told.startswith("With the respondents' general mood taken out, only 2")
    assert "That does not say that none of them matters." in told
    assert "strongest" not in told


def test_two_outcomes_side_by_side() -> None:
    both = pd.concat([estimates()[1].frame, estimates(name="repurchased")[1].frame], ignore_index=True)
    found = say.others(page(both))
    assert found.sentence("en") == "“Product quality” goes most with “Overall satisfaction” and with “Buys again”."
    flat = both.assign(ci_high=both["ci_high"].mask((both["item"] == "repurchased") & (both["estimand"] == "r2"), 0.01))
    assert "we cannot tell" in say.others(page(flat)).sentence("en")


def test_who_is_heard(world: World) -> None:
    _, table = world
    assert "Every attribute was rated by at least" in say.heard(table).sentence("en")
    few = say.heard(with_means(table, {("rated", "web"): 0.07, ("not_used", "web"): 0.87}))
    assert few.sentence("en").startswith("Only 7\u00a0% of the 1,500 respondents rated “Web shop”")


@pytest.mark.parametrize(("how", "word"), [("withheld", "no statement"), ("suppressed", "Too few answers")])
def test_nothing_is_claimed_without_numbers(world: World, how: str, word: str) -> None:
    one, table = world
    bare = estimates(gate=FAILED)[1] if how == "withheld" else page(suppressed(table.frame))
    for finding in (say.importance(bare), say.pains(bare), say.halo(bare)):
        assert word in finding.sentence("en")
        assert finding.verdict == how
        assert finding.pages["en"].figure is None
    assert say.priorities(bare).verdict == how
    assert say.what_if(outlook_of(one, FAILED), bare, practical=0.03).verdict == "withheld"


def test_one_suppressed_attribute_is_neither_drawn_nor_told(world: World) -> None:
    one, table = world
    small = table.frame["attribute"] == "staff"
    hidden = page(pd.concat([table.frame[~small], suppressed(table.frame[small])], ignore_index=True))
    for finding in all_findings((one, hidden))[:3]:
        assert "Store staff" not in finding.sentence("en")


def test_shares_of_what_most_left_blank_are_withheld_with_the_reason() -> None:
    one, table = estimates()
    codes = one.data.codes.copy()
    codes[:900, 1] = -1  # quality, which leads: its share would be made of what was filled in
    hollow = page(driver_estimates.table([replace(one, data=replace(one.data, codes=codes))], [GOOD]))
    told = say.importance(hollow)
    assert "More than half left these blank" in told.sentence("en")
    assert "Product quality" not in told.statements[0].text("en")
    assert "Product quality" not in say.priorities(hollow).sentence("en")
    assert "left these blank" not in say.importance(table).sentence("en")  # the negative control


def test_a_share_that_rests_on_blanks_stands_beside_that_of_those_who_rated_it(world: World) -> None:
    one, table = world
    draws = np.random.default_rng(1).normal(0.1, 0.01, 200)
    both = page(driver_estimates.table([replace(one, rated={"quality": draws})], [GOOD]))
    told = say.importance(both)
    assert "left “Product quality” blank; among those alone who did not, it accounts for 10" in told.sentence("en")
    assert "Of those who rated it" in str(told.pages["en"].table)
    assert "among those alone" not in say.importance(table).sentence("en")


def test_hostile_names(world: World) -> None:
    one, table = world
    labels = Labels(items=dict(zip((*one.data.attributes, "overall"), HOSTILE, strict=False)))
    hostile = page(table.frame, labels)
    for finding in (say.importance(hostile), say.pains(hostile)):
        for language in ("en", "zh"):
            assert finding.blocks(language)


def test_a_page_in_both_languages(world: World) -> None:
    for finding in all_findings(world):
        for language in ("en", "zh"):
            assert finding.sentence(language)
            assert len(finding.blocks(language)) == 3


def by_age(gap: float) -> pd.DataFrame:
    """Effects in two age groups, on one attribute `gap` apart."""
    frame = estimates()[1].frame
    own = frame[frame["estimand"] == "effect"].assign(level="segment:age")
    young = own.assign(group="18-29", sd=0.01)
    old = own.assign(group="60+", sd=0.01, mean=own["mean"] + np.where(own["attribute"] == "staff", gap, 0.0))
    return pd.concat([frame, young, old], ignore_index=True)


def test_groups_that_differ_are_named_and_others_are_not() -> None:
    found = say.groups(page(by_age(0.2)), by="segment:age")
    assert found.sentence("en").startswith("By age, they differ most on “Store staff”: one point more goes with")
    same = say.groups(page(by_age(0.0)), by="segment:age")
    assert same.sentence("en") == "No attribute clearly matters more to one group than to another."
    untold = say.groups(estimates()[1], by="segment:age")
    assert untold.sentence("en").startswith("By age we make no statement: there is but one group, or effects")
    failed = say.groups(page(by_age(0.2).assign(mean=np.nan, verdict="withheld")), by="segment:age")
    assert failed.sentence("en") == "By age we make no statement: the checks of the model failed."
    assert "taken to be the same for all" in say.groups(page(by_age(0.2)), by="").sentence("en")


def test_groups_do_not_change_the_rest_of_the_page() -> None:
    assert say.importance(page(by_age(0.2))).sentence("en") == say.importance(estimates()[1]).sentence("en")


def test_one_outcome_alone(world: World) -> None:
    assert "one outcome here" in say.others(world[1]).sentence("en")


def test_what_they_do_comes_before_what_else_they_say() -> None:
    frames = [estimates(name=name)[1].frame for name in ("overall", "nps", "repurchased")]
    found = say.others(page(pd.concat(frames, ignore_index=True)))
    assert "Buys again" in found.statements[0].text("en")
    assert "Likelihood to recommend" in found.sentence("en")
    assert len([b for b in found.blocks("en") if b["type"] == "figure"]) == 2


def test_an_attribute_that_counts_by_its_use_is_told_so(world: World) -> None:
    use = "counts mostly by whether somebody used it at all"
    assert use in say.importance(with_means(world[1], {("use_part", "quality"): 0.8})).sentence("en")
    assert use not in say.importance(with_means(world[1], {("use_part", "quality"): 0.2})).sentence("en")


def test_likely_ranks_stand_in_the_table(world: World) -> None:
    one, table = world
    ranks = driver_estimates.ranks([one], [GOOD])
    found = say.importance(table, ranks=ranks).pages["en"].table
    assert found is not None
    assert found["rows"][0][4].startswith("1")
    assert found["rows"][3][4] == "4"


def test_the_nearest_kind_is_told_where_none_is_sure(world: World) -> None:
    found = say.pains(with_means(world[1], {("p_must_be", "delivery"): 0.8}))
    assert "Nearest to a pain is “Delivery” (P = .80)." in found.sentence("en")
    assert "pain?" in str(found.pages["en"].table)
