"""Which outcome and attributes of a unit are modelled, and for whom: from the store to rows of respondents, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from cxlab.errors import ModelError, ParamsError, Problem, nearest
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.vocab import SEGMENT, UNKNOWN

BLANK: Final = -1
NOT_USED: Final = -2
FEWEST, MOST = 3, 40  # attributes
MOST_CODES: Final = 11
LEAST_ROWS: Final = 30  # with an outcome
ROLES: Final = ("overall", "nps", "ces")
BEHAVIOUR: Final = ("repurchased", "left", "spend")
HORIZON: Final = 90  # days after the answer in which behaviour is looked at
LEAST_USERS: Final = 30  # scored answers an attribute needs
ENOUGH: Final = 500  # respondents from which a period stands for itself; with fewer, those before help it
Kind = Literal["ordinal", "binary", "continuous"]


@dataclass(frozen=True)
class DriverData:
    """Respondents of one outcome; made by `model_data`, which has checked it.

    Attributes
    ----------
    attributes : tuple of str
        Names of the A attributes.
    levels : tuple of tuple of float
        The legal codes of each attribute, worst to best.
    codes : array of int, shape (N, A)
        Place of the code among the attribute's `levels`; -1 a blank, -2 not used.
    outcome : array, shape (N,)
        Ordinal and binary: place of the code, -1 where there is none; continuous: the value, NaN where there is none.
    kind : str
        ``ordinal``, ``binary`` or ``continuous``.
    outcome_levels : tuple of float
        The outcome's legal codes, worst to best; empty for continuous ones.
    weights : array, shape (N,)
        Scaled so that they add up to the effective number of respondents (Kish).
    groups : tuple of str
        Names of the groups whose effects may differ, two or more; empty: none.
    group : array of int, shape (N,)
        Place of each respondent's group; zeros without groups.
    name : str
        What the outcome is called.
    customers : array of object, shape (N,)
        Customer ids, None where unknown.
    since : str
        First period the respondents come from, where those of one alone were too few.
    """

    attributes: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]
    codes: np.ndarray
    outcome: np.ndarray
    kind: Kind
    outcome_levels: tuple[float, ...]
    weights: np.ndarray
    groups: tuple[str, ...]
    group: np.ndarray
    name: str
    customers: np.ndarray
    since: str = ""

    @property
    def n(self) -> int:
        """Respondents with an outcome."""
        return int(self.answered.sum())

    @property
    def n_eff(self) -> float:
        """Effective number of them."""
        return float(self.weights[self.answered].sum())

    @property
    def answered(self) -> np.ndarray:
        """Whether each respondent has an outcome, shape (N,)."""
        return np.isfinite(self.outcome) if self.kind == "continuous" else self.outcome >= 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each attribute."""
        return tuple(len(x) for x in self.levels)

    @property
    def blanks(self) -> np.ndarray:
        """Share of blanks of each attribute, shape (A,)."""
        return (self.codes == BLANK).mean(axis=0)

    def take(self, rows: np.ndarray) -> DriverData:
        """Return these respondents alone, e.g. to hold the others out."""
        own = {name: getattr(self, name)[rows] for name in ("codes", "outcome", "weights", "group", "customers")}
        return replace(self, **own)


def model_data(
    codes: np.ndarray,
    outcome: np.ndarray,
    *,
    attributes: Sequence[str],
    levels: Sequence[Sequence[float]],
    kind: Kind,
    outcome_levels: Sequence[float] = (),
    weights: np.ndarray | None = None,
    group: np.ndarray | None = None,
    groups: Sequence[str] = (),
    name: str = "outcome",
    customers: np.ndarray | None = None,
) -> DriverData:
    """Check respondents and turn them into the model's data.

    Parameters
    ----------
    codes : array of int, shape (N, A)
        Place of each attribute's code among its `levels`, from 0; -1 a blank, -2 not used.
    outcome : array, shape (N,)
        Ordinal, binary: place of the code among `outcome_levels`, -1 if missing. Continuous: the value, NaN if missing.
    attributes : sequence of str, length A
        3 to 40 of them.
    levels : sequence of A sequences
        The legal codes of each attribute, worst to best; 2 to 11.
    kind : str
        ``ordinal``, ``binary`` or ``continuous``.
    outcome_levels : sequence of float
        The outcome's legal codes, worst to best; not for continuous outcomes.
    weights : array, shape (N,), optional
        Survey weights; scaled to the effective number of respondents.
    group, groups : optional
        Place of each respondent's group among `groups`, whose effects may differ.
    name : str
        What the outcome is called.
    customers : array, shape (N,), optional
        Customer ids.

    Raises
    ------
    ModelError
        With every problem found.
    """
    codes, outcome = np.asarray(codes), np.asarray(outcome, float)
    n = len(outcome)
    if codes.shape != (n, len(attributes)) or len(levels) != len(attributes):
        raise ModelError(
            Problem(
                "codes, outcome, attributes and levels do not fit together",
                value=str(codes.shape),
                allowed=f"{n} rows x {len(attributes)} attributes",
            )
        )
    problems = [
        *_problems_of_attributes(codes, attributes, levels),
        *_problems_of_outcome(outcome, kind, len(outcome_levels)),
    ]
    weight = np.ones(n) if weights is None else np.asarray(weights, float)
    if len(weight) != n or not (np.isfinite(weight).all() and np.min(weight, initial=1.0) >= 0 and np.sum(weight) > 0):
        problems.append(Problem("weights are numbers, not negative and not all zero, one a respondent"))
    places = np.zeros(n, int) if group is None else np.asarray(group, int)
    if group is not None and (len(places) != n or (n and not 0 <= places.min() <= places.max() < len(groups))):
        problems.append(Problem("group is a place among groups, one a respondent", allowed=f"0 to {len(groups) - 1}"))
    if problems:
        raise ModelError(problems)
    several = group is not None and len(groups) > 1  # one group alone is everybody
    return DriverData(
        attributes=tuple(map(str, attributes)),
        levels=tuple(tuple(float(c) for c in x) for x in levels),
        codes=codes.astype(np.int16),
        outcome=outcome if kind == "continuous" else np.nan_to_num(outcome, nan=-1).astype(int),
        kind=kind,
        outcome_levels=() if kind == "continuous" else tuple(float(c) for c in outcome_levels),
        weights=weight * weight.sum() / (weight**2).sum(),
        groups=tuple(map(str, groups)) if several else (),
        group=places if several else np.zeros(n, int),
        name=name,
        customers=np.full(n, None, object) if customers is None else np.asarray(customers, object),
    )


def _problems_of_attributes(
    codes: np.ndarray, attributes: Sequence[str], levels: Sequence[Sequence[float]]
) -> list[Problem]:
    found, count = [], len(attributes)
    if not FEWEST <= count <= MOST:
        found.append(Problem("too few or too many attributes", value=str(count), allowed=f"{FEWEST} to {MOST}"))
    twice = sorted({a for a in attributes if list(attributes).count(a) > 1})
    found += [Problem("an attribute is named twice", value=a) for a in twice]
    for name, own, size in zip(attributes, codes.T, map(len, levels), strict=True):
        if not 2 <= size <= MOST_CODES:
            found.append(Problem("number of codes", where=name, value=str(size), allowed=f"2 to {MOST_CODES}"))
        wrong = own[(own < NOT_USED) | (own >= size)]
        if len(wrong):
            found.append(Problem("no place of a code", where=name, value=str(wrong[0]), allowed=f"-2 to {size - 1}"))
        if len(own) and not (own >= 0).any():
            found.append(Problem("nobody rated this attribute", where=name, todo="leave it out"))
    if codes.size and not (codes.max(axis=0) > codes.min(axis=0, where=codes != BLANK, initial=MOST_CODES)).any():
        found.append(Problem("all ratings of each attribute are the same: nothing could go with the outcome"))
    return found


def _problems_of_outcome(outcome: np.ndarray, kind: Kind, size: int) -> list[Problem]:
    found = []
    given = outcome[np.isfinite(outcome) if kind == "continuous" else np.nan_to_num(outcome, nan=-1.0) >= 0]
    if kind != "continuous":
        most = 2 if kind == "binary" else MOST_CODES
        if not 2 <= size <= most:
            allowed = "2" if kind == "binary" else f"2 to {MOST_CODES}"
            found.append(Problem("number of codes of the outcome", value=str(size), allowed=allowed))
        if len(given) and given.max() >= size:
            value, allowed = f"{given.max():g}", f"0 to {size - 1}"
            found.append(Problem("no place of a code of the outcome", value=value, allowed=allowed))
    if len(given) and float(np.ptp(given)) == 0.0:
        value = f"{given[0]:g}" if kind == "continuous" else f"code {given[0]:g}"
        found.append(Problem("the outcome is the same for everybody", value=value))
    if len(given) < LEAST_ROWS:
        allowed = f"at least {LEAST_ROWS}"
        found.append(Problem("too few respondents with an outcome", value=str(len(given)), allowed=allowed))
    return found


def attributes(data: UnitData, *, period: str, named: Sequence[str] = ()) -> list[str]:
    """Return the attributes rated in the period by enough people, the most rated first if there are too many.

    Parameters
    ----------
    data : UnitData
    period : str
    named : sequence of str
        Items wanted; by default all with the role ``attribute``.

    Raises
    ------
    ParamsError
        If a named item was not rated in the period.
    """
    asked = data.items()
    asked = asked[(asked["period"] == period) & (asked["n"] >= LEAST_USERS)]
    known = list(dict.fromkeys(asked["item"]))
    wrong = [name for name in named if name not in known]
    if wrong:
        what, allowed = "no such item was rated in this period", ", ".join(known)
        raise ParamsError(
            [Problem(what, where="attributes", value=x, allowed=allowed, nearest=nearest(x, known)) for x in wrong]
        )
    if named:
        return list(dict.fromkeys(named))
    rated = asked[asked["role"] == "attribute"].groupby("item", sort=True)["n"].sum()
    if len(rated) > MOST:
        rated = rated.sort_values(ascending=False, kind="stable").head(MOST)
    return sorted(rated.index)


def outcomes(data: UnitData, *, params: Params, period: str) -> list[str]:
    """Return the outcomes that can be modelled: items of the headline roles, ``satisfied``, and what customers did.

    Returns
    -------
    list of str
        Item ids (the params' headline first, then overall, nps, ces), then ``satisfied``, ``repurchased``, ``left``,
        ``spend``, as far as there are data for them.
    """
    names = attributes(data, period=period)
    if not names:
        return []
    both = data.sql(
        "SELECT t.item, any_value(t.role) AS role, any_value(t.scale) AS scale, count(*) AS n FROM ratings t"
        " WHERE t.period = ? AND t.value IS NOT NULL AND t.role IN ('overall', 'nps', 'ces') AND t.response_id IN"
        " (SELECT response_id FROM ratings WHERE period = ? AND value IS NOT NULL AND role = 'attribute')"
        " GROUP BY t.item ORDER BY t.item",
        params=[period, period],
    )
    both = both[both["n"] >= LEAST_USERS]
    lead = params.headline.item
    items = sorted(both.to_dict("records"), key=lambda r: (r["item"] != lead, ROLES.index(r["role"]), r["item"]))
    found = [str(r["item"]) for r in items]
    if any(params.scales[str(r["scale"])].satisfied_from is not None for r in items):
        found.append("satisfied")
    kinds = data.sql(
        "SELECT t.kind, count(DISTINCT r.response_id) AS n FROM responses r JOIN transactions t USING (customer)"
        " WHERE t.date > r.date AND t.date <= r.date + ?::INTEGER GROUP BY t.kind",
        params=[HORIZON],
    )
    after = dict(zip(kinds["kind"], kinds["n"], strict=True))
    if after.get("purchase", 0) >= LEAST_USERS:
        found.append("repurchased")
    if after.get("churn", 0) >= LEAST_USERS:
        found.append("left")
    if after.get("purchase", 0) >= LEAST_USERS:
        found.append("spend")
    return found


def respondents(
    data: UnitData,
    *,
    params: Params,
    period: str,
    outcome: str = "auto",
    named: Sequence[str] = (),
    by: str = "",
) -> DriverData:
    """Read respondents with their ratings and one outcome.

    Respondents are those of the period who rated an attribute; where they are fewer than `ENOUGH`, those of the periods
    before as well, the latest first, until there are as many (`DriverData.since`). For what customers did
    (``repurchased``, ``left``, ``spend``) they are those of all periods whose `HORIZON` days after the answer are over,
    and only what came after the answer counts, once: answers of a customer within `HORIZON` days of one that counts
    have no outcome. *Not used* stays a state; refused, blank and never asked are blanks. Codes of an ordinal outcome
    that nobody gave are left out, but the best one.

    Parameters
    ----------
    data : UnitData
    params : Params
        Scales and headline.
    period : str
        The unit's period.
    outcome : str
        An item id, a role (``overall``, ``nps``, ``ces``), ``satisfied``, ``repurchased``, ``left``, ``spend`` (log of
        1 + money), or ``auto``: the first of `outcomes`.
    named : sequence of str
        Attributes wanted; by default all that were rated.
    by : str
        What effects may differ by: ``period``, ``channel``, ``touchpoint`` or ``segment:<name>``; with ``period`` the
        respondents of all periods are read.

    Returns
    -------
    DriverData

    Raises
    ------
    ParamsError
        If the outcome or an attribute is none of the unit's.
    ModelError
        If there is too little to fit, with every reason.
    """
    names = attributes(data, period=period, named=named)
    able = outcomes(data, params=params, period=period)
    item, kind = _outcome(data, able, outcome, period)
    names = [name for name in names if name != item]
    scale_of = _scales(data)
    levels = [tuple(float(c) for c in params.scales[scale_of[name]].codes) for name in names]
    every = by == "period" or item in BEHAVIOUR
    since = "" if every else _since(data, names, period)
    rows = _rows(data, names, levels, span=(since, period) if since else (), by=by)
    rows = rows[(rows[_columns(names)] >= 0).any(axis=1)].reset_index(drop=True)
    own: tuple[float, ...] = ()
    if item in BEHAVIOUR:
        values, kind = _behaviour(data, rows, item)
        own = () if kind == "continuous" else (0.0, 1.0)
    else:
        values, own = _answers(data, rows, item, kind, params, scale_of, able)
    group, groups = _groups(rows, by)
    weighted = bool(rows["weighted"].any()) if len(rows) else False
    found = model_data(
        rows[_columns(names)].to_numpy(),
        values,
        attributes=names,
        levels=levels,
        kind=kind,
        outcome_levels=own,
        weights=rows["weight"].to_numpy(float) if weighted else None,
        group=group,
        groups=groups,
        name=item,
        customers=rows["customer"].to_numpy(object),
    )
    return replace(found, since="" if since == period else since)


def _since(data: UnitData, names: Sequence[str], period: str) -> str:
    """Return the first of the latest periods that have `ENOUGH` respondents together."""
    marks = ", ".join("?" * len(names))
    asked = data.sql(
        "SELECT period, count(DISTINCT response_id) AS n FROM ratings"
        f" WHERE value IS NOT NULL AND item IN ({marks}) GROUP BY period ORDER BY period DESC",
        params=list(names),
    )
    asked = asked[asked["period"] <= period]
    before = asked["n"].cumsum() - asked["n"]
    return str(asked.loc[before < ENOUGH, "period"].iloc[-1]) if len(asked) else period


def _outcome(data: UnitData, able: Sequence[str], wanted: str, period: str) -> tuple[str, Kind]:
    if not able:
        what, todo = "nobody rated attributes and an outcome together", "give items the role attribute, and one"
        raise ModelError(Problem(what, where="outcome", value=period, todo=f"{todo} the role overall, nps or ces"))
    roles = data.items().drop_duplicates("item").set_index("item")["role"]
    by_role = {str(roles[name]): name for name in reversed(able) if name in roles.index}
    name = able[0] if wanted == "auto" else by_role.get(wanted, wanted)
    if name not in able:
        legal = [*able, *(role for role in ROLES if role in by_role)]
        allowed = ", ".join(dict.fromkeys(legal))
        problem = Problem("no such outcome in this unit", where="outcome", value=wanted, allowed=allowed)
        raise ParamsError(replace(problem, nearest=nearest(wanted, legal)))
    return name, "binary" if name == "satisfied" else "continuous" if name == "spend" else "ordinal"


def _scales(data: UnitData) -> dict[str, str]:
    asked = data.items().drop_duplicates("item", keep="last")
    return dict(zip(asked["item"], asked["scale"], strict=True))


def _columns(names: Sequence[str]) -> list[str]:
    return [f"a{i}" for i in range(len(names))]


def _rows(
    data: UnitData, names: Sequence[str], levels: Sequence[Sequence[float]], *, span: tuple[str, ...], by: str
) -> pd.DataFrame:
    """One row a response: place of each attribute's code (-1 blank, -2 not used), weight, date, customer, group."""
    values: list[object] = []
    parts = []
    for i, (name, codes) in enumerate(zip(names, levels, strict=True)):
        parts.append(
            "coalesce(max(CASE WHEN t.item = ? THEN CASE WHEN t.missing = 'not_used' THEN "
            f"{NOT_USED} ELSE coalesce(list_position(?::DOUBLE[], t.value), 0)::INTEGER - 1 END END), -1) AS a{i}"
        )
        values += [name, list(codes)]
    factor = "NULL" if not by else _factor(data, by)
    where = "WHERE r.period BETWEEN ? AND ?" if span else ""
    values += span
    return data.sql(
        "SELECT r.response_id, any_value(r.customer) AS customer, any_value(r.date) AS date,"
        " any_value(r.period) AS period, any_value(r.weight) AS weight, any_value(r.weighted) AS weighted,"
        f" any_value({factor}) AS grouping, {', '.join(parts)}"
        f" FROM responses r JOIN ratings t USING (response_id) {where} GROUP BY r.response_id ORDER BY r.response_id",
        params=values,
    )


def _factor(data: UnitData, by: str) -> str:
    columns = [c for c in data.store.columns("responses") if c.startswith(SEGMENT)]
    legal = ["period", "channel", "touchpoint", *columns]
    if by not in legal:
        raise ParamsError(
            Problem("no such grouping", where="by", value=by, allowed=", ".join(legal), nearest=nearest(by, legal))
        )
    return 'r."' + by.replace('"', '""') + '"'


def _groups(rows: pd.DataFrame, by: str) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if not by or rows.empty:
        return None, ()
    names = rows["grouping"].astype(object).where(rows["grouping"].notna(), UNKNOWN).astype(str)
    places = pd.Categorical(names)
    return places.codes.astype(int), tuple(map(str, places.categories))


def _answers(
    data: UnitData,
    rows: pd.DataFrame,
    item: str,
    kind: Kind,
    params: Params,
    scale_of: dict[str, str],
    able: Sequence[str],
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Place of each response's answer to the outcome, -1 if none, and the legal codes."""
    source = item
    if kind == "binary":
        role = data.items().drop_duplicates("item").set_index("item")["role"]
        rated = [n for n in able if n in scale_of and params.scales[scale_of[n]].satisfied_from is not None]
        source = min(rated, key=lambda n: ROLES.index(role[n]))  # overall satisfaction before ease
    said = data.sql("SELECT response_id, value FROM ratings WHERE item = ? AND value IS NOT NULL", params=[source])
    value = (
        rows["response_id"].map(said.drop_duplicates("response_id").set_index("response_id")["value"]).to_numpy(float)
    )
    scale = params.scales[scale_of[source]]
    place = {float(code): i for i, code in enumerate(scale.codes)}
    places = np.array([place.get(v, -1) for v in value])
    if kind != "binary":
        return _given(places, tuple(float(c) for c in scale.codes))
    first = place[float(scale.satisfied_from)]  # type: ignore[arg-type]
    return np.where(places < 0, -1, places >= first), (0.0, 1.0)


def _given(places: np.ndarray, codes: tuple[float, ...]) -> tuple[np.ndarray, tuple[float, ...]]:
    """Leave out codes that nobody gave, but the best one: their cuts know no end, and nothing is said of them."""
    given = np.bincount(places[places >= 0], minlength=len(codes)) > 0
    given[-1] = True
    if given.sum() < 3:
        return places, codes
    order = np.append(np.cumsum(given) - 1, -1)  # the last one is for -1, no answer
    return order[places], tuple(c for c, kept in zip(codes, given, strict=True) if kept)


def _behaviour(data: UnitData, rows: pd.DataFrame, item: str) -> tuple[np.ndarray, Kind]:
    """What each response's customer did in the days after it; missing if those are not over or nobody knows who."""
    done = data.sql(
        "WITH last AS (SELECT max(date) AS day FROM transactions)"
        " SELECT r.response_id, count(*) FILTER (WHERE t.kind = 'purchase') AS bought,"
        " count(*) FILTER (WHERE t.kind = 'churn') AS left_us, coalesce(sum(t.amount), 0) AS spent"
        " FROM responses r JOIN last ON true LEFT JOIN transactions t ON t.customer = r.customer AND t.date > r.date"
        " AND t.date <= r.date + $1::INTEGER WHERE r.customer IS NOT NULL AND r.date IS NOT NULL"
        " AND r.date + $1::INTEGER <= last.day GROUP BY r.response_id",
        params=[HORIZON],
    ).set_index("response_id")
    found = done.reindex(rows["response_id"].where(_apart(rows)))
    if item == "spend":
        return np.log1p(found["spent"].to_numpy(float).clip(min=0)), "continuous"
    column = found["bought" if item == "repurchased" else "left_us"].to_numpy(float)
    return np.where(np.isnan(column), -1, column > 0), "binary"


def _apart(rows: pd.DataFrame) -> np.ndarray:
    """Whether each answer begins `HORIZON` days of its own: what a customer does must not count for two."""
    who = pd.factorize(rows["customer"])[0]  # -1 where nobody knows
    day = pd.to_datetime(rows["date"]).to_numpy("datetime64[D]").astype(int)
    apart = (who >= 0) & rows["date"].notna().to_numpy()
    places = np.flatnonzero(apart)
    places = places[np.lexsort((day[places], who[places]))]
    last, until = -1, 0
    for place, customer, begun in zip(places.tolist(), who[places].tolist(), day[places].tolist(), strict=True):
        if customer == last and begun < until:
            apart[place] = False
        else:
            last, until = customer, begun + HORIZON
    return np.asarray(apart)
