"""The index questionnaire, the poll of managers and expectations hold what the truth says, and controls do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.synthetic import World, WorldSettings
from cxlab.synthetic import settings as s
from cxlab.synthetic.expectations import EXPECTED
from cxlab.synthetic.index import ITEMS, LATENTS, implied, path_matrix

Switched = Callable[..., World]


def scores(world: World) -> pd.DataFrame:
    """Codes of the index questionnaire, missing ones as NaN, with brand and period."""
    rows = world.index.responses[[i.name for i in ITEMS]].astype(float)
    place = world.truth.index_answers[["brand", "period"]]
    return rows.mask((rows < 1) | (rows > 10)).join(place)


def truth(world: World, estimand: str, **where: str) -> pd.Series:
    t = world.truth.index
    t = t[(t["estimand"] == estimand) & (t[list(where)] == list(where.values())).all(axis=1)]
    return t.set_index(["from", "to"])["value"]


def within(frame: pd.DataFrame, columns: list[str], world: World) -> pd.DataFrame:
    place = [world.truth.index_answers["brand"], world.truth.index_answers["period"]]
    return frame[columns] - frame[columns].groupby(place).transform("mean")


def test_paths_make_a_structure_with_known_r2():
    correlation, r2 = implied(path_matrix())
    inverse = np.linalg.inv(np.eye(len(LATENTS)) - path_matrix())
    np.testing.assert_allclose(inverse @ np.diag(1 - r2) @ inverse.T, correlation, atol=1e-12)
    assert np.linalg.eigvalsh(correlation).min() > 0.1
    assert 0.5 < r2[LATENTS.index("satisfaction")] < 0.7


def test_items_covary_as_the_structure_says(world: World):
    """Correlation of two items = loading x correlation of their latents x loading, for all 171 pairs."""
    columns = [i.name for i in ITEMS]
    correlation, _ = implied(path_matrix())
    loading = np.array([truth(world, "loading")[i.latent, i.name] for i in ITEMS])
    place = [LATENTS.index(i.latent) for i in ITEMS]
    expected = np.outer(loading, loading) * correlation[np.ix_(place, place)]
    found = within(scores(world), columns, world).corr().to_numpy()
    above = np.triu_indices(len(columns), 1)
    z = (np.arctanh(found[above]) - np.arctanh(expected[above])) * np.sqrt(0.92 * len(world.index.responses))
    assert np.abs(z).max() < 4.5
    assert np.mean(z**2) < 2  # pairs share respondents, so their errors go together


def test_without_the_switch_latents_are_unrelated(switched: Switched):
    still = switched(index=0.0)
    assert (truth(still, "path") == 0).all()
    assert (truth(still, "r2") == 0).all()
    found = within(scores(still), [i.name for i in ITEMS], still).corr().to_numpy()
    other = np.array([[a.latent != b.latent for a in ITEMS] for b in ITEMS])
    assert np.abs(found[other]).max() < 0.12
    assert found[~other & ~np.eye(len(ITEMS), dtype=bool)].min() > 0.3


def test_the_index_falls_with_alders_deliveries(world: World, switched: Switched):
    def fall(w: World, brand: str) -> float:
        last, before = (truth(w, "index", brand=brand, period=q)["satisfaction", ""] for q in ("2026Q3", "2026Q2"))
        return float(before - last)

    assert 3 < fall(world, "alder") < 7
    assert abs(fall(world, "birch")) < 1.5
    assert abs(fall(switched(drop=0.0), "alder")) < 1.5
    answered = scores(world).query("brand == 'alder'").groupby("period")["index_sat1"].mean()
    assert answered["2026Q2"] - answered["2026Q3"] > 0.2


def test_mean_codes_agree_with_their_expectation(world: World):
    z = []
    for (brand, period), rows in scores(world).groupby(["brand", "period"]):
        expected = truth(world, "item_mean", brand=str(brand), period=str(period)).droplevel(0)
        codes = rows[list(expected.index)]
        z.append((codes.mean() - expected) / (codes.std() / np.sqrt(codes.count())))
    assert np.abs(np.concatenate(z)).max() < 4
    assert np.mean(np.concatenate(z) ** 2) < 2


def test_high_scores_go_with_later_orders(world: World, switched: Switched):
    def link(w: World) -> float:
        rows = w.index.responses
        later = (
            pd.Series(w.life.purchase_rate[rows["customer"], rows["quarter"] + 1])
            / w.people["rate"].to_numpy()[rows["customer"]]
        )
        stayed = w.life.alive[rows["customer"], rows["quarter"] + 1]
        return float(np.corrcoef(rows["eta_satisfaction"][stayed], np.log(later[stayed]))[0, 1])

    assert link(world) > 0.3
    assert abs(link(switched(value_link=0.0))) < 0.08


def test_some_cells_are_blank_and_some_refused(world: World):
    file = next(f for f in world.files if f.source == "index_survey").frame[[i.name for i in ITEMS]]
    assert 0.03 < ((file == "") | (file == "99")).to_numpy().mean() < 0.05
    assert file.isin(["", "99", *map(str, range(1, 11))]).all(axis=None)


def polled(world: World) -> pd.DataFrame:
    """Mean codes of the managers' answers beside the truth, with the z-score of their difference."""
    rows = world.managers.responses.melt(["brand", "quarter"], list(EXPECTED), "touchpoint", "code")
    rows["period"] = np.array(world.settings.quarters)[rows["quarter"]]
    rows = rows[rows["code"] > 0].groupby(["brand", "period", "touchpoint"])["code"].agg(["mean", "std", "size"])
    both = rows.join(world.truth.managers.set_index(["brand", "period", "touchpoint"]))
    return both.assign(z=(both["mean"] - both["managers_points"]) / (both["std"] / np.sqrt(both["size"])))


def test_managers_overrate_alders_delivery_and_nothing_else(world: World, switched: Switched):
    both = polled(world)
    assert both["z"].abs().max() < 4
    wrong = both["managers_points"] - both["buyers_points"]
    alder = wrong.index.get_level_values("brand") == "alder"
    delivery = wrong.index.get_level_values("touchpoint") == "delivery"
    assert (wrong[alder & delivery] > 0.5).all()
    np.testing.assert_allclose(wrong[~(alder & delivery)], 0, atol=1e-12)
    fair = polled(switched(managers=0.0))
    np.testing.assert_allclose(fair["managers_points"], fair["buyers_points"])


def expected_of(world: World, brand: str, period: str, touchpoint: str, who: np.ndarray) -> tuple[float, float]:
    """Mean expectation code of some respondents and its standard error."""
    rows = world.answers.responses
    there = (rows["quarter"] == world.settings.quarters.index(period)) & (
        world.people["brand"].to_numpy()[rows["customer"]] == brand
    )
    code = rows.loc[there.to_numpy() & who, f"e_{touchpoint}"].dropna().astype(float)
    return code.mean(), code.std() / np.sqrt(len(code))


@pytest.mark.parametrize(("touchpoint", "raised"), [("delivery", True), ("quality", False), ("staff", False)])
def test_the_campaign_raises_what_the_exposed_expect_of_delivery(
    world: World, switched: Switched, touchpoint: str, raised: bool
):
    def z(w: World) -> float:
        exposed = w.life.exposed[w.answers.responses["customer"]]
        (a, sa), (b, sb) = (
            expected_of(w, s.CAMPAIGN_BRAND, s.CAMPAIGN_QUARTER, touchpoint, who) for who in (exposed, ~exposed)
        )
        return float((a - b) / np.hypot(sa, sb))

    assert (z(world) > 4) == raised
    assert abs(z(switched(campaign=0.0))) < 3
    planted = world.truth.planted.query("unit.str.contains('expectation')")
    assert planted["size"].tolist() == [0.5, 0.25, 0.0]


def test_the_price_list_moves_no_expectation(world: World):
    everybody = np.ones(len(world.answers.responses), bool)
    for touchpoint in EXPECTED:
        (a, sa), (b, sb) = (expected_of(world, "alder", q, touchpoint, everybody) for q in ("2026Q2", "2026Q1"))
        assert abs(a - b) / np.hypot(sa, sb) < 3
    events = next(f for f in world.files if f.source == "events").frame
    assert (events["name"] == "spring price list").sum() == 1


def test_answers_agree_with_the_gaps(world: World):
    """Codes of expectation and experience of the same person against the shares below, met and above."""
    rows = world.answers.responses
    brand = world.people["brand"].to_numpy()[rows["customer"]]
    gaps = world.truth.gaps.query("population == 'respondents'")
    z = []
    for g in gaps.itertuples():
        there = (rows["quarter"] == world.settings.quarters.index(g.period)) & (brand == g.brand)
        hoped, had = rows.loc[there, f"e_{g.touchpoint}"], rows.loc[there, f"q_{g.touchpoint}"]
        both = hoped.notna() & had.between(1, 5)
        hoped, had = hoped[both].astype(int), had[both].astype(int)
        for share, seen in ((g.below, had < hoped), (g.met, had == hoped), (g.above, had > hoped)):
            z.append((seen.mean() - share) / np.sqrt(share * (1 - share) / both.sum()))
    assert len(z) == 90
    assert np.abs(z).max() < 4
    assert np.mean(np.square(z)) < 1.5
    assert gaps["correlation"].between(0.2, 0.5).all()
    assert gaps[["below", "met", "above"]].sum(axis=1).to_numpy() == pytest.approx(1)


def test_the_drop_opens_alders_gap_in_delivery_alone(world: World, switched: Switched):
    def below(w: World, period: str, touchpoint: str) -> float:
        g = w.truth.gaps.query("population == 'buyers' and brand == 'alder'")
        return float(g.set_index(["period", "touchpoint"])["below"][period, touchpoint])

    assert below(world, "2026Q3", "delivery") - below(world, "2026Q2", "delivery") > 0.15
    assert abs(below(world, "2026Q3", "quality") - below(world, "2026Q2", "quality")) < 0.03
    calm = switched(drop=0.0)
    assert abs(below(calm, "2026Q3", "delivery") - below(calm, "2026Q2", "delivery")) < 0.03


@pytest.mark.parametrize("switch", ["index", "visits"])
def test_switches_that_make_no_world_are_refused(switch: str):
    with pytest.raises(ValueError, match="between 0 and 1, found 2"):
        WorldSettings(**{switch: 2.0})
