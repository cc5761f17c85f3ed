r"""Floods: texts that were pasted, not said. Copies, near-copies and bursts of one hand; short honest texts are none.

Texts are compared without case, spaces, signs and width of letters. Near-copies are found by their shingles of four
characters: MinHash in bands proposes, the Jaccard similarity to the group's most frequent text decides, so cost is
linear in the texts (Broder 1997, doi:10.1109/SEQUEN.1997.666900). A group of copies is a flood

- *in time*: if it is there at least `LEAST` times within one day (and brand), and so often is next to impossible given
  how often it is said on other days: a Poisson tail below `CHANCE` with rate (times elsewhere + 1) / texts elsewhere;
- *in length*: people say "good" in the same words, never a long sentence. A text of 64 letters (a Chinese character
  counts as two) that is there 3 times and is 0.01 % of all texts, one of `LONG` letters 5 times and 0.03 %, one of two
  thirds of that 8 times and 0.4 %, and each at least 4 times as often as is usual for its length among these texts.

A burst is one customer with `LEAST` texts or more in a day, each conversation counted once. The first text of a flood
stays one voice among others; the rest can be left out (`repeats`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import numpy as np
import pandas as pd

from cxlab.voice.words import HAN

FLOOD_COLUMNS: Final = ("comment_id", "flood", "kind", "first")
KINDS: Final = ("copy", "near_copy", "burst")
LEAST: Final = 5
CHANCE: Final = 1e-7
LONG: Final = 32
ALIKE: Final = 0.6  # Jaccard similarity of shingles from which two texts are near-copies
_SIGNS = re.compile(r"[\W_]+")
_SHINGLE = 4
_LETTERS = 200  # shingles are taken from the beginning of a text: who pastes, pastes from there
_BANDS, _ROWS = 12, 3
_BLOCK = 10_000  # texts at a time, which bounds memory


def find(comments: pd.DataFrame) -> pd.DataFrame:
    """Return the texts that belong to a flood.

    Parameters
    ----------
    comments : DataFrame
        ``comment_id``, ``text``; optional ``date``, ``brand``, ``customer`` (null = unknown), ``conversation`` and
        ``speaker`` (texts of agents are no floods: they answer in set phrases).

    Returns
    -------
    DataFrame
        `FLOOD_COLUMNS`, one row a text of a flood, in the order of the comments: ``flood`` numbered from 0 by first
        appearance, ``kind`` copy, near_copy or burst (a copy that is also of a burst is a copy), ``first`` true for
        the text that stays.
    """
    rows = pd.DataFrame({"comment_id": comments["comment_id"].astype(str).to_numpy()})
    for column in ("date", "brand", "customer", "conversation", "speaker"):
        rows[column] = comments[column].to_numpy() if column in comments else None
    rows["brand"] = ["" if pd.isna(b) else str(b) for b in rows["brand"]]
    rows["date"] = pd.to_datetime(rows["date"]).dt.floor("D")
    rows["same"] = [same(t) for t in comments["text"]]
    rows = rows[(rows["same"] != "") & (rows["speaker"] != "agent")].reset_index(drop=True)
    which, distinct = pd.factorize(rows["same"].to_numpy(object))
    counts = np.bincount(which, minlength=len(distinct))
    length = letters(distinct)
    group = _groups(distinct, counts, length)  # of the distinct texts: the row of the group's text
    rows["group"] = group[which]
    rows["length"] = length[rows["group"]]
    flooded = _in_time(rows) | _in_length(rows)
    rows["kind"] = np.where(which == rows["group"], "copy", "near_copy")
    rows["key"] = np.where(flooded, "t" + rows["group"].astype(str), "")
    burst = _bursts(rows) & ~flooded
    rows.loc[burst, "kind"] = "burst"
    rows.loc[burst, "key"] = "c" + rows["customer"].astype(str) + " " + rows["date"].astype(str)
    found = rows[rows["key"] != ""].copy()
    found["flood"] = pd.factorize(found["key"])[0]
    found["first"] = ~found["flood"].duplicated()
    return found[list(FLOOD_COLUMNS)].reset_index(drop=True)


def repeats(found: pd.DataFrame) -> list[str]:
    """Return the ids of a `find` that say nothing new: all but the first text of each flood."""
    return [str(v) for v in found.loc[~found["first"], "comment_id"]]


def same(text: object) -> str:
    """Letters and digits only, in one case and width."""
    if not isinstance(text, str):
        return ""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _SIGNS.sub("", plain.lower())


def letters(texts: np.ndarray) -> np.ndarray:
    """Return lengths in letters; a Chinese character carries about two."""
    series = pd.Series(texts, dtype=str)
    return (series.str.len() + series.str.count(f"[{HAN}]")).to_numpy(int)


def _groups(texts: np.ndarray, counts: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return for each distinct text the one it is a near-copy of: the most frequent alike, or itself."""
    group = np.arange(len(texts))
    long = np.flatnonzero(length >= LONG * 2 // 3)
    if len(long) < 2:
        return group
    sets: list[np.ndarray] = []
    bands: list[np.ndarray] = []
    for at in range(0, len(long), _BLOCK):
        shingles, starts = _shingles([texts[i][:_LETTERS] for i in long[at : at + _BLOCK]])
        sets += np.split(shingles, starts[1:])
        bands.append(_bands(shingles, starts))
    keys_of = np.concatenate(bands)
    heads: list[dict[int, list[int]]] = [{} for _ in range(_BANDS)]
    for k in sorted(range(len(long)), key=lambda i: (-counts[long[i]], i)):
        keys = keys_of[k].tolist()
        best, at = ALIKE, -1
        for head in {h for b, key in enumerate(keys) for h in heads[b].get(key, ())}:
            shared = len(np.intersect1d(sets[k], sets[head], assume_unique=True))
            alike = shared / (len(sets[k]) + len(sets[head]) - shared)
            if alike >= best:
                best, at = alike, head
        if at >= 0:
            group[long[k]] = long[at]
            continue
        for b, key in enumerate(keys):
            known = heads[b].setdefault(key, [])
            if len(known) < 8:  # bounded: a band that everybody shares proposes the most frequent texts only
                known.append(k)
    return group


def _shingles(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted distinct shingle hashes of all texts one after the other, and where each text begins."""
    sizes = np.array([len(t) for t in texts])
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    mixed = np.zeros(len(codes) - _SHINGLE + 1, np.uint64)
    for k in range(_SHINGLE):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes[k : len(codes) - _SHINGLE + 1 + k]
    owner = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)[: len(mixed)]
    inside = np.arange(len(mixed)) + _SHINGLE <= np.cumsum(sizes)[owner.astype(int)]
    both = np.sort(owner[inside] << np.uint64(32) | mixed[inside] >> np.uint64(32))
    both = both[np.flatnonzero(np.diff(both, prepend=both[:1] + np.uint64(1)))]
    owner = both >> np.uint64(32)
    return both.astype(np.uint32), np.searchsorted(owner, np.arange(len(texts), dtype=np.uint64))


def _bands(shingles: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the band keys of each text, shape (texts, bands): equal keys propose a pair."""
    rng = np.random.default_rng(0)
    keys = np.zeros((len(starts), _BANDS), np.uint64)
    for b in range(_BANDS):
        for odd in rng.integers(1, 1 << 31, _ROWS, dtype=np.uint32) * np.uint32(2) + np.uint32(1):
            mixed = shingles * odd
            mixed ^= mixed >> np.uint32(15)
            keys[:, b] = keys[:, b] * np.uint64(1_000_003) + np.minimum.reduceat(mixed, starts)
    return keys


def _in_time(rows: pd.DataFrame) -> np.ndarray:
    """Return which rows belong to a group that is said too often on one of its days."""
    from scipy.stats import poisson

    dated = rows[rows["date"].notna()]
    if dated.empty:
        return np.zeros(len(rows), bool)
    place = dated["brand"]
    day = dated.groupby(["group", place, "date"]).size().rename("n").reset_index()
    day = day[day["n"] >= LEAST]
    of_group = dated.groupby("group").size()
    of_day = dated.groupby([place, "date"]).size()
    volume = of_day.loc[pd.MultiIndex.from_frame(day[["brand", "date"]])].to_numpy() if len(day) else np.zeros(0)
    elsewhere = (of_group.loc[day["group"]].to_numpy() - day["n"].to_numpy() + 1) / (len(dated) - volume + 1)
    hot = day[poisson.sf(day["n"].to_numpy() - 1, volume * np.minimum(elsewhere, 1)) < CHANCE]
    keys = set(zip(hot["group"], hot["brand"], hot["date"], strict=True))
    mine = zip(rows["group"], rows["brand"], rows["date"], strict=True)
    return np.array([key in keys for key in mine], bool)


def _in_length(rows: pd.DataFrame) -> np.ndarray:
    """Return which rows belong to a group that is larger than honest texts of its length give."""
    size = rows.groupby("group")["group"].transform("size").to_numpy()
    length, total = rows["length"].to_numpy(), len(rows)
    bucket = np.digitize(length, [LONG * 2 // 3, LONG, 2 * LONG])
    # sizes that four in five texts of the length do not exceed: 1 where people write, more where they click phrases
    usual = pd.Series(size).groupby(np.minimum(bucket, 2)).transform("quantile", 0.8).to_numpy()
    least = np.select(
        [bucket == 0, bucket == 1, bucket == 2],
        [np.inf, max(8.0, 4e-3 * total), max(5.0, 3e-4 * total)],
        max(3.0, 1e-4 * total),
    )
    return np.asarray(size >= np.maximum(least, 4 * usual * (usual > 1)), bool)


def _bursts(rows: pd.DataFrame) -> np.ndarray:
    """Return which rows are of a customer's day with too many texts."""
    known = rows["customer"].notna() & rows["date"].notna()
    talk = rows["conversation"].where(rows["conversation"].notna(), rows["comment_id"])
    keys = [rows.loc[known, "customer"].astype(str), rows.loc[known, "date"]]
    said = talk[known].groupby(keys).transform("nunique")
    out = np.zeros(len(rows), bool)
    out[np.flatnonzero(known)] = said.to_numpy() >= LEAST
    return out
