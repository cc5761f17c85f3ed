from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from driver_world import FAILED, GOOD, PARAMS, about, estimates
from tidy import HOSTILE

from cxlab.drivers import estimates as driver_estimates
from cxlab.drivers import findings as say
from cxlab.drivers import findings_kano, findings_whatif
from cxlab.drivers.findings_common import About
from cxlab.drivers.measures import Measured
from cxlab.report import Finding
from cxlab.report.format import Labels

World = tuple[Measured, pd.DataFrame]


@pytest.fixture(scope="module")
def world() -> World:
    return estimates()


def suppressed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(mean=np.nan, ci_low=np.nan, ci_high=np.nan, verdict="suppressed")


def page(world: World) -> list[Finding]:
    """All findings of a page on a world."""
    one, table = world
    outlook = driver_estimates.outlook_table([one], [GOOD], params=PARAMS)
    what = about(one)
    return [
        say.importance(table, one.explained, about=what),
        findings_kano.pains(table, about=what),
        findings_kano.priorities(table, driver_estimates.clouds(one), about=what, stated={"web": 4.5, "quality": 4.0}),
        findings_whatif.what_if(outlook, about=what, practical=one.practical),
        say.halo(*driver_estimates.with_and_without(one, table), about=what),
        findings_whatif.heard(driver_estimates.heard(one), about=what),
    ]


def test_what_goes_with_satisfaction(world: World) -> None:
    one, table = world
    found = say.importance(table, one.explained, about=about(one))
    assert found.statements[0].text("en").startswith("What goes most with “Overall satisfaction” is “Product quality”")
    assert "All 4 attributes together account for" in found.sentence("en")
    assert "Among the three strongest with a probability of at least .9: Product quality" in found.sentence("en")
    assert "产品质量" in found.sentence("zh")
    assert "Web shop" not in found.sentence("en")
    assert "An association" in found.pages["en"].note


def test_little_explained_ranks_nothing() -> None:
    one, table = estimates(strength=0.01)
    found = say.importance(table, one.explained, about=about(one))
    assert "We rank nothing" in found.sentence("en")
    assert "strongest" not in found.sentence("en")


def test_pains_and_wows(world: World) -> None:
    one, table = world
    found = findings_kano.pains(table, about=about(one))
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
    one, table = estimates(strength=0.01)
    found = findings_kano.pains(table, about=about(one))
    assert found.sentence("en").startswith("Nothing here is clearly a pain or a wow. Matter little either way")


def test_what_to_work_on_first(world: World) -> None:
    one, table = world
    clouds = driver_estimates.clouds(one)
    what = about(one)
    moved = {a: c + ([-0.3, 0] if a == "quality" else [0, 0]) for a, c in clouds.items()}
    found = findings_kano.priorities(table, moved, about=what)
    assert "To work on first" in found.sentence("en")
    assert "Product quality" in found.statements[0].text("en")
    chances = findings_kano.quadrants(moved)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert chances.loc["quality", "first"] > 0.9
    better = {a: c + ([0.3, 0] if a == "quality" else [0, 0]) for a, c in clouds.items()}
    assert "Product quality" not in findings_kano.priorities(table, better, about=what).statements[0].text("en")


def test_stated_importance_is_set_against_derived(world: World) -> None:
    one, table = world
    clouds, what = driver_estimates.clouds(one), about(one)
    found = findings_kano.priorities(table, clouds, about=what, stated={"web": 4.5, "quality": 4.0})
    assert (
        "Customers say that “Web shop” matters most to them; what goes most with their answers is “Product quality”."
        in (found.sentence("en"))
    )
    same = findings_kano.priorities(table, clouds, about=what, stated={"web": 1.0, "quality": 4.0})
    assert "is also what goes most" in same.sentence("en")
    assert "matters most to them" not in findings_kano.priorities(table, clouds, about=what).sentence("en")


def test_what_if(world: World) -> None:
    one, _ = world
    outlook = driver_estimates.outlook_table([one], [GOOD], params=PARAMS)
    found = findings_whatif.what_if(outlook, about=about(one), practical=one.practical)
    assert found.statements[0].text("en").startswith("Among customers alike in everything else, one point more on “")
    assert "only an experiment shows" in found.pages["en"].note
    assert "cause" not in found.sentence("en")
    none = findings_whatif.what_if(outlook, about=about(one), practical=0.9)
    assert none.sentence("en").startswith("No single step up goes with a change")


def test_general_mood(world: World) -> None:
    one, table = world
    plain, bare = driver_estimates.with_and_without(one, table)
    assert "general mood taken out" in say.halo(plain, bare, about=about(one)).sentence("en")
    assert "That leaves" in say.halo(plain, bare, about=about(one)).sentence("en")
    swapped = bare.assign(mean=bare["mean"].where(bare["attribute"] != "web", 0.9))
    assert "“Web shop” is strongest instead of" in say.halo(plain, swapped, about=about(one)).sentence("en")


def test_two_outcomes_side_by_side() -> None:
    one, first = estimates()
    two, second = estimates(name="repurchased")
    both = pd.concat([first, second], ignore_index=True)
    explained = {"overall": one.explained, "repurchased": two.explained}
    found = say.outcomes(both, explained, about=about(one), second="repurchased")
    assert found.sentence("en") == "“Product quality” goes most with “Overall satisfaction” and with “Buys again”."
    flat = explained | {"repurchased": np.full(10, 0.01)}
    assert "we cannot tell" in say.outcomes(both, flat, about=about(one), second="repurchased").sentence("en")


def test_who_is_heard(world: World) -> None:
    one, _ = world
    counts = driver_estimates.heard(one)
    assert "Every attribute was rated by at least" in findings_whatif.heard(counts, about=about(one)).sentence("en")
    few = counts.assign(rated=[1000, 1000, 1000, 100], not_used=[400, 400, 400, 1300], blank=100)
    found = findings_whatif.heard(few, about=about(one))
    assert found.sentence("en").startswith("Only 7\u00a0% of the 1,500 respondents rated “Web shop”")


@pytest.mark.parametrize(("how", "word"), [("withheld", "no statement"), ("suppressed", "Too few answers")])
def test_nothing_is_claimed_without_numbers(world: World, how: str, word: str) -> None:
    one, table = world
    what = about(one)
    bare = driver_estimates.table([one], [FAILED]) if how == "withheld" else suppressed(table)
    found = [say.importance(bare, one.explained, about=what), findings_kano.pains(bare, about=what)]
    for finding in found:
        assert word in finding.sentence("en")
        assert finding.verdict == how
        assert finding.pages["en"].figure is None
    assert findings_kano.priorities(bare, driver_estimates.clouds(one), about=what).verdict == how
    outlook = driver_estimates.outlook_table([one], [FAILED], params=PARAMS)
    assert findings_whatif.what_if(outlook, about=what, practical=0.03).verdict == "withheld"


def test_one_suppressed_attribute_is_neither_drawn_nor_told(world: World) -> None:
    one, table = world
    small = table["attribute"] == "staff"
    hidden = pd.concat([table[~small], suppressed(table[small])], ignore_index=True)
    for finding in page((one, hidden))[:3]:
        assert "Store staff" not in finding.sentence("en")


def test_hostile_names(world: World) -> None:
    one, table = world
    labels = Labels(items=dict(zip((*one.data.attributes, "overall"), HOSTILE, strict=False)))
    what = About(labels, one.outcome, one.metric, one.data.n)
    for finding in (say.importance(table, one.explained, about=what), findings_kano.pains(table, about=what)):
        for language in ("en", "zh"):
            assert finding.blocks(language)


def test_a_page_in_both_languages(world: World) -> None:
    for finding in page(world):
        for language in ("en", "zh"):
            assert finding.sentence(language)
            assert len(finding.blocks(language)) == 3


def by_age(gap: float) -> pd.DataFrame:
    """Effects in two age groups, on one attribute `gap` apart."""
    _, table = estimates()
    own = table[table["estimand"] == "effect"].assign(level="segment:age")
    young = own.assign(group="18-29", sd=0.01)
    old = own.assign(group="60+", sd=0.01, mean=own["mean"] + np.where(own["attribute"] == "staff", gap, 0.0))
    return pd.concat([table, young, old], ignore_index=True)


def test_groups_that_differ_are_named_and_others_are_not() -> None:
    one, _ = estimates()
    found = findings_whatif.groups(by_age(0.2), by="segment:age", about=about(one))
    assert found.sentence("en").startswith("By age, they differ most on “Store staff”: one point more goes with")
    same = findings_whatif.groups(by_age(0.0), by="segment:age", about=about(one))
    assert same.sentence("en") == "No attribute clearly matters more to one group than to another."
    _, table = estimates()
    untold = findings_whatif.groups(table, by="segment:age", about=about(one))
    assert untold.sentence("en").startswith("By age we make no statement: there is but one group, or effects")
    unbelieved = by_age(0.2).assign(mean=np.nan, verdict="withheld")
    failed = findings_whatif.groups(unbelieved, by="segment:age", about=about(one))
    assert failed.sentence("en") == "By age we make no statement: the checks of the model failed."
    alike = findings_whatif.groups(by_age(0.2), by="", about=about(one))
    assert "taken to be the same for all" in alike.sentence("en")


def test_groups_do_not_change_the_rest_of_the_page() -> None:
    one, table = estimates()
    assert say.importance(by_age(0.2), one.explained, about=about(one)).sentence("en") == (
        say.importance(table, one.explained, about=about(one)).sentence("en")
    )


def test_one_outcome_alone(world: World) -> None:
    one, table = world
    assert "one outcome here" in say.others(table, {"overall": one.explained}, about=about(one)).sentence("en")


def test_what_they_do_comes_before_what_else_they_say() -> None:
    parts = {name: estimates(name=name) for name in ("overall", "nps", "repurchased")}
    both = pd.concat([table for _, table in parts.values()], ignore_index=True)
    explained = {name: one.explained for name, (one, _) in parts.items()}
    found = say.others(both, explained, about=about(parts["overall"][0]))
    assert "Buys again" in found.statements[0].text("en")
    assert "Likelihood to recommend" in found.sentence("en")
    assert len([b for b in found.blocks("en") if b["type"] == "figure"]) == 2


def test_an_attribute_that_counts_by_its_use_is_told_so(world: World) -> None:
    one, table = world
    use = "counts mostly by whether somebody used it at all"
    assert use in say.importance(table, one.explained, about=about(one), by_use={"quality": 0.8}).sentence("en")
    assert use not in say.importance(table, one.explained, about=about(one), by_use={"quality": 0.2}).sentence("en")


def test_likely_ranks_stand_in_the_table(world: World) -> None:
    one, table = world
    ranks = driver_estimates.ranks([one], [GOOD])
    found = say.importance(table, one.explained, about=about(one), ranks=ranks).pages["en"].table
    assert found is not None
    assert found["rows"][0][4].startswith("1")
    assert found["rows"][3][4] == "4"


def test_the_mood_of_a_failed_fit_is_not_told(world: World) -> None:
    one, _ = world
    bare = driver_estimates.table([one], [FAILED])
    found = say.halo(*driver_estimates.with_and_without(one, bare), about=about(one))
    assert found.verdict == "withheld"
    assert found.pages["en"].figure is None


def test_the_nearest_kind_is_told_where_none_is_sure(world: World) -> None:
    one, table = world
    less = table.assign(
        mean=table["mean"].where(~((table["attribute"] == "delivery") & (table["estimand"] == "p_must_be")), 0.8)
    )
    found = findings_kano.pains(less, about=about(one))
    assert "Nearest to a pain is “Delivery” (P = .80)." in found.sentence("en")
    assert "pain?" in str(found.pages["en"].table)
