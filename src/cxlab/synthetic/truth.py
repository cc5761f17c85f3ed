"""What is true in a demo world, for tests: scores, effects, identities, topics, behaviour, planted events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.synthetic import settings as s
from cxlab.synthetic.answers import Answers
from cxlab.synthetic.effects import topic_effects
from cxlab.synthetic.expectations import PROMISED, RAISED, gaps
from cxlab.synthetic.index import LATENTS, IndexAnswers, response_ids
from cxlab.synthetic.life import Life
from cxlab.synthetic.managers import Poll
from cxlab.synthetic.said import response_numbers
from cxlab.synthetic.scales import code_probabilities
from cxlab.synthetic.settings import WorldSettings
from cxlab.synthetic.visits import Visits

_QUALITY = s.TOUCHPOINT_NAMES.index("quality")


@dataclass(frozen=True)
class Truth:
    """Everything a test may compare an estimate with. No file and no params see it.

    Attributes
    ----------
    scores : DataFrame
        ``brand, period, population, level, group, item, metric, value, n``. Values are expectations over the answer
        distribution, free of sampling noise. Populations: ``base`` (all customers who have not left), ``buyers``
        (those who bought in the quarter: the survey's frame), ``respondents``. Items nps (metrics mean, nps, top_box),
        overall (mean, csat, top_box) and effort (mean, ces). Levels total, segment:age, segment:tier, segment:region,
        and touchpoint for respondents.
    touchpoints : DataFrame
        ``touchpoint, shape, gain, pain, level``: effects on latent satisfaction as simulated (after the switch).
    identities : DataFrame
        ``system`` (member, account, desk), ``key``, ``true_id``.
    responses : DataFrame
        ``response_id, true_id, brand, period, satisfaction, nps_expected`` of every survey answer.
    topics : DataFrame
        ``source`` (survey, reviews), ``id``, ``sentence``, ``topic``, ``tone``, ``text``.
    topic_effects : DataFrame
        ``brand`` ("" = both), ``item`` (overall, nps, easy), ``kind`` (topic, situation), ``topic``, ``effect`` of a
        mention in a survey comment on the expected code, ``share`` of the comments; see `cxlab.synthetic.effects`.
    panel : DataFrame
        Customer x quarter, the future quarter included: ``true_id, brand, period, alive, satisfaction, purchase_rate,
        leave_probability, orders, spend`` (spend after returns, in whole currency).
    customers : DataFrame
        ``true_id, brand, age, region, tier, language, trait, rate, exposed, first_period, last_period`` (last_period
        empty if still a customer in the future quarter).
    planted : DataFrame
        ``what, brand, period, size, unit``: the events put into the world on purpose.
    index : DataFrame
        ``estimand, brand, period, from, to, value`` of the index questionnaire. Of all brands and periods (both ""),
        standardised, before sampling: ``path``, ``total_effect``, ``r2``, and ``loading`` (latent to item, codes as
        recorded). Of a brand and period, in expectation over its buyers: ``item_mean`` (codes 1-10) and ``index``
        (0-100, items weighted by their loadings).
    index_answers : DataFrame
        ``response_id, true_id, brand, period`` and each latent of the respondents, in sd of the buyers.
    gaps : DataFrame
        ``touchpoint, brand, period, population, n`` of those who used it (buyers, or respondents of the survey), with
        ``expectation, experience`` (mean, latent), ``expectation_sd, experience_sd, correlation`` (between customers,
        latent), ``expectation_points, experience_points`` (mean codes), and the shares whose experience is ``below``,
        ``met`` (the same code) and ``above`` their expectation, in expectation over the answers.
    managers : DataFrame
        ``brand, period, touchpoint, belief`` (latent, too high) and the expected mean code of the managers, of all
        who used it and of the respondents among them: ``managers_points, buyers_points, respondents_points``.
    transitions : DataFrame
        ``from, to, probability`` of the steps of a session; ``start``, ``purchase:web``, ``purchase:store``, ``leave``.
    rejects : DataFrame
        ``source, file, line, column, value, level, why``: rows and values wrong on purpose.
    """

    scores: pd.DataFrame
    touchpoints: pd.DataFrame
    identities: pd.DataFrame
    responses: pd.DataFrame
    topics: pd.DataFrame
    topic_effects: pd.DataFrame
    panel: pd.DataFrame
    customers: pd.DataFrame
    planted: pd.DataFrame
    index: pd.DataFrame
    index_answers: pd.DataFrame
    gaps: pd.DataFrame
    managers: pd.DataFrame
    transitions: pd.DataFrame
    rejects: pd.DataFrame


def tell(
    settings: WorldSettings,
    people: pd.DataFrame,
    life: Life,
    answers: Answers,
    ids: pd.DataFrame,
    rejects: pd.DataFrame,
    *,
    index: IndexAnswers,
    managers: Poll,
    visits: Visits,
) -> Truth:
    """Put together the truth of a world."""
    true_id = people["true_id"].to_numpy()
    responses = answers.responses
    who, q = responses["customer"].to_numpy(), responses["quarter"].to_numpy()
    numbers = response_numbers(settings, answers)
    nps = code_probabilities(life.satisfaction, cuts=s.NPS_CUTS, scale=s.ANSWER_SCALE) @ _NPS_VALUES
    review_ids = np.array([f"R{i:05d}" for i in range(1, len(answers.reviews) + 1)], dtype=object)
    topics = answers.topics
    is_survey = (topics["source"] == "survey").to_numpy()
    row = topics["row"].to_numpy(int)
    identity = np.empty(len(topics), dtype=object)
    identity[is_survey] = numbers.to_numpy()[row[is_survey]]
    identity[~is_survey] = review_ids[row[~is_survey]]
    return Truth(
        scores=_scores(settings, people, life, answers),
        touchpoints=pd.DataFrame(
            {
                "touchpoint": s.TOUCHPOINT_NAMES,
                "shape": [t.shape for t in s.TOUCHPOINTS],
                "gain": [t.gain * settings.touchpoints for t in s.TOUCHPOINTS],
                "pain": [t.pain * settings.touchpoints for t in s.TOUCHPOINTS],
                "level": [t.level for t in s.TOUCHPOINTS],
            }
        ),
        identities=pd.concat(
            [
                pd.DataFrame({"system": system, "key": ids[column].astype(str), "true_id": true_id})[ids[column] > 0]
                for system, column in (
                    ("member", "member"), ("account", "account"), ("account", "account2"), ("desk", "desk"),
                )
            ],
            ignore_index=True,
        ),
        responses=pd.DataFrame(
            {
                "response_id": numbers,
                "true_id": true_id[who],
                "brand": people["brand"].to_numpy()[who],
                "period": np.array(settings.quarters)[q],
                "satisfaction": life.satisfaction[who, q],
                "nps_expected": nps[who, q],
            }
        ),
        topics=topics.assign(id=identity)[["source", "id", "sentence", "topic", "tone", "text"]],
        topic_effects=topic_effects(settings, people, life, answers.invitations),
        panel=_panel(settings, people, life),
        customers=_customers(settings, people, life),
        planted=_planted(settings),
        index=index.truth,
        index_answers=_index_answers(settings, people, index),
        gaps=gaps(settings, people, life, responses),
        managers=managers.truth,
        transitions=visits.transitions,
        rejects=rejects,
    )  # fmt: skip


def _index_answers(settings: WorldSettings, people: pd.DataFrame, index: IndexAnswers) -> pd.DataFrame:
    rows = index.responses
    who = rows["customer"].to_numpy()
    place = pd.DataFrame(
        {
            "response_id": response_ids(index),
            "true_id": people["true_id"].to_numpy()[who],
            "brand": people["brand"].to_numpy()[who],
            "period": np.array(settings.quarters)[rows["quarter"]],
        }
    )
    return place.join(rows[[f"eta_{latent}" for latent in LATENTS]].set_axis(list(LATENTS), axis=1))


_NPS_VALUES = np.array([-100.0] * 7 + [0.0] * 2 + [100.0] * 2)
_METRICS: dict[str, tuple[tuple[float, ...], tuple[int, ...], float, dict[str, np.ndarray]]] = {
    "nps": (s.NPS_CUTS, s.NPS_CODES, 1.0, {"nps": _NPS_VALUES, "top_box": np.eye(11)[10]}),
    "overall": (s.OVERALL_CUTS, s.OVERALL_CODES, 1.0, {"csat": np.array([0, 0, 0, 1.0, 1.0]), "top_box": np.eye(5)[4]}),
    "effort": (s.EFFORT_CUTS, s.EFFORT_CODES, s.EFFORT_LOADING, {"ces": np.array(s.EFFORT_CODES, float)}),
}


def _scores(settings: WorldSettings, people: pd.DataFrame, life: Life, answers: Answers) -> pd.DataFrame:
    values = {}
    for item, (cuts, codes, loading, metrics) in _METRICS.items():
        share = code_probabilities(loading * life.satisfaction, cuts=cuts, scale=s.ANSWER_SCALE)
        values[item, "mean"] = share @ np.array(codes, float)
        for metric, value in metrics.items():
            values[item, metric] = share @ value
    people_levels = people[["brand", "age", "tier", "region"]].rename(
        columns=lambda c: c if c == "brand" else f"segment:{c}"
    )
    parts = []
    for quarter in settings.waves:
        q = settings.quarters.index(quarter)
        mine = answers.responses[answers.responses["quarter"] == q]
        for population, who in (
            ("base", np.flatnonzero(life.alive[:, q])),
            ("buyers", np.flatnonzero(life.used[:, q, _QUALITY])),
            ("respondents", mine["customer"].to_numpy()),
        ):
            table = people_levels.iloc[who].reset_index(drop=True)
            table["total"] = ""
            if population == "respondents":
                table["touchpoint"] = mine["touchpoint"].to_numpy()
            scores = pd.DataFrame({key: v[who, q] for key, v in values.items()})
            for level in [c for c in table.columns if c != "brand"]:
                keys = table[["brand", level]].set_axis(["brand", "group"], axis=1)
                groups = scores.groupby([keys["brand"], keys["group"]])
                means, count = groups.mean(), groups.size()
                place = means.index.to_frame(index=False)
                place = place.assign(period=quarter, population=population, level=level, n=count.to_numpy())
                parts.append(place.loc[place.index.repeat(len(values))].assign(value=means.to_numpy().ravel()))
    table = pd.concat(parts, ignore_index=True)
    for k, name in enumerate(("item", "metric")):
        table[name] = np.tile([key[k] for key in values], len(table) // len(values))
    return table[["brand", "period", "population", "level", "group", "item", "metric", "value", "n"]]


def _panel(settings: WorldSettings, people: pd.DataFrame, life: Life) -> pd.DataFrame:
    n, q_count = life.alive.shape
    flat = life.orders["customer"].to_numpy() * q_count + life.orders["quarter"].to_numpy()
    kept = life.orders["cents"].to_numpy() * ~life.orders["returned"].to_numpy() / 100
    return pd.DataFrame(
        {
            "true_id": np.repeat(people["true_id"].to_numpy(), q_count),
            "brand": np.repeat(people["brand"].to_numpy(), q_count),
            "period": np.tile(np.array(settings.quarters), n),
            "alive": life.alive.ravel(),
            "satisfaction": life.satisfaction.ravel(),
            "purchase_rate": life.purchase_rate.ravel(),
            "leave_probability": life.leave_probability.ravel(),
            "orders": np.bincount(flat, minlength=n * q_count),
            "spend": np.bincount(flat, kept, minlength=n * q_count),
        }
    )


def _customers(settings: WorldSettings, people: pd.DataFrame, life: Life) -> pd.DataFrame:
    quarters = np.array(settings.quarters)
    ever = life.alive.any(axis=1)
    first = quarters[np.argmax(life.alive, axis=1)]
    last = quarters[len(quarters) - 1 - np.argmax(life.alive[:, ::-1], axis=1)]
    columns = ["true_id", "brand", "age", "region", "tier", "language", "trait", "rate"]
    return people[columns].assign(
        exposed=life.exposed,
        first_period=np.where(ever, first, ""),
        last_period=np.where(life.alive[:, -1] | ~ever, "", last),
    )


def _planted(settings: WorldSettings) -> pd.DataFrame:
    rows = [
        (
            "late deliveries",
            s.DROP_BRAND,
            settings.last,
            settings.drop * (s.LATE_SHARE_DROP - s.LATE_SHARE),
            "share of web orders",
        ),
        (
            "campaign",
            s.CAMPAIGN_BRAND,
            s.CAMPAIGN_QUARTER,
            settings.campaign * s.CAMPAIGN_RATE,
            "log purchase rate of the exposed half",
        ),
        (
            "campaign",
            s.CAMPAIGN_BRAND,
            s.CAMPAIGN_QUARTER,
            settings.campaign * s.CAMPAIGN_PRICE,
            "price experience of the exposed half",
        ),
        *(
            (
                "campaign",
                s.CAMPAIGN_BRAND,
                str(pd.Period(s.CAMPAIGN_QUARTER, "Q") + later),
                settings.campaign * size,
                f"{PROMISED} expectation of the exposed half",
            )
            for later, size in enumerate(RAISED)
        ),
        ("price list", "alder", "2026Q2", 0.0, "any expectation: a control"),
        ("repurchase link", "", "", settings.value_link * s.RATE_LINK, "log purchase rate per unit of satisfaction"),
        ("leaving link", "", "", settings.value_link * s.CHURN_LINK, "log-odds of leaving per unit of satisfaction"),
        ("spend link", "", "", settings.value_link * s.SPEND_LINK, "log basket per unit of satisfaction"),
        ("follow-up", "", "", settings.follow_up * s.FOLLOW_UP_GAIN, "satisfaction in the next quarter"),
        *(
            ("life event " + name, "", "", settings.life_events * size, "log purchase rate")
            for name, size in s.LIFE_EVENTS.items()
        ),
    ]
    return pd.DataFrame(rows, columns=["what", "brand", "period", "size", "unit"])
