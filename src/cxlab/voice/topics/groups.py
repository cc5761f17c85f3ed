"""Rows -> first groups: as many as `choice` says or the analyst asked for, by k-means or by density, guided or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd

from cxlab.voice.topics import clusters, n_topics

Method = Literal["auto", "themes", "fine"]
LARGE: Final = 20_000  # clauses above which groups are found on a sample, then all are assigned


def find(
    rows: np.ndarray,
    mass: np.ndarray,
    anchors: Sequence[np.ndarray],
    guides: np.ndarray,
    *,
    k: int | None,
    seeds: int,
    seed: int,
    method: Method,
) -> tuple[np.ndarray, pd.DataFrame, str]:
    """Return groups of all rows, the table of the choice and the method taken.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Unit vectors.
    mass : ndarray, shape (n,)
        How much each row counts.
    anchors : sequence of ndarray of int
        Rows that hold a keyword of each guided topic.
    guides : ndarray, shape (guided topics, d)
        Their directions: such a topic takes the place of a group that is mostly its own, or stands beside all.
    k : int or None
        Number of groups; None: chosen.
    seeds, seed : int
        Repeats of the choice.
    method : {"auto", "themes", "fine"}
    """
    tried = pd.DataFrame(columns=list(n_topics.COLUMNS))
    if method == "fine":
        return dense(rows), tried, "fine"
    if k is None:
        tried = n_topics.table(rows, weights=mass, seeds=seeds, seed=seed)
        if not len(tried):
            return np.zeros(len(rows), int), tried, "themes"
        k = int(tried.loc[tried["chosen"], "k"].iloc[0])
        if method == "auto" and k == tried["k"].max() and len(tried) == len(n_topics.TRIED):
            narrow = dense(rows)
            if clusters.silhouette(rows, narrow)[0] > tried["silhouette"].max():
                return narrow, tried, "fine"
    k = min(k, len(np.unique(np.round(rows, 4), axis=0)))
    large = len(rows) > LARGE
    take = np.random.default_rng(5).choice(len(rows), LARGE, replace=False) if large else np.arange(len(rows))
    found = clusters.best(rows[take], k, weights=mass[take])
    centres = found.centres
    if len(guides):
        owned = (guides @ centres.T).argmax(1)
        gone = np.unique(owned[_owned(found.labels, take, anchors, owned)])
        centres = np.vstack([np.delete(centres, gone, 0), guides])
    if large or len(guides):
        found = clusters.lloyd(rows, centres, weights=mass, rounds=10)
    return found.labels, tried, "themes"


def _owned(labels: np.ndarray, take: np.ndarray, anchors: Sequence[np.ndarray], owned: np.ndarray) -> np.ndarray:
    """Return which guided topics hold most clauses of the group nearest to them."""
    inside = [np.isin(take[labels == group], words).mean() > 0.5 for words, group in zip(anchors, owned, strict=True)]
    return np.array(inside, bool)


def dense(rows: np.ndarray) -> np.ndarray:
    """Return dense groups, each row that is in none given to the nearest; one group where nothing is dense."""
    take = np.arange(len(rows))
    if len(rows) > LARGE:
        take = np.random.default_rng(5).choice(len(rows), LARGE, replace=False)
    labels = clusters.density(rows[take], least=max(int(np.sqrt(len(take)) / 2), n_topics.SMALLEST))
    k = labels.max() + 1
    if k < 2:
        return np.zeros(len(rows), int)
    centres = clusters.centres_of(rows[take][labels >= 0], labels[labels >= 0], k)
    near = (rows @ centres.T).argmax(1)
    near[take[labels >= 0]] = labels[labels >= 0]
    return near
