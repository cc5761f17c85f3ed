r"""What is new: topics, and finer groups of clauses within or beside them, that rise from next to nothing.

All clauses of all periods are put into fine groups without a look at their dates; so under "nothing is new" a group's
comments are spread over the periods as all comments are. Of :math:`n` comments now and :math:`N` in all, :math:`m` of
which speak of the group, :math:`x` do so now; with nothing new :math:`x` is hypergeometric, and

.. math:: p = P(X \ge x), \qquad
          \text{new if } p \le \frac{\alpha}{T} \text{ and } \frac{x / n}{(m - x + 1) / (N - n + 1)} \ge 3

for :math:`T` topics and groups: over runs in which nothing is new, at most a share :math:`\alpha` (`FALSE_ALARM`)
announces anything. What a page shows is the probability that the share rose,

.. math:: P(\theta_1 > \theta_0), \qquad \theta_1 \sim \mathrm{Beta}(x + \tfrac12, n - x + \tfrac12), \quad
          \theta_0 \sim \mathrm{Beta}(m - x + \tfrac12, N - n - m + x + \tfrac12).

What it cannot say: why, and whether a season comes back; now is compared with all earlier periods together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from scipy import special, stats

FALSE_ALARM: Final = 0.05  # share of runs that announce something though nothing is new, at most
TIMES: Final = 3.0  # how often its earlier share a new one must be
LEAST: Final = 5  # comments that must speak of it now
COLUMNS: Final = ("topic", "kind", "parent", "keywords", "language", "mean", "n", "share", "before", "verdict")
EMERGING: Final = "emerging"
_NODES: Final = 400  # points of the numerical integral


def find(
    mentions: pd.DataFrame,
    *,
    period: Mapping[str, str],
    now: str,
    groups: pd.DataFrame | None = None,
    alarm: float = FALSE_ALARM,
    least: int = LEAST,
) -> pd.DataFrame:
    """Return how surely each topic, and each fine group, rose against all earlier periods.

    Parameters
    ----------
    mentions : DataFrame
        ``comment_id``, ``topic_id`` and, if there are fine groups, ``group``; null where a clause has none.
    period : mapping of str to str
        Period of each comment; comments of later periods than `now`, and those without one, do not count.
    now : str
        The period looked at.
    groups : DataFrame, optional
        ``group``, ``topic_id``, ``keywords`` and, if known, ``language`` (of the keywords).
    alarm : float
        Share of runs that may announce something though nothing is new.
    least : int
        Comments a topic or group must have now to be announced.

    Returns
    -------
    DataFrame
        `COLUMNS`: ``topic`` (id of the topic or group), ``kind`` (topic, group), ``parent`` topic of a group,
        ``keywords`` and their ``language`` (groups only), ``mean`` (probability that its share rose), ``n`` comments
        now, ``share`` now and ``before``, ``verdict`` (`EMERGING` or empty); the surest first. Empty if there is no
        comment now or none before.
    """
    when = mentions["comment_id"].map(dict(period))
    known = mentions[when.notna() & (when <= now)].assign(period=when)
    comments = known[["comment_id", "period"]].drop_duplicates("comment_id")
    current = int((comments["period"] == now).sum())
    total = len(comments)
    if not current or current == total:
        return pd.DataFrame(columns=list(COLUMNS))
    parts = [_counted(known, "topic_id", now).assign(kind="topic", parent=None, keywords=None, language=None)]
    if "group" in known:
        fine = _counted(known, "group", now).assign(kind="group")
        about = groups if groups is not None else pd.DataFrame(columns=["group", "topic_id", "keywords"])
        about = about.rename(columns={"group": "topic", "topic_id": "parent"})
        about = about.reindex(columns=["topic", "parent", "keywords", "language"])
        parts.append(fine.merge(about, on="topic", how="left"))
    frame = pd.concat([p for p in parts if len(p)], ignore_index=True) if any(map(len, parts)) else parts[0]
    x, m = frame["n"].to_numpy(int), frame["all"].to_numpy(int)
    chance = stats.hypergeom.sf(x - 1, total, m, current)
    share, before = x / current, (m - x) / (total - current)
    times = share / ((m - x + 1) / (total - current + 1))
    new = (chance <= alarm / max(len(frame), 1)) & (times >= TIMES) & (x >= least)
    frame = frame.assign(
        mean=[risen(a, current, b, total - current) for a, b in zip(x, m - x, strict=True)],
        share=share,
        before=before,
        verdict=np.where(new, EMERGING, ""),
    )
    order = np.lexsort((-share, chance, ~new))
    return frame.iloc[order][list(COLUMNS)].reset_index(drop=True)


def _counted(known: pd.DataFrame, column: str, now: str) -> pd.DataFrame:
    """Return comments that mention each value of a column: now and in all."""
    each = known[known[column].notna()].drop_duplicates(["comment_id", column])
    counts = each.groupby(column, sort=True)["period"].agg(n=lambda p: int((p == now).sum()), all="size")
    return counts.rename_axis("topic").reset_index()


def risen(x: int, n: int, x_before: int, n_before: int) -> float:
    """Return P(share now > share before) of two counts under Jeffreys' priors.

    Parameters
    ----------
    x, n : int
        Comments now that speak of it, and all.
    x_before, n_before : int
        The same of earlier periods.
    """
    a, b = x_before + 0.5, n_before - x_before + 0.5
    middle, wide = a / (a + b), 10 * np.sqrt(a * b / (a + b + 1)) / (a + b)
    edges = np.linspace(max(middle - wide, 0.0), min(middle + wide, 1.0), _NODES)
    theirs = np.diff(special.betainc(a, b, edges))
    ours = special.betaincc(x + 0.5, n - x + 0.5, (edges[1:] + edges[:-1]) / 2)
    return float(np.clip(theirs @ ours / theirs.sum(), 0, 1))
