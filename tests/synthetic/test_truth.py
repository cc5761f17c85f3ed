"""The truth a world tells is the truth of its data, and each effect goes away with its switch."""

import numpy as np
import pytest

from cxlab.synthetic import World, WorldSettings
from cxlab.synthetic import settings as s
from cxlab.synthetic.life import touchpoint_effects


def nps(world: World, brand: str, period: str, population: str = "buyers") -> float:
    t = world.truth.scores
    rows = t[
        (t.brand == brand)
        & (t.period == period)
        & (t.population == population)
        & (t.level == "total")
        & (t.item == "nps")
        & (t.metric == "nps")
    ]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def raw_nps(world: World, brand: str, period: str) -> tuple[float, float]:
    """Score and standard error of the answers as given."""
    rows = world.answers.responses
    mine = (world.people["brand"].to_numpy()[rows["customer"]] == brand) & (
        rows["quarter"] == world.settings.quarters.index(period)
    )
    codes = rows.loc[mine & rows["nps"].between(0, 10), "nps"]
    value = np.select([codes >= 9, codes <= 6], [100.0, -100.0], 0.0)
    return value.mean(), value.std() / np.sqrt(len(value))


def test_the_size_is_that_of_a_real_survey(world):
    n = world.truth.responses.groupby(["brand", "period"]).size()
    assert n.index.get_level_values("period").nunique() == 5
    assert n.between(650, 1200).all()


def test_alder_drops_in_the_last_quarter_and_birch_does_not(world):
    assert nps(world, "alder", "2026Q3") - nps(world, "alder", "2026Q2") < -10
    assert abs(nps(world, "birch", "2026Q3") - nps(world, "birch", "2026Q2")) < 5
    before, se_before = raw_nps(world, "alder", "2026Q2")
    after, se_after = raw_nps(world, "alder", "2026Q3")
    assert (after - before) / np.hypot(se_before, se_after) < -3  # nobody can miss it


def test_without_the_switch_alder_does_not_drop(world, switched):
    calm = switched(drop=0.0)
    assert abs(nps(calm, "alder", "2026Q3") - nps(calm, "alder", "2026Q2")) < 5
    # Common random numbers: what came before is the same world.
    assert nps(calm, "alder", "2026Q2") == nps(world, "alder", "2026Q2")


def test_the_drop_is_driven_by_delivery(world):
    used, x = world.life.used[:, :, 0], world.life.experience[:, :, 0]
    alder = (world.people["brand"] == "alder").to_numpy()
    last = world.settings.quarters.index("2026Q3")
    change = {
        served: world.life.satisfaction[alder & (used[:, last] == served) & world.life.used[:, last, 1], last].mean()
        - world.life.satisfaction[
            alder & (used[:, last - 1] == served) & world.life.used[:, last - 1, 1], last - 1
        ].mean()
        for served in (True, False)
    }
    assert change[True] < -0.35
    assert abs(change[False]) < 0.12
    assert x[alder & used[:, last], last].mean() < x[alder & used[:, last - 1], last - 1].mean() - 0.4


def test_answers_agree_with_the_expected_scores(world):
    """Raw scores of the respondents scatter around their true expectation as sampling says."""
    z = []
    for brand in s.BRANDS:
        for period in world.settings.waves:
            raw, se = raw_nps(world, brand, period)
            z.append((raw - nps(world, brand, period, "respondents")) / se)
    assert np.abs(z).max() < 4
    assert np.sum(np.square(z)) < 29.6  # chi-square, 10 degrees, P = .001


@pytest.mark.parametrize(
    ("shape", "ratio"), [("must_be", (5, np.inf)), ("linear", (0.8, 1.25)), ("delighter", (0, 0.4))]
)
def test_shapes_of_touchpoints_show_in_satisfaction(world, shape, ratio):
    """Pain over gain, estimated by least squares from the experience itself."""
    life = world.life
    rows = life.alive & life.used[:, :, 1]
    x, used, y = life.experience[rows], life.used[rows], life.satisfaction[rows]
    trait = np.repeat((world.people["base"] + world.people["trait"]).to_numpy()[:, None], life.alive.shape[1], axis=1)[
        rows
    ]
    columns = [np.ones_like(y), trait]
    for k in range(len(s.TOUCHPOINTS)):
        columns += [used[:, k] * np.maximum(x[:, k], 0), used[:, k] * np.maximum(-x[:, k], 0)]
    slope = np.linalg.lstsq(np.column_stack(columns), y, rcond=None)[0][2:].reshape(-1, 2)
    for touchpoint, (gain, pain) in zip(s.TOUCHPOINTS, slope, strict=True):
        if touchpoint.shape == shape:
            assert ratio[0] < -pain / max(gain, 0.02) < ratio[1], touchpoint.name
        if touchpoint.shape == "none":
            assert abs(gain) < 0.05
            assert abs(pain) < 0.08


def test_without_the_switch_touchpoints_do_nothing(switched):
    still = switched(touchpoints=0.0)
    life = still.life
    rows = life.alive & life.used[:, :, 0]
    correlation = np.corrcoef(
        life.experience[rows][:, 0] - 0.3 * still.people["trait"].to_numpy()[np.where(rows)[0]], life.satisfaction[rows]
    )
    assert abs(correlation[0, 1]) < 0.03
    assert (still.truth.touchpoints[["gain", "pain"]] == 0).all(axis=None)


def test_effects_are_piecewise_linear():
    x = np.zeros((3, len(s.TOUCHPOINTS)))
    x[:, 0] = [-1.0, 1.0, -1.0]
    used = np.ones_like(x, bool)
    used[2] = False
    np.testing.assert_allclose(
        touchpoint_effects(x, used, scale=1.0), [-s.TOUCHPOINTS[0].pain, s.TOUCHPOINTS[0].gain, 0]
    )


def test_respondents_are_happier_and_older_than_buyers(world):
    gaps = [
        nps(world, b, p, "respondents") - nps(world, b, p, "buyers") for b in s.BRANDS for p in world.settings.waves
    ]
    assert min(gaps) > 5


def test_without_the_switches_respondents_are_a_fair_sample(switched):
    fair = switched(nonresponse_satisfaction=0.0, nonresponse_segments=0.0)
    gaps = [nps(fair, b, p, "respondents") - nps(fair, b, p, "buyers") for b in s.BRANDS for p in fair.settings.waves]
    assert abs(np.mean(gaps)) < 3  # members and shop customers can be asked, anonymous ones cannot


def test_weights_mend_the_segments_and_leave_the_rest(switched):
    """Where only age and tier decide who answers, weighting brings the score home."""
    by_segment = switched(nonresponse_satisfaction=0.0)
    rows = by_segment.answers.responses
    truth = by_segment.truth.responses["nps_expected"].to_numpy()
    plain, weighted, target = [], [], []
    for brand in s.BRANDS:
        for period in by_segment.settings.waves:
            mine = (
                (by_segment.truth.responses["brand"] == brand) & (by_segment.truth.responses["period"] == period)
            ).to_numpy()
            plain.append(truth[mine].mean())
            weighted.append(np.average(truth[mine], weights=rows["weight"].to_numpy()[mine]))
            target.append(nps(by_segment, brand, period))
    assert np.mean(plain) - np.mean(target) > 3
    assert abs(np.mean(weighted) - np.mean(target)) < 2


def test_regions_differ_by_chance_only(world):
    t = world.truth.scores
    rows = t[(t.population == "buyers") & (t.level == "segment:region") & (t.metric == "nps")]
    spread = rows.groupby(["brand", "group"])["value"].mean().groupby("brand").agg(np.ptp)
    assert (spread < 8).all()
    tiers = t[(t.population == "buyers") & (t.level == "segment:tier") & (t.metric == "nps")]
    assert (tiers.groupby(["brand", "group"])["value"].mean().groupby("brand").agg(np.ptp) > 10).all()


def test_satisfaction_drives_leaving_and_spending(world, switched):
    def links(w: World) -> tuple[float, float]:
        panel = w.truth.panel[w.truth.panel["alive"]]
        wide = panel.pivot(index="true_id", columns="period", values=["satisfaction", "orders", "purchase_rate"])
        q = w.settings.quarters
        now = wide["satisfaction"][list(q[:-1])].to_numpy().ravel()
        later = (
            wide["orders"][list(q[1:])].to_numpy()
            / world.people["rate"].to_numpy()[wide.index.str[1:].astype(int)][:, None]
        ).ravel()
        stayed = ~np.isnan(later)
        known = ~np.isnan(now)
        return (
            float(np.corrcoef(now[known & stayed], later[known & stayed])[0, 1]),
            float(now[known & stayed].mean() - now[known & ~stayed].mean()),
        )

    repurchase, stay = links(world)
    assert repurchase > 0.05
    assert stay > 0.3
    repurchase, stay = links(switched(value_link=0.0))
    assert abs(repurchase) < 0.03
    assert abs(stay) < 0.08


def test_the_campaign_lifts_the_exposed_half(world, switched):
    def lift(w: World) -> float:
        customers = w.truth.customers
        birch = (customers["brand"] == "birch").to_numpy()
        q = w.settings.quarters.index(s.CAMPAIGN_QUARTER)
        rate = w.life.purchase_rate[:, q]
        alive = w.life.alive[:, q] & birch
        exposed = customers["exposed"].to_numpy()
        return float(np.log(rate[alive & exposed].mean() / rate[alive & ~exposed].mean()))

    assert lift(world) > 0.2
    assert abs(lift(switched(campaign=0.0))) < 0.1
    assert not world.truth.customers.query("brand == 'alder'")["exposed"].any()


def test_topics_of_comments_are_known(world):
    topics = world.truth.topics
    courier = topics[(topics["topic"] == "courier") & (topics["source"] == "survey")]
    told = world.truth.responses.set_index("response_id").loc[courier["id"]]
    assert len(courier) > 20
    assert set(told["brand"]) == {"alder"}
    assert set(told["period"]) == {"2026Q3"}
    assert {"delivery", "quality", "price", "web", "staff", "refund", "app", "service", "sizing", "other"} < set(
        topics["topic"]
    )


def test_a_future_quarter_is_known_to_the_truth_alone(world):
    future = world.truth.panel[world.truth.panel["period"] == "2026Q4"]
    assert future["orders"].sum() > 5000
    dates = next(f for f in world.files if f.name == "web_orders.csv").frame["ordered"]
    assert (dates.str[3:] == "10/2026").sum() > 100  # four days of grace: out of scope, not an error
    assert not dates.str[3:].isin(["11/2026", "12/2026"]).any()


def test_settings_that_make_no_world_are_refused():
    with pytest.raises(ValueError, match="at least 200 customers, found 3"):
        WorldSettings(customers=3)
    with pytest.raises(ValueError, match="in order"):
        WorldSettings(survey_first="2024Q1")
