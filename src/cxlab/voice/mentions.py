"""What the comments of a unit mention, by touchpoint and period, and the score that came with each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.vocab import UNKNOWN
from cxlab.voice import model
from cxlab.voice.model import LEAST, MentionsData
from cxlab.voice.sentiment import labels

if TYPE_CHECKING:
    from cxlab.params.models import Params, Scale
    from cxlab.runs import UnitData

MOST: Final = 20_000  # scored comments that effects are learnt from; of more a part is drawn
FEWEST: Final = 50  # scored comments from which on effects are told
RECOMMEND: Final = (-100.0, 0.0, 100.0)  # what detractors, passives and promoters count in a mean
_OTHER: Final = "(other)"

SCORE_COLUMNS: Final = ("comment_id", "item", "role", "scale", "value", "place", "codes", "good")
BESIDE: Final = "rating"  # item of the number beside a text that no questionnaire explains
_RANGES: Final = ((0, 1), (1, 5), (0, 5), (1, 7), (1, 10), (0, 10))  # scales such a number may be on, by its source
SITUATION_COLUMNS: Final = ("comment_id", "clause", "situation", "kind", "start", "end")
KINDS: Final = ("when", "where", "with", "for")
PHRASED: Final = ("en", "zh")  # languages that have phrases


@dataclass(frozen=True)
class Heard:
    """Comments of a unit that were modelled.

    Attributes
    ----------
    comments : DataFrame
        A row a comment: ``comment_id, customer, period, touchpoint`` (`UNKNOWN` where none), ``told`` (has a topic).
    mention : DataFrame
        Bool, the same rows, a column a topic.
    tone : DataFrame
        The same rows and columns: mean P(positive) of the comment's clauses on the topic, NaN where there is none.
    situation : DataFrame
        Bool, the same rows, a column a situation.
    scored : MentionsData or None
        Of the comments with a score; None where too few have one (`reason`).
    item, metric : str
        The score: the item that most of them answer, and ``mean`` (of codes) or ``nps``.
    n_scored : int
        Comments with that score; `scored` has at most `MOST` of them.
    left_out : int
        Comments whose score is on another scale.
    reason : str
        Why there are no effects, else empty.
    periods : tuple of str
    """

    comments: pd.DataFrame
    mention: pd.DataFrame
    tone: pd.DataFrame
    situation: pd.DataFrame
    scored: MentionsData | None
    item: str
    metric: str
    n_scored: int
    left_out: int
    reason: str
    periods: tuple[str, ...]

    @property
    def topics(self) -> list[str]:
        """Those mentioned at all, the commonest first."""
        return list(self.mention.columns)

    @property
    def learnt(self) -> int:
        """Comments that effects are learnt from; 0 where none are told (`reason`)."""
        return self.n_scored if self.scored is not None else 0

    @property
    def places(self) -> list[str]:
        """Touchpoints of the comments."""
        return sorted(self.comments["touchpoint"].unique())

    def counts(self, of: np.ndarray) -> np.ndarray:
        """Count comments with a topic, where `of` is true, by touchpoint and period: shape (place, period)."""
        rows = self.comments[self.comments["told"].to_numpy(bool) & np.asarray(of, bool)]
        table = pd.crosstab(rows["touchpoint"], rows["period"])
        return table.reindex(index=self.places, columns=list(self.periods), fill_value=0).to_numpy()


def of(
    comments: pd.DataFrame,
    clauses: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    params: Params,
    periods: Sequence[str],
    situations: pd.DataFrame | None = None,
    seed: int = 0,
) -> Heard:
    """Put together what a unit's comments mention.

    Parameters
    ----------
    comments : DataFrame
        Canonical comments that the unit may see.
    clauses : DataFrame
        ``comment_id, topic_id`` (missing where a clause is unlike every topic), ``sentiment`` and, if known,
        ``language``; those of comments the unit may not see are left out.
    scores : DataFrame
        From `scores_of`.
    params : Params
    periods : sequence of str
        All up to the unit's, in order; comments of others are left out.
    situations : DataFrame, optional
        ``comment_id, situation`` (`situations_of`).
    seed : int
        Of the part drawn from more than `MOST` scored comments.
    """
    rows = comments[comments["comment_id"].isin(clauses["comment_id"]) & comments["period"].isin(list(periods))]
    rows = rows.drop_duplicates("comment_id").reset_index(drop=True)
    own = clauses[clauses["comment_id"].isin(rows["comment_id"])]
    told = own[own["topic_id"].notna()].astype({"topic_id": "string"})
    size = told.drop_duplicates(["comment_id", "topic_id"])["topic_id"].value_counts()
    order = sorted(size.index, key=lambda t: (-int(size[t]), t))
    tone = told.pivot_table(index="comment_id", columns="topic_id", values="sentiment", aggfunc="mean", dropna=False)
    mention = _indicators(told.rename(columns={"topic_id": "what"}), rows, order)
    also = pd.DataFrame(columns=["comment_id", "what"])
    if situations is not None:
        also = situations.rename(columns={"situation": "what"})
        also = also[also["comment_id"].isin(rows["comment_id"])]
    situation = _indicators(also, rows, sorted(map(str, also["what"].unique())))
    about = pd.DataFrame(
        {
            "comment_id": rows["comment_id"],
            "customer": rows["customer"],
            "period": rows["period"].astype(str),
            "touchpoint": rows["touchpoint"].astype("string").fillna(UNKNOWN).astype(object),
            "told": mention.to_numpy().any(axis=1) if order else np.zeros(len(rows), bool),
        }
    )
    covariates = _covariates(rows, own)
    chosen, item, metric, values, other = _score(about, scores, params)
    if len(chosen) > MOST:
        part = np.random.default_rng(seed).choice(len(chosen), MOST, replace=False)
        used = chosen.iloc[np.sort(part)]
    else:
        used = chosen
    data, reason = None, ""
    if len(used) < FEWEST:
        reason = f"only {len(used)} comments came with a score"
    elif used["place"].nunique() < 2:
        reason = "all scores are the same"
    else:
        at = used.index.to_numpy()
        data = model.model_data(
            mention.iloc[at], used["place"].to_numpy(int), values=values, touchpoint=about["touchpoint"].iloc[at],
            situations=situation.iloc[at], covariates=covariates.iloc[at].assign(item=used["item"].to_numpy()),
            customer=about["customer"].iloc[at],
        )  # fmt: skip
    if data is not None and not data.topics:
        data, reason = None, f"no topic is in {LEAST} scored comments and absent from {LEAST}"
    return Heard(
        about, mention, tone.reindex(index=about["comment_id"], columns=order).reset_index(drop=True), situation, data,
        item, metric, len(chosen), other, reason, tuple(periods),
    )  # fmt: skip


def _indicators(said: pd.DataFrame, rows: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    place = pd.Series(np.arange(len(rows)), index=rows["comment_id"])
    column = pd.Series(np.arange(len(order)), index=order)
    found = np.zeros((len(rows), len(order)), bool)
    if len(said):
        found[place[said["comment_id"]].to_numpy(), column[said["what"].astype(str)].to_numpy()] = True
    return pd.DataFrame(found, columns=order)


def _covariates(rows: pd.DataFrame, clauses: pd.DataFrame) -> pd.DataFrame:
    """Period, source, brand and language of comments as text, rare groups together."""
    found = pd.DataFrame({c: rows[c].astype("string") for c in ("period", "source", "brand") if c in rows})
    if "language" in clauses:
        spoken = clauses.drop_duplicates("comment_id").set_index("comment_id")["language"]
        found["language"] = rows["comment_id"].map(spoken).astype("string").to_numpy()
    for name in found.columns:
        counts = found[name].value_counts()
        rare = counts.index[counts < LEAST]
        found[name] = found[name].mask(found[name].isin(rare), _OTHER)
    return found


def _score(
    about: pd.DataFrame, scores: pd.DataFrame, params: Params
) -> tuple[pd.DataFrame, str, str, list[float], int]:
    """Rows of the scale most comments are scored on, in the order of the comments; their item, metric and values."""
    own = scores.drop_duplicates("comment_id").set_index("comment_id").reindex(about["comment_id"]).reset_index()
    own = own[own["place"].notna()]
    if own.empty:
        return own, "", "mean", [0.0, 1.0], 0
    recommend = own["role"].eq("nps") & own["codes"].eq(len(range(11)))
    kind = pd.Series(np.where(recommend, "nps", own["codes"].astype(int).astype(str)), index=own.index)
    best = kind.value_counts().sort_index().idxmax()
    chosen = own[kind == best]
    item = str(chosen["item"].value_counts().sort_index().idxmax())
    if best == "nps":
        values = [RECOMMEND[0]] * 7 + [RECOMMEND[1]] * 2 + [RECOMMEND[2]] * 2
        return chosen, item, "nps", values, len(own) - len(chosen)
    scale = str(chosen.loc[chosen["item"] == item, "scale"].iloc[0])
    if scale in params.scales:
        codes = [float(c) for c in params.scales[scale].codes]
        values = codes if codes == sorted(codes) else [float(i) for i in range(1, len(codes) + 1)]  # worst first
    else:
        low, high = scale.split("-")
        values = [float(c) for c in range(int(low), int(high) + 1)]
    return chosen, item, "mean", values, len(own) - len(chosen)


def scores_of(data: UnitData, params: Params) -> pd.DataFrame:
    """Return the score of every comment that has one.

    Parameters
    ----------
    data : UnitData
    params : Params

    Returns
    -------
    DataFrame
        One row a scored comment: ``comment_id``; ``item`` and ``role`` it answers (`BESIDE` and "" where only a number
        stood beside the text); ``scale`` (id, or the range such numbers lie in); ``value`` (code), ``place`` (0 the
        worst), ``codes`` (how many); ``good``: 1, 0, or NaN for the middle (`sentiment.labels`). Good is what the scale
        calls satisfied, promoters where the question is about recommending; bad below the middle, or detractors.
    """
    asked = data.sql(
        """SELECT c.comment_id, t.item, t.role, t.scale, t.value,
            row_number() OVER (PARTITION BY c.comment_id ORDER BY CASE t.role WHEN 'overall' THEN 0 WHEN 'nps' THEN 1
                ELSE 2 END, t.touchpoint IS NOT NULL, t.item) AS choice
        FROM comments c JOIN ratings t USING (response_id)
        WHERE t.role IN ('overall', 'nps', 'ces') AND t.value IS NOT NULL
        QUALIFY choice = 1 ORDER BY c.comment_id"""
    ).drop(columns="choice")
    beside = data.sql(
        "SELECT comment_id, source, rating AS value FROM comments WHERE rating IS NOT NULL ORDER BY comment_id"
    )
    # A number beside a text whose questionnaires have scales of their own was judged there.
    explained = beside.loc[beside["comment_id"].isin(asked["comment_id"]), "source"].unique()
    beside = beside[~beside["source"].isin(explained)]
    parts = [_on_scale(asked, params)]
    for _, rows in beside.groupby("source", sort=True):
        parts.append(_guessed(rows))
    found = pd.concat([p for p in parts if len(p)], ignore_index=True) if any(map(len, parts)) else parts[0]
    return found.reindex(columns=list(SCORE_COLUMNS)).reset_index(drop=True)


def good_from(scale: Scale, role: str) -> tuple[int, int | None]:
    """Return the first good place and the last bad one of a scale (None: below the middle)."""
    codes = scale.codes
    if role == "nps" and len(codes) == 11:
        return 9, 6
    if scale.satisfied_from is not None:
        return codes.index(scale.satisfied_from), None
    return len(codes) - max(1, round(0.4 * len(codes))), None


def _on_scale(rows: pd.DataFrame, params: Params) -> pd.DataFrame:
    rows = rows.assign(place=np.nan, codes=0, good=np.nan)
    for (name, role), part in rows.groupby(["scale", "role"]):
        scale = params.scales[str(name)]
        place = part["value"].map({float(c): i for i, c in enumerate(scale.codes)}).astype(float)
        first, last = good_from(scale, str(role))
        rows.loc[part.index, "place"] = place
        rows.loc[part.index, "codes"] = len(scale.codes)
        rows.loc[part.index, "good"] = labels(place.to_numpy(), len(scale.codes), good_from=first, bad_to=last)
    return rows[rows["place"].notna()].reset_index(drop=True)


def _guessed(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers without a scale: whole ones within one of the usual ranges; others say nothing we could trust."""
    value = rows["value"]
    ranges = [r for r in _RANGES if value.between(*r).all()] if (value % 1 == 0).all() else []
    if not ranges:
        return pd.DataFrame(columns=list(SCORE_COLUMNS))
    low, high = ranges[0]
    codes = high - low + 1
    place = (value - low).astype(float)
    first = 1 if codes == 2 else codes - max(1, round(0.4 * codes))
    good = labels(place.to_numpy(), codes, good_from=first)
    return rows[["comment_id", "value"]].assign(
        item=BESIDE, role="", scale=f"{low}-{high}", place=place, codes=codes, good=good
    )


@cache
def situation_kinds() -> dict[str, str]:
    """Return the situations and the kind of each: when, where, with (whom), (what) for."""
    return {name: str(entry["kind"]) for name, entry in _phrases().items()}


@cache
def _phrases() -> dict[str, dict[str, str]]:
    with files("cxlab.voice").joinpath("situations.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """All phrases of a language in one pattern with a named group a situation."""
    edge = (r"(?<![\w-])", r"(?![\w-])") if language == "en" else ("", "")
    groups = (f"(?P<{name}>{entry[language]})" for name, entry in _phrases().items())
    return re.compile(f"{edge[0]}(?:{'|'.join(groups)}){edge[1]}", re.IGNORECASE)


def situations_of(clauses: pd.DataFrame) -> pd.DataFrame:
    """Return the situations that clauses tell of.

    Parameters
    ----------
    clauses : DataFrame
        As `cxlab.voice.clauses.Texts.clauses`: ``comment_id``, ``clause``, ``start``, ``text``, ``language``.
        Languages
        without phrases give nothing.

    Returns
    -------
    DataFrame
        `SITUATION_COLUMNS`, one row a situation of a clause (its first phrase): ``start`` and ``end`` are the phrase's
        place in the comment.
    """
    rows: list[tuple[str, int, str, str, int, int]] = []
    kinds = situation_kinds()
    for language in PHRASED:
        pattern = _pattern(language)
        mine = clauses[clauses["language"] == language]
        columns = (mine[c] for c in ("comment_id", "clause", "start", "text"))
        for identity, clause, start, text in zip(*columns, strict=True):
            seen: set[str] = set()
            for m in pattern.finditer(text):
                name = str(m.lastgroup)
                if name not in seen:
                    seen.add(name)
                    rows.append((identity, clause, name, kinds[name], start + m.start(), start + m.end()))
    found = pd.DataFrame(rows, columns=list(SITUATION_COLUMNS))
    found = found.astype({"clause": "int64", "start": "int64", "end": "int64"})
    order = pd.Series(range(len(clauses)), index=pd.MultiIndex.from_frame(clauses[["comment_id", "clause"]]))
    at = order.reindex(pd.MultiIndex.from_frame(found[["comment_id", "clause"]])).to_numpy()
    return found.assign(at=at).sort_values(["at", "start"]).drop(columns="at").reset_index(drop=True)
