"""Rows of experiences: what customers met at each touchpoint, and what they said afterwards.

Nothing of a row's experience or covariates is later than its answer: an interaction counts only if its day is before
the answer's, purchases of the past are those before it. An interaction's outcome is a column ``outcome:<name>`` that is
true or false; which of the two is the bad experience is learned from the answers of those who met it (`worse_side`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cxlab.connect.sql import identifier, literal
from cxlab.inference.ordinal_regression import contrasts
from cxlab.params.models import Params, Scale
from cxlab.runs import UnitData
from cxlab.vocab import OUTCOME, SEGMENT, UNKNOWN

MOST_ROWS: Final = 12_000  # answers or customers a model sees; of more a fixed share is drawn by hash
RECENT: Final = 92  # days for which an interaction counts as known to somebody who answers
NOT: Final = "not "  # before the name of an outcome: the bad experience is that it did not happen
BOUGHT: Final = "('purchase', 'renewal', 'booking')"
_ASKED: Final = "{}.response_id IN (SELECT unnest(?::VARCHAR[]))"  # the answers at hand; of millions a part
_MOST_GROUPS: Final = 8  # groups of a covariate kept apart; the rarer ones are one


@dataclass(frozen=True)
class Question:
    """The answer that stands for the whole relationship.

    Attributes
    ----------
    item : str
    codes : tuple of int
        From worst to best.
    success : int
        Places above this boundary are satisfied.
    """

    item: str
    codes: tuple[int, ...]
    success: int


def question(data: UnitData, params: Params) -> Question | None:
    """Return the overall question with most answers, else the recommend or the effort question; None without any.

    A question on a single touchpoint stands for the relationship only where none of its role asks about the whole.
    """
    items = data.items().assign(part=lambda rows: rows["touchpoint"].notna())
    asked = items.groupby(["item", "role", "scale"], as_index=False).agg(n=("n", "sum"), part=("part", "all"))
    for role in ("overall", "nps", "ces"):
        of_role = asked[asked["role"] == role].sort_values(["part", "n", "item"], ascending=[True, False, True])
        if len(of_role):
            item, scale = str(of_role["item"].iloc[0]), params.scales[str(of_role["scale"].iloc[0])]
            _, good = edges(scale) if role != "nps" else (0, len(scale.codes) - 2)
            return Question(item, tuple(scale.codes), good - 1)
    return None


def edges(scale: Scale) -> tuple[int, int]:
    """Return the places of the best bad code and the worst good code: the lower two fifths are bad (two of five codes).

    Good is what the params call satisfied, else the upper two fifths.
    """
    k = len(scale.codes)
    fifths = max(1, round(0.4 * k))
    good = scale.codes.index(scale.satisfied_from) if scale.satisfied_from is not None else k - fifths
    return min(fifths - 1, good - 1) if good > 0 else 0, max(good, 1)


def touchpoints(params: Params, known: Sequence[str]) -> list[str]:
    """Return touchpoints in the order of the journey's stages, those of no stage last."""
    staged = [t for stage in params.journey.stages for t in stage.touchpoints]
    return [t for t in staged if t in known] + sorted({k for k in known if k not in staged})


def answers(data: UnitData, params: Params, asked: Question, *, days: int = 183) -> pd.DataFrame:
    """Return one row an answer to the question, with covariates.

    Returns
    -------
    DataFrame
        ``response_id, customer, date, y`` (place of the code), ``since`` (days a customer, missing if unknown), and
        covariates as text: ``segment:*``, ``period``, ``channel``, ``past`` (purchases in the `days` before).
    """
    segments = [c for c in data.store.columns("responses") if c.startswith(SEGMENT)]
    total = data.sql(f"SELECT count(*) AS n FROM ratings WHERE item = {literal(asked.item)} AND value IS NOT NULL")
    codes = ", ".join(map(str, asked.codes))
    rows = data.sql(
        f"""WITH said AS (SELECT r.response_id, r.customer, r.date, r.period, r.channel,
                {"".join(f"r.{identifier(s)}, " for s in segments)}list_position([{codes}], t.value::INTEGER) - 1 AS y
            FROM ratings t JOIN responses r USING (response_id)
            WHERE t.item = {literal(asked.item)} AND t.value IS NOT NULL
                AND {sampled("coalesce(r.customer, r.response_id)", int(total["n"].iloc[0]))}),
            came AS (SELECT customer, min(since) AS since FROM customers GROUP BY customer),
            bought AS (SELECT DISTINCT customer, date FROM transactions WHERE kind IN {BOUGHT}),
            past AS (SELECT s.response_id, count(*) AS n FROM said s JOIN bought b ON b.customer = s.customer
                AND b.date < s.date AND b.date >= s.date - {days} GROUP BY s.response_id)
        SELECT s.*, date_diff('day', c.since, s.date) AS since, coalesce(p.n, 0) AS past
        FROM said s LEFT JOIN came c USING (customer) LEFT JOIN past p USING (response_id)
        WHERE s.y IS NOT NULL ORDER BY s.date, s.response_id"""
    )
    rows["past"] = binned(rows["past"], rows["customer"].notna())
    rows["customer"] = rows["customer"].fillna(rows["response_id"])
    return rows


def rated(data: UnitData, params: Params, response_ids: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how each answer rates each touchpoint.

    Ratings of role ``attribute`` that name a touchpoint; several of one touchpoint are averaged on 0-1.

    Returns
    -------
    DataFrame
        Ratings 0-1, a row an answer in the order given, a column a touchpoint in the order of the journey, NaN where
        not rated.
    DataFrame
        The same as words of `moments.LEVELS`.
    """
    items = data.items()
    items = items[(items["role"] == "attribute") & items["touchpoint"].notna()][["item", "scale"]].drop_duplicates()
    values = []
    for item, name in items.itertuples(index=False):
        scale = params.scales[str(name)]
        last = len(scale.codes) - 1
        bad, good = (e / last for e in edges(scale))
        values += [f"({literal(item)}, {c}, {i / last}, {bad}, {good})" for i, c in enumerate(scale.codes)]
    if not values or response_ids.empty:
        none = pd.DataFrame(index=response_ids.index)
        return none, none
    long = data.sql(
        f"""SELECT t.response_id, t.touchpoint, avg(v.pos) AS pos, avg(v.bad) AS bad, avg(v.good) AS good
        FROM ratings t JOIN (VALUES {", ".join(values)}) v(item, code, pos, bad, good)
            ON t.item = v.item AND t.value = v.code
        WHERE t.role = 'attribute' AND t.touchpoint IS NOT NULL AND {_ASKED.format("t")} GROUP BY ALL""",
        params=[response_ids.tolist()],
    )
    low, high = long["pos"] <= long["bad"] + 1e-9, long["pos"] >= long["good"] - 1e-9
    long["word"] = np.where(low, "bad", np.where(high, "good", "middling"))
    order = touchpoints(params, list(pd.unique(long["touchpoint"])))
    places, words = (
        long.pivot(index="response_id", columns="touchpoint", values=c).reindex(response_ids, columns=order)
        for c in ("pos", "word")
    )
    return places.reset_index(drop=True), words.fillna("unknown").reset_index(drop=True)


def outcome_names(data: UnitData) -> list[str]:
    """Return the names of the outcomes that interactions have."""
    return [c.removeprefix(OUTCOME) for c in data.store.columns("interactions") if c.startswith(OUTCOME)]


def met_before(data: UnitData, said: pd.DataFrame) -> pd.DataFrame:
    """Return the outcome of the last interaction of each touchpoint before each answer.

    An interaction is an answer's if both name the same order or case; else if it is the same customer's and at most
    `RECENT` days old. Its day is before the answer's: days cannot tell what came first within one.

    Returns
    -------
    DataFrame
        ``response_id, touchpoint, outcome, happened``.
    """
    names = outcome_names(data)
    if not names or said.empty:
        return pd.DataFrame(columns=["response_id", "touchpoint", "outcome", "happened"])
    parts = " UNION ALL ".join(
        f"""SELECT response_id, touchpoint, {literal(n)} AS outcome,
            arg_max({identifier(OUTCOME + n)}, (linked, date, interaction_id)) AS happened
        FROM met WHERE {identifier(OUTCOME + n)} IS NOT NULL GROUP BY response_id, touchpoint"""
        for n in names
    )
    return data.sql(
        f"""WITH met AS (
            SELECT r.response_id, true AS linked, i.* FROM responses r JOIN interactions i
                ON r.link = i.link AND i.date < r.date WHERE i.touchpoint IS NOT NULL AND {_ASKED.format("r")}
            UNION ALL
            SELECT r.response_id, false AS linked, i.* FROM responses r JOIN interactions i
                ON r.customer = i.customer AND i.date < r.date AND i.date >= r.date - {RECENT}
            WHERE i.touchpoint IS NOT NULL AND {_ASKED.format("r")})
        SELECT * FROM ({parts}) ORDER BY ALL""",
        params=[said["response_id"].tolist(), said["response_id"].tolist()],
    )


def asked_too_early(data: UnitData, *, least: int = 30) -> bool:
    """Whether an outcome could be told from the answers tied to it, had they not been given before it happened."""
    for name in outcome_names(data):
        flag = identifier(OUTCOME + name)
        found = data.sql(
            f"""SELECT count(*) AS n, count(*) FILTER (WHERE i.date < r.date) AS later
            FROM responses r JOIN interactions i ON r.link = i.link
            WHERE {flag} IS NOT NULL AND i.date IS NOT NULL AND r.date IS NOT NULL GROUP BY {flag}"""
        )
        if len(found) == 2 and found["n"].min() >= least > found["later"].min():
            return True
    return False


def worse_side(
    met: pd.DataFrame, said: pd.DataFrame, *, success: int, least: int = 30
) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
    """Return which side of each outcome is the bad experience: its name, or `NOT` and its name.

    It is the side whose customers are less often satisfied, if the difference is more than two standard errors; else
    the outcome by its own name. All with `least` answers on both sides are kept, however small the difference: to keep
    the clear ones only and then report the same difference would make chance look like an effect.

    Returns
    -------
    dict
        (touchpoint, outcome) -> the bad side.
    set
        Those with a clear difference: fit to say what a bad experience is where something else (leaving) is asked.
    """
    joined = met.merge(said[["response_id", "y"]], on="response_id")
    found: dict[tuple[str, str], str] = {}
    clear = set()
    for (touchpoint, outcome), rows in joined.groupby(["touchpoint", "outcome"], sort=True):
        happened = rows["happened"].astype(bool).to_numpy()
        good = rows["y"].to_numpy() > success
        sizes = happened.sum(), (~happened).sum()
        if min(sizes) < least:
            continue
        share = good[happened].mean(), good[~happened].mean()
        error = np.sqrt(sum(s * (1 - s) / n for s, n in zip(share, sizes, strict=True)))
        sure = abs(share[1] - share[0]) > 2 * max(float(error), 1e-9)
        found[str(touchpoint), str(outcome)] = (NOT if sure and share[0] > share[1] else "") + str(outcome)
        if sure:
            clear.add((str(touchpoint), str(outcome)))
    return found, clear


def words(met: pd.DataFrame, sides: dict[tuple[str, str], str], response_ids: pd.Series) -> pd.DataFrame:
    """Return outcomes as words of `moments.LEVELS`: a row an answer, a column a (touchpoint, bad side)."""
    columns = {}
    for (touchpoint, outcome), side in sides.items():
        rows = met[(met["touchpoint"] == touchpoint) & (met["outcome"] == outcome)]
        happened = rows.set_index("response_id")["happened"].astype(bool)
        bad = happened if side == outcome else ~happened
        columns[touchpoint, side] = bad.map({True: "bad", False: "good"}).reindex(response_ids).fillna("unknown")
    table = pd.DataFrame({k: v.to_numpy() for k, v in columns.items()}, index=range(len(response_ids)))
    table.columns = columns_of(list(columns))
    return table


def columns_of(places: Sequence[tuple[str, str]]) -> pd.MultiIndex:
    """Return (touchpoint, basis) as the columns `moments.model_data` wants; also of none."""
    return pd.MultiIndex.from_arrays([[p[i] for p in places] for i in (0, 1)], names=["touchpoint", "basis"])


def covariates(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns of groups as text, the rarest put together, columns of one group left out."""
    found = {}
    for name in names:
        groups = rows[name].astype("string")
        common = groups.value_counts().index[:_MOST_GROUPS]
        kept = groups.where(groups.isin(common) | groups.isna(), "(other)")
        if kept.nunique(dropna=False) > 1:
            found[name] = kept
    return pd.DataFrame(found, index=rows.index)


def contrasted(rows: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return `covariates` as columns of 0 and 1, shape (row, column)."""
    return contrasts(covariates(rows, names), len(rows))


def binned(counts: pd.Series, known: pd.Series) -> pd.Series:
    """Return purchases as text: 0, 1, 2-3, 4 and more; unknown for those nobody knows."""
    binned = pd.cut(counts, [-1, 0, 1, 3, np.inf], labels=["0", "1", "2-3", "4+"]).astype("string")
    return binned.where(known, UNKNOWN)


def sampled(key: str, n: int) -> str:
    """Return a condition that keeps about `MOST_ROWS` of n, the same ones each time."""
    return "true" if n <= MOST_ROWS else f"hash({key}) % 1000000 < {int(1_000_000 * MOST_ROWS / n)}"
