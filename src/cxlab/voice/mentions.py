"""What the comments of a unit mention, by touchpoint and period, and the score that came with each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.vocab import UNKNOWN
from cxlab.voice import model
from cxlab.voice.model import LEAST, MentionsData

if TYPE_CHECKING:
    from cxlab.params.models import Params

MOST: Final = 20_000  # scored comments that effects are learnt from; of more a part is drawn
FEWEST: Final = 50  # scored comments from which on effects are told
RECOMMEND: Final = (-100.0, 0.0, 100.0)  # what detractors, passives and promoters count in a mean
_OTHER: Final = "(other)"


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
        From `cxlab.voice.text.scores.of`.
    params : Params
    periods : sequence of str
        All up to the unit's, in order; comments of others are left out.
    situations : DataFrame, optional
        ``comment_id, situation`` (`cxlab.voice.text.situations.find`).
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
