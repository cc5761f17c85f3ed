"""How good or bad a text is, learnt from the scores that came with such texts; a word list only where none did.

Texts whose comment was scored good or bad (the middle is left out: `labels`) teach a logistic regression on words,
pairs of words and runs of characters (`grams`), each weighted by the root of how differently good and bad texts use it.
How strongly it is held back is chosen by cross-validation, in which copies of a text and texts of one customer are
never on both sides. What is left out of each fold then calibrates the score, also by how much a text says, so that a
clause of five words gets a probability as honest as a page. The printed accuracy, AUC and Brier score are of texts that
neither the regression nor the calibration had seen.

`Sentiment.predict` gives the probability that a comment saying only this came with a good score rather than a bad one;
`Sentiment.tone` the same for clauses, were good and bad comments as many, so that 0.5 is neither praise nor complaint.

References
----------
Wang and Manning (2012), Baselines and bigrams: simple, good sentiment and topic classification,
https://aclanthology.org/P12-2018.
Platt (1999), Probabilistic outputs for support vector machines.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.voice import text_classifier
from cxlab.voice.embed import cache
from cxlab.voice.text import lexicon, ngrams
from cxlab.voice.text.ngrams import Vocabulary

Method = Literal["rated", "lexicon", "none"]
VERSION: Final = "1"  # of what is kept: a change of the method changes it
MOST: Final = 30_000  # scored texts that are learnt from; of more a part is drawn
LEAST: Final = 100  # scored texts from which on they are learnt from ...
LEAST_OF_EACH: Final = 20  # ... of which good and bad ones
GRID: Final = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # inverse strengths of the penalty
FOLDS: Final = (5, 3)  # of few texts, and of more than `MANY`
MANY: Final = 10_000


@dataclass(frozen=True)
class Sentiment:
    """A fitted judge of texts in one language.

    Attributes
    ----------
    method : str
        ``rated``: learnt from scores; ``lexicon``: word list, unchecked unless `n` > 0; ``none``: no judge.
    language : str
    n : int
        Scored texts at hand (good or bad).
    fitted : int
        Of these, learnt from.
    accuracy, auc, brier : float
        Of texts not learnt from; NaN where there are none to check on.
    base : float
        Share of good ones among the scored texts: the accuracy of always saying the commoner.
    strength : float
        Inverse strength of the penalty that was chosen; NaN if not `rated`.
    words : Vocabulary
    scale, weight : arrays of float32, shape (feature,)
        How much a feature counts, and its coefficient.
    curve : array, shape (5,)
        Intercept of the regression; then of the calibration: intercept, slope, amount said, slope times amount.
    """

    method: Method
    language: str
    n: int
    fitted: int
    accuracy: float
    auc: float
    brier: float
    base: float
    strength: float
    words: Vocabulary
    scale: np.ndarray
    weight: np.ndarray
    curve: np.ndarray

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return P(positive) of each text, shape (text,); NaN where there is no judge."""
        if self.method == "none" or not len(texts):
            return np.full(len(texts), np.nan)
        if self.method == "lexicon":
            return lexicon.score(texts, self.language)
        x = ngrams.matrix(texts, self.words)
        said = np.diff(x.indptr)
        margin = text_classifier.scaled(x, self.scale) @ self.weight + self.curve[0]
        return text_classifier.logistic(text_classifier.bent(margin, said) @ self.curve[1:])

    def tone(self, texts: Sequence[str]) -> np.ndarray:
        """Return P(positive) of each clause, shape (text,): that it is of a good comment, were good and bad as many.

        Most who write may be content and yet complain in a clause: with the base rate left in, nearly every clause of
        theirs would count as praise.
        """
        p = self.predict(texts)
        if self.method != "rated":
            return p
        odds = p / np.maximum(1 - p, 1e-12) * (1 - self.base) / self.base
        return np.asarray(odds / (1 + odds))


def labels(places: np.ndarray, codes: int, *, good_from: int, bad_to: int | None = None) -> np.ndarray:
    """Return 1 for good, 0 for bad and NaN for middling or missing scores.

    Parameters
    ----------
    places : array of float, shape (text,)
        Place of the score among the codes, 0 the worst; NaN where there is none.
    codes : int
        Number of codes.
    good_from : int
        Place from which on a score is good (`satisfied_from` of its scale).
    bad_to : int, optional
        Last bad place; by default those below the middle of the scale.
    """
    place = np.asarray(places, float)
    last = (codes - 1) / 2 - 0.5 if bad_to is None else bad_to
    return np.where(place >= good_from, 1.0, np.where(place <= min(last, good_from - 1), 0.0, np.nan))


def fit(
    texts: Sequence[str],
    good: np.ndarray,
    language: str,
    *,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    seed: int = 0,
    kept: Path | None = None,
) -> Sentiment:
    """Learn from scored texts of one language.

    Parameters
    ----------
    texts : sequence of str
        Whole comments, of all brands.
    good : array of float, shape (text,)
        1 good, 0 bad, NaN not scored or middling (`labels`).
    language : str
        ISO 639-1 code or ``other``.
    groups : sequence, optional
        Whose text it is; texts of one group are never on both sides of a check.
    seed : int
        Of the folds and of the part drawn from more than `MOST` texts.
    kept : Path, optional
        Folder in which a fit is kept and found again by what it was made from.

    Returns
    -------
    Sentiment

    Raises
    ------
    ModelError
        If the arguments do not fit together.
    """
    good = np.asarray(good, float)
    problems = []
    if len(good) != len(texts):
        problems.append(Problem("as many scores as texts are needed", value=f"{len(good)}", allowed=f"{len(texts)}"))
    elif not np.isin(good[np.isfinite(good)], (0.0, 1.0)).all():
        problems.append(Problem("scores are 1 (good), 0 (bad) or missing", allowed="0, 1, NaN", todo="use `labels`"))
    if groups is not None and len(groups) != len(texts):
        problems.append(Problem("as many groups as texts are needed", value=str(len(groups)), allowed=str(len(texts))))
    if problems:
        raise ModelError(problems)
    scored = np.flatnonzero(np.isfinite(good))
    at = list(texts)
    counts = np.bincount(good[scored].astype(int), minlength=2)
    if len(scored) < LEAST or counts.min() < LEAST_OF_EACH:
        return _unlearnt([at[int(i)] for i in scored], good[scored], language)
    random = np.random.default_rng(seed)
    used = np.sort(random.choice(scored, MOST, replace=False)) if len(scored) > MOST else scored
    said, y = [at[int(i)] for i in used], good[used].astype(int)
    whose = text_classifier.together(said, None if groups is None else [groups[int(i)] for i in used])
    if not text_classifier.checkable(y, whose, FOLDS[len(y) > MANY], seed=seed):
        return _unlearnt([at[int(i)] for i in scored], good[scored], language)
    name = cache.key("sentiment", VERSION, said, map(str, y), map(str, whose), [language, str(seed)])
    found = _load(kept, name)
    if found is None:
        found = _learnt(said, y, whose, language, total=len(scored), base=float(counts[1] / len(scored)), seed=seed)
        _store(kept, name, found)
    return found


def _learnt(
    texts: list[str], y: np.ndarray, groups: np.ndarray, language: str, *, total: int, base: float, seed: int
) -> Sentiment:
    words = ngrams.vocabulary(texts, language, least=2 if len(texts) < MANY else 3)
    x = ngrams.matrix(texts, words)
    said = np.diff(x.indptr)
    folds = FOLDS[len(y) > MANY]
    fold = text_classifier.folds(y, groups, folds, seed=seed)
    best: tuple[float, float, np.ndarray] | None = None
    parts = [(fold != f, text_classifier.scale(x[fold != f], y[fold != f])) for f in range(folds)]
    sides = [
        (text_classifier.scaled(x[train], scale), text_classifier.scaled(x[~train], scale)) for train, scale in parts
    ]
    for strength in GRID:
        margin = np.empty(len(y))
        for (train, _), (inside, outside) in zip(parts, sides, strict=True):
            weight, intercept = text_classifier.regress(inside, y[train], strength)
            margin[~train] = outside @ weight + intercept
        p = text_classifier.judged(text_classifier.bent(margin, said), y, fold)
        loss = -float(np.log(np.clip(np.where(y == 1, p, 1 - p), 1e-9, 1)).mean())
        if best is not None and loss > best[0]:
            break
        best = loss, strength, margin
    assert best is not None
    _, strength, margin = best
    bent = text_classifier.bent(margin, said)
    p = text_classifier.judged(bent, y, fold)
    scale = text_classifier.scale(x, y)
    weight, intercept = text_classifier.regress(text_classifier.scaled(x, scale), y, strength)
    # The final fit has learnt from more texts than a fold's and is a little surer: one curve serves both.
    curve = np.append(intercept, text_classifier.calibrated(bent, y))
    return Sentiment(
        "rated", language, total, len(y), float(((p > 0.5) == y).mean()), text_classifier.auc(p, y),
        float(((p - y) ** 2).mean()), base, strength, words, scale, weight.astype(np.float32), curve,
    )  # fmt: skip


def _unlearnt(texts: list[str], y: np.ndarray, language: str) -> Sentiment:
    """The word list where there is one, checked on the few scored texts."""
    nothing = np.zeros(0, np.float32)
    words = Vocabulary(np.zeros(0, np.uint64), nothing, np.zeros(0, np.uint8), language)
    base = float(y.mean()) if len(y) else float("nan")
    if language not in lexicon.LANGUAGES:
        nan = float("nan")
        return Sentiment(
            "none", language, len(y), 0, nan, nan, nan, base, nan, words, nothing, nothing, np.zeros(5)
        )  # fmt: skip
    p = lexicon.score(texts, language)
    accuracy = float(((p > 0.5) == y).mean()) if len(y) else float("nan")
    brier = float(((p - y) ** 2).mean()) if len(y) else float("nan")
    return Sentiment(
        "lexicon", language, len(y), 0, accuracy, text_classifier.auc(p, y), brier,
        base, float("nan"), words, nothing, nothing,
        np.zeros(5),
    )  # fmt: skip


def _load(folder: Path | None, name: str) -> Sentiment | None:
    """A kept fit, or None; a damaged file is none."""
    from safetensors import SafetensorError, safe_open

    if folder is None:
        return None
    try:
        with safe_open(folder / f"{name}.sentiment.safetensors", framework="numpy") as file:
            about = file.metadata()
            read = {key: file.get_tensor(key) for key in ("key", "idf", "kind", "scale", "weight", "curve", "numbers")}
    except (OSError, SafetensorError):
        return None
    n, fitted, accuracy, auc, brier, base, strength = map(float, read["numbers"])
    words = Vocabulary(read["key"].view(np.uint64), read["idf"], read["kind"], about["language"])
    return Sentiment(
        "rated", about["language"], int(n), int(fitted), accuracy, auc, brier, base, strength, words, read["scale"],
        read["weight"], read["curve"],
    )  # fmt: skip


def _store(folder: Path | None, name: str, one: Sentiment) -> None:
    from safetensors.numpy import save

    if folder is None:
        return
    numbers = [one.n, one.fitted, one.accuracy, one.auc, one.brier, one.base, one.strength]
    arrays = {
        "key": one.words.key.view(np.int64), "idf": one.words.idf, "kind": one.words.kind, "scale": one.scale,
        "weight": one.weight, "curve": one.curve, "numbers": np.array(numbers, float),
    }  # fmt: skip
    data = save(arrays, metadata={"language": one.language, "version": VERSION})
    try:
        cache.put(folder / f"{name}.sentiment.safetensors", lambda path: path.write_bytes(data))
    except OSError:
        return
