"""Texts -> a sparse matrix of words, pairs of words and runs of characters, the same for every text ever met.

A feature is known by a 64-bit hash of its characters, so a fitted model is two arrays of numbers and no word list, and
texts are counted by whole blocks of characters at once. Chinese is counted by runs of one to four characters (no word
boundaries needed), other languages by words, pairs of words and runs of characters inside words, which carry endings
and misspellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

MOST: Final = 300_000  # features kept: the commonest
_BLOCK: Final = 600_000  # characters counted at once
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)  # odd: it has an inverse among 64-bit numbers
_INVERSE: Final = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_PIECES: Final = re.compile(r"[^\W_]+|[!?]|[\u2190-\u2bff\U0001f000-\U0001faff]")
_WIDE: Final = str.maketrans({"！": "!", "？": "?", "’": "", "'": ""})


@dataclass(frozen=True)
class Vocabulary:
    """Features and how rare each is.

    Attributes
    ----------
    key : array of uint64, shape (feature,)
        Hashes, ascending.
    idf : array of float32, shape (feature,)
        Log of one over the share of texts that have it.
    kind : array of uint8, shape (feature,)
        0 words and pairs, 1 runs of characters: each kind has length one in a text.
    language : str
    """

    key: np.ndarray
    idf: np.ndarray
    kind: np.ndarray
    language: str


def vocabulary(texts: Sequence[str], language: str, *, least: int = 2) -> Vocabulary:
    """Collect the features that at least `least` texts have, at most `MOST`."""
    keys, kinds, counts = [], [], []
    for _, doc, key, kind in _blocks(texts, language):
        order = np.lexsort((doc, key))
        doc, key, kind = doc[order], key[order], kind[order]
        first = np.append(True, (key[1:] != key[:-1]) | (doc[1:] != doc[:-1])) if len(key) else np.zeros(0, bool)
        unique, at, n = np.unique(key[first], return_index=True, return_counts=True)
        keys.append(unique)
        kinds.append(kind[first][at])
        counts.append(n)
    every, at = np.unique(np.concatenate([*keys, np.zeros(0, np.uint64)]), return_inverse=True)
    n = np.bincount(at, weights=np.concatenate([*counts, np.zeros(0)]), minlength=len(every))
    kind = np.zeros(len(every), np.uint8)
    kind[at] = np.concatenate([*kinds, np.zeros(0, np.uint8)])
    kept = n >= least
    if kept.sum() > MOST:
        kept &= n > np.partition(n, -MOST)[-MOST]
    idf = np.log((1 + len(texts)) / (1 + n[kept])) + 1
    return Vocabulary(every[kept], idf.astype(np.float32), kind[kept], language)


def matrix(texts: Sequence[str], words: Vocabulary) -> sparse.csr_matrix:
    """Return texts as rows of unit length: damped counts times rarity, shape (text, feature), float32."""
    from scipy import sparse

    parts = []
    for size, doc, key, _ in _blocks(texts, words.language):
        at = np.searchsorted(words.key, key).clip(max=max(len(words.key) - 1, 0))
        known = words.key[at] == key if len(words.key) else np.zeros(len(key), bool)
        counts = sparse.csr_matrix(
            (np.ones(int(known.sum()), np.float32), (doc[known], at[known])), shape=(size, len(words.key))
        )
        counts.sum_duplicates()
        counts.data = (1 + np.log(counts.data)) * words.idf[counts.indices]
        row = np.repeat(np.arange(size), np.diff(counts.indptr))
        block = 2 * row + words.kind[counts.indices]
        square = np.bincount(block, weights=counts.data.astype(float) ** 2, minlength=2 * size)
        both = (square.reshape(size, 2) > 0).sum(axis=1)
        counts.data = (counts.data / np.sqrt(square[block] * both[row])).astype(np.float32)
        parts.append(counts)
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix((0, len(words.key)), dtype=np.float32)


def plain(text: str) -> str:
    """Return lower-case words parted by one space, exclamation and question marks and emoji kept as words."""
    return " ".join(_PIECES.findall(text.lower().translate(_WIDE)))


def _blocks(texts: Sequence[str], language: str) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Number of texts of each block; text, hash and kind of its features."""
    start = 0
    while start < len(texts):
        stop, size = start, 0
        lines = []
        while stop < len(texts) and (size < _BLOCK or stop == start):
            lines.append(plain(texts[stop]))
            size += len(lines[-1]) + 2
            stop += 1
        doc, key, kind = _features(lines, language)
        yield stop - start, doc, key, kind
        start = stop


def _features(lines: list[str], language: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Text, hash and kind of every feature of every line."""
    code = np.frombuffer((" " + " \n ".join(lines) + " ").encode("utf-32-le"), np.uint32)
    n = len(code)
    doc = np.cumsum(code == 10)
    gap = (code == 32) | (code == 10)
    power = np.cumprod(np.append(np.uint64(1), np.full(n, _BASE)))
    back = np.cumprod(np.append(np.uint64(1), np.full(n, _INVERSE)))
    total = np.append(np.uint64(0), np.cumsum(_mixed(code.astype(np.uint64)) * power[:n]))
    gaps = np.append(0, np.cumsum(gap))
    found = []

    def take(begin: np.ndarray, end: np.ndarray, salt: int) -> None:
        key = _mixed((total[end] - total[begin]) * back[begin] + np.uint64(salt))
        found.append((doc[begin], key, np.full(len(key), salt >> 8, np.uint8)))

    if language == "zh":
        for size in (1, 2, 3, 4):
            begin = np.arange(max(n - size + 1, 0))
            begin = begin[gaps[begin + size] == gaps[begin]]
            take(begin, begin + size, size if size < 3 else 256 + size)
    else:
        first, last = np.flatnonzero(~gap[1:] & gap[:-1]) + 1, np.flatnonzero(~gap[:-1] & gap[1:]) + 1
        take(first, last, 1)
        same = doc[first[1:]] == doc[first[:-1]]
        take(first[:-1][same], last[1:][same], 2)
        for size in (3, 4, 5):
            begin = np.arange(max(n - size + 1, 0))
            begin = begin[gaps[begin + size - 1] == gaps[begin + 1]]
            take(begin, begin + size, 256 + size)
    docs, keys, kinds = (np.concatenate(part) for part in zip(*found, strict=True))
    return docs, keys, kinds


def _mixed(x: np.ndarray) -> np.ndarray:
    """Spread numbers over all 64 bits (the finaliser of splitmix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
