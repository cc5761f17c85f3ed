"""Which questions speak of expectation and experience at a touchpoint, and what may have set them: store -> fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import pandas as pd

from cxlab.journey import expectations
from cxlab.journey.paired_data import PairedData
from cxlab.params.models import ModelSettings, Params
from cxlab.runs import UnitData
from cxlab.vocab import SEGMENT, UNKNOWN

if TYPE_CHECKING:
    import xarray as xr

EXPERIENCE_ROLES: Final = ("attribute", "overall", "ces")  # the first that a touchpoint has
MOST_PERIODS: Final = 12  # older ones tell nothing of this one that the later do not
MOST_EVENTS: Final = 6
LISTING: Final = timedelta(days=14)  # how long customers are reached by an event that has no last day
AFTER: Final = timedelta(days=90)  # how long answers are taken to be under the impression of an event
MOST_CELLS: Final = 12  # combinations of segments that the effect of an event is adjusted for
DRAWS: Final = 1000  # in all chains: what importance sampling draws is independent

_TAKEN: Final = ("period", "expectation", "experience", "n", "anonymous")  # columns of the counts


@dataclass(frozen=True)
class Event:
    """Something that may have set expectations.

    Attributes
    ----------
    name, kind : str
    start, last : date
        First and last day.
    listed : bool
        Whether interactions list the customers it reached; else it reached everybody.
    """

    name: str
    kind: str
    start: date
    last: date
    listed: bool

    @property
    def end(self) -> date:
        """The last day whose answers are given under its impression."""
        return self.last + AFTER


@dataclass(frozen=True)
class Question:
    """What is asked about a touchpoint, and the answers.

    Attributes
    ----------
    touchpoint : str
    expectation, experience, managers : str
        Item ids; empty where that is not asked.
    satisfied_from : float or None
        Lowest satisfied code of the experience's scale.
    data : PairedData
    thin : dict of str to (int, int)
        Events with too few answers on one side to be spoken of: answers under its impression, and others.
    """

    touchpoint: str
    expectation: str
    experience: str
    managers: str
    satisfied_from: float | None
    data: PairedData
    thin: dict[str, tuple[int, int]]

    @property
    def name(self) -> str:
        """The question's item: the experience, else the expectation."""
        return self.experience or self.expectation


@dataclass(frozen=True)
class Fit:
    """A fitted question: draws, and what is reported of them (see `cxlab.journey.expectations.estimands`)."""

    question: Question
    tree: xr.DataTree
    reported: xr.Dataset


def questions(data: UnitData, *, params: Params, period: str, periods: Sequence[str]) -> list[Question]:
    """Return the questions of a unit, in the order of the journey, with their answers counted.

    An expectation goes with the experience of the same touchpoint whose id it holds (`expect_staff`: `staff`), else
    with the one that most of its respondents rated. Touchpoints without an expectation have their most answered
    experience. Touchpoints that nobody rated in `period`, or fewer than ``limits.min_n`` in all, have none.

    Parameters
    ----------
    data : UnitData
    params : Params
        Scales, journey, limits.
    period : str
        The unit's period.
    periods : sequence of str
        Labels up to it, in order.
    """
    asked = _asked(data, period)
    asked = asked[asked["n"] >= params.limits.min_n]
    pairs = _pairs(data) if (asked["role"] == "expectation").any() else pd.DataFrame(columns=["e", "x", "n"])
    market = events(data)
    found = []
    for touchpoint in _in_order(asked["touchpoint"], params):
        own = asked[asked["touchpoint"] == touchpoint]
        experiences = next((r for role in EXPERIENCE_ROLES if len(r := own[own["role"] == role])), own.iloc[:0])
        managing = own[own["role"] == "management"]
        for expectation, experience in _matched(own[own["role"] == "expectation"], experiences, pairs):
            now = own[own["item"].isin([expectation, experience]) & own["role"].ne("management")]
            if now["n_now"].sum() > 0:
                manager = _closest(experience, managing) if experience else ""
                found.append(
                    _question(data, touchpoint, (expectation, experience, manager), params, periods, own, market)
                )
    return found


def fit(
    asked: Sequence[Question],
    *,
    settings: ModelSettings,
    seed: Callable[[str], int],
    draws: int = 0,
    accept: Callable[[xr.DataTree, xr.Dataset], bool] | None = None,
) -> list[Fit]:
    """Fit every question.

    Parameters
    ----------
    asked : sequence of Question
    settings : ModelSettings
        Chains of the params.
    seed : callable
        Name -> seed, `Run.seed`.
    draws : int
        Draws a chain; 0: `DRAWS` in all.
    accept : callable, optional
        Judges draws, e.g. `cxlab.journey.estimates_gaps.converged`; what it refuses is sampled twice, then four times
        as long.
    """
    found = []
    for one in asked:
        each = draws or -(-DRAWS // settings.chains)
        name = f"expectations {one.touchpoint} {one.name}"
        for longer in (1, 2, 4):
            tree = expectations.fit(one.data, draws=each * longer, chains=settings.chains, seed=seed(name))
            reported = expectations.estimands(tree["posterior"].dataset, one.data, satisfied_from=one.satisfied_from)
            if accept is None or accept(tree, reported):
                break
        found.append(Fit(one, tree, reported))
    return found


def events(data: UnitData) -> list[Event]:
    """Return the latest events of the market (those of no single customer), the latest first.

    An event is listed when interactions of its kind (`campaign`) with customers fall into its time. It is taken
    to work until `AFTER` its last day.
    """
    rows = data.sql(
        """SELECT min(called) AS name, min(kind) AS kind, date AS start, max(last) AS last,
            bool_or(last IS NOT NULL) AS ends
        FROM (SELECT coalesce(name, event_id, kind, 'event') AS called, coalesce(kind, '') AS kind, date,
                date_end AS last
            FROM events WHERE customer IS NULL AND date IS NOT NULL)
        GROUP BY lower(called), date ORDER BY start DESC, name"""
    ).head(MOST_EVENTS)
    plain = rows["name"].str.casefold()  # names become columns, which DuckDB does not tell apart by case
    twice = plain.duplicated(keep=False) | plain.isin(_TAKEN) | plain.str.startswith(("segment:", "reached: "))
    found = []
    for again, row in zip(twice, rows.to_dict("records"), strict=True):
        start = pd.Timestamp(row["start"]).date()
        last = pd.Timestamp(row["last"]).date() if row["ends"] else start + LISTING
        reached = data.sql(
            """SELECT count(DISTINCT customer) AS n FROM interactions
            WHERE customer IS NOT NULL AND kind = $kind AND date BETWEEN $start AND $last""",
            params={"kind": row["kind"], "start": start, "last": last},
        )["n"].iloc[0]
        name = f"{row['name']} ({start.isoformat()})" if again else str(row["name"])
        last = last if row["ends"] or reached > 0 else start
        found.append(Event(name, str(row["kind"]), start, last, bool(reached > 0)))
    return found


def _asked(data: UnitData, period: str) -> pd.DataFrame:
    """Items with a touchpoint: role, scale, answers in all and in the period."""
    return data.sql(
        """SELECT touchpoint, item, any_value(role) AS role, any_value(scale) AS scale, count(*) AS n,
            count(*) FILTER (WHERE period = $period) AS n_now
        FROM ratings
        WHERE value IS NOT NULL AND touchpoint IS NOT NULL
            AND role IN ('expectation', 'attribute', 'overall', 'ces', 'management')
        GROUP BY touchpoint, item ORDER BY touchpoint, item""",
        params={"period": period},
    )


def _pairs(data: UnitData) -> pd.DataFrame:
    """How many respondents rated both an expectation and an experience of its touchpoint."""
    return data.sql(
        """SELECT e.item AS e, x.item AS x, count(*) AS n
        FROM ratings e JOIN ratings x ON x.response_id = e.response_id AND x.touchpoint = e.touchpoint
        WHERE e.role = 'expectation' AND x.role IN ('attribute', 'overall', 'ces')
            AND e.value IS NOT NULL AND x.value IS NOT NULL
        GROUP BY ALL"""
    )


def _in_order(touchpoints: pd.Series, params: Params) -> list[str]:
    """Touchpoints in the order of the journey; those it does not name last."""
    order = [t for stage in params.journey.stages for t in stage.touchpoints]
    present = sorted(set(touchpoints))
    return [t for t in order if t in present] + [t for t in present if t not in order]


def _matched(expected: pd.DataFrame, experienced: pd.DataFrame, pairs: pd.DataFrame) -> list[tuple[str, str]]:
    if expected.empty:
        best = experienced.sort_values("n", ascending=False, kind="stable")["item"].head(1)
        return [("", str(item)) for item in best]
    together = {(e, x): int(n) for e, x, n in pairs.itertuples(index=False)}
    found = []
    for item in expected["item"]:
        ranked = experienced.assign(both=[together.get((item, x), 0) for x in experienced["item"]])
        found.append(
            (str(item), _closest(str(item), ranked.sort_values(["both", "n"], ascending=False, kind="stable")))
        )
    return found


def _closest(item: str, candidates: pd.DataFrame) -> str:
    """The candidate that shares a word of its id with `item`, else the first; empty if there is none."""
    words = set(re.split(r"[\W_]+", item.casefold()))
    named = [c for c in candidates["item"] if words & set(re.split(r"[\W_]+", str(c).casefold()))]
    return str([*named, *candidates["item"], ""][0])


def _question(
    data: UnitData,
    touchpoint: str,
    items: tuple[str, str, str],
    params: Params,
    periods: Sequence[str],
    own: pd.DataFrame,
    market: Sequence[Event],
) -> Question:
    expectation, experience, manager = items
    scales = dict(zip(own["item"], own["scale"], strict=True))
    codes = {item: tuple(float(c) for c in params.scales[str(scales[item])].codes) for item in items if item}
    useful = market if expectation else []
    segments = _segments(data, expectation) if useful else []
    counts = _counts(data, touchpoint, expectation, experience, segments, useful)
    kept = [p for p in periods if p in set(counts["period"])][-MOST_PERIODS:]
    kept = [p for p in periods if p >= kept[0]]
    counts = counts[counts["period"].isin(kept)]
    sides = {e.name: _sides(counts, e.name) for e in useful}
    told = [e for e in useful if min(sides[e.name]) >= params.limits.min_n]
    baselines = [f"reached: {e.name}" for e in told if e.listed] + (
        ["anonymous"] if any(e.listed for e in told) else []
    )
    keys = ["period", *(segments if told else []), *(e.name for e in told), *baselines, "expectation", "experience"]
    counts = counts.groupby(keys, dropna=False)["n"].sum().reset_index()
    managers = _manager_counts(data, touchpoint, manager, kept) if manager else None
    paired = expectations.model_data(
        counts,
        expectation_codes=codes.get(expectation, ()),
        experience_codes=codes.get(experience, ()),
        periods=kept,
        factors=segments if told else [],
        events=[e.name for e in told],
        baselines=[b for b in baselines if counts[b].nunique() > 1],
        managers=managers,
        manager_codes=codes.get(manager, ()),
    )
    limit = params.scales[str(scales[experience or expectation])].satisfied_from
    thin = {name: n for name, n in sides.items() if name not in {e.name for e in told}}
    satisfied = None if limit is None else float(limit)
    return Question(
        touchpoint, expectation, experience, manager if managers is not None else "", satisfied, paired, thin
    )


def _segments(data: UnitData, item: str) -> list[str]:
    """Segments that an effect is adjusted for: in order, as long as their combinations stay few."""
    known = data.factors(item)
    chosen: list[str] = []
    size = 1
    known = known[known["factor"].str.startswith(SEGMENT)]
    for factor, groups in zip(known["factor"].astype(str), known["groups"].astype(int), strict=True):
        if size * (groups + 1) <= MOST_CELLS:
            chosen.append(factor)
            size *= groups + 1
    return chosen


def _sides(counts: pd.DataFrame, event: str) -> tuple[int, int]:
    """Expectations told under the impression of an event, and others."""
    told = counts[counts["expectation"].notna()]
    with_it = int(told.loc[told[event] == 1, "n"].sum())
    return with_it, int(told["n"].sum()) - with_it


def _counts(
    data: UnitData, touchpoint: str, expectation: str, experience: str, segments: Sequence[str], market: Sequence[Event]
) -> pd.DataFrame:
    """Counts by period, segments, flags of events and both codes.

    Where nobody gave both answers in one questionnaire, an expectation goes with the same customer's first experience
    told on its day or later; what had happened by the day of the expectation decides which events it is under.
    """
    values: dict[str, object] = {"touchpoint": touchpoint, "e": expectation, "x": experience}
    lists, flags, joins = [], [], []
    day = "coalesce(e.told, r.date)"
    for i, event in enumerate(market):
        values |= {f"start{i}": event.start, f"end{i}": event.end}
        name = event.name.replace('"', '""')
        if event.listed:
            values |= {f"kind{i}": event.kind, f"last{i}": event.last}
            lists.append(
                f"l{i} AS (SELECT customer, min(date) AS day FROM interactions WHERE kind = $kind{i}"
                f" AND customer IS NOT NULL AND date BETWEEN $start{i} AND $last{i} GROUP BY customer)"
            )
            joins.append(f"LEFT JOIN l{i} ON l{i}.customer = r.customer")
            flags.append(f'coalesce({day} >= l{i}.day AND {day} <= $end{i}, false)::INTEGER AS "{name}"')
            flags.append(f'(l{i}.customer IS NOT NULL)::INTEGER AS "reached: {name}"')
        else:
            flags.append(f'coalesce({day} BETWEEN $start{i} AND $end{i}, false)::INTEGER AS "{name}"')
    groups = [f"coalesce(r.{_quoted(s)}, '{UNKNOWN}') AS {_quoted(s)}" for s in segments]
    columns = ", ".join(["r.period", *groups, *flags, "(r.customer IS NULL)::INTEGER AS anonymous"])
    told = """SELECT response_id, any_value(value) AS code FROM ratings
        WHERE item = {} AND touchpoint = $touchpoint AND value IS NOT NULL GROUP BY response_id"""
    return data.sql(  # names are columns of the store or quoted, values are bound
        f"""WITH {"".join(f"{one}, " for one in lists)}
        x AS ({told.format("$x")}), alone AS ({told.format("$e")}),
        later AS (
            SELECT a.response_id, min_by(x.response_id, (rx.date, x.response_id)) AS to_response
            FROM alone a JOIN responses re ON re.response_id = a.response_id
                JOIN responses rx ON rx.customer = re.customer AND rx.date >= re.date
                JOIN x ON x.response_id = rx.response_id
            WHERE (SELECT count(*) FROM alone JOIN x USING (response_id)) = 0 GROUP BY a.response_id),
        e AS (
            SELECT coalesce(l.to_response, a.response_id) AS response_id, a.code, r.date AS told
            FROM alone a LEFT JOIN later l USING (response_id) JOIN responses r ON r.response_id = a.response_id
            QUALIFY row_number() OVER (PARTITION BY coalesce(l.to_response, a.response_id)
                ORDER BY r.date DESC, a.response_id) = 1)
        SELECT {columns}, e.code::DOUBLE AS expectation, x.code::DOUBLE AS experience, count(*) AS n
        FROM e FULL JOIN x USING (response_id) JOIN responses r USING (response_id) {" ".join(joins)}
        GROUP BY ALL ORDER BY ALL""",
        params=values,
    )


def _manager_counts(data: UnitData, touchpoint: str, item: str, periods: Sequence[str]) -> pd.DataFrame | None:
    rows = data.sql(
        """SELECT period, value::DOUBLE AS code, count(*) AS n FROM ratings
        WHERE item = $item AND touchpoint = $touchpoint AND role = 'management' AND value IS NOT NULL
        GROUP BY ALL ORDER BY ALL""",
        params={"item": item, "touchpoint": touchpoint},
    )
    rows = rows[rows["period"].isin(list(periods))]
    return rows if len(rows) else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
