"""How good or bad a text is, learnt from the scores that came with such texts; a word list only where none did.

Texts whose comment was scored good or bad (the middle is left out: `labels`) teach a logistic regression on words,
pairs of words and runs of characters, each weighted by the root of how differently good and bad texts use it. How
strongly it is held back is chosen by cross-validation, in which copies of a text and texts of one customer are never on
both sides. What is left out of each fold then calibrates the score, also by how much a text says, so that a clause of
five words gets a probability as honest as a page. The printed accuracy, AUC and Brier score are of texts that neither
the regression nor the calibration had seen.

`Sentiment.predict` gives the probability that a comment saying only this came with a good score rather than a bad one;
`Sentiment.tone` the same for clauses, were good and bad comments as many, so that 0.5 is neither praise nor complaint:
most who write may be content and yet complain in a clause. On the clauses of the generated world, whose tone is known,
shares of praise by topic are .06 (English) and .09 (Chinese) off so, and .29 with the odds of the comments.

References
----------
Wang and Manning (2012), Baselines and bigrams: simple, good sentiment and topic classification,
https://aclanthology.org/P12-2018.
Platt (1999), Probabilistic outputs for support vector machines.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cxlab.errors import ModelError, Problem
from cxlab.voice import words

if TYPE_CHECKING:
    from scipy import sparse

Method = Literal["rated", "lexicon", "none"]
MOST: Final = 30_000  # scored texts that are learnt from; of more a part is drawn
LEAST: Final = 100  # scored texts from which on they are learnt from ...
LEAST_OF_EACH: Final = 20  # ... of which good and bad ones
GRID: Final = (0.3, 1.0, 3.0, 10.0, 30.0)  # inverse strengths of the penalty
FOLDS: Final = (5, 3)  # of few texts, and of more than `MANY`
MANY: Final = 10_000
_PIECES: Final = re.compile(r"[^\W_]+|[!?]|[\u2190-\u2bff\U0001f000-\U0001faff]")
_WIDE: Final = str.maketrans({"！": "!", "？": "?", "’": "", "'": ""})
_NAN: Final = float("nan")


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
    base : float
        Share of good ones among the scored texts: the accuracy of always saying the commoner.
    accuracy, auc, brier : float
        Of texts not learnt from; NaN where there are none to check on.
    learnt : tuple, optional
        Features, scale of the features, regression and calibration, if ``rated``.
    """

    method: Method
    language: str
    n: int
    fitted: int
    base: float
    accuracy: float = _NAN
    auc: float = _NAN
    brier: float = _NAN
    learnt: tuple[Any, np.ndarray, Any, Any] | None = None

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return P(positive) of each text, shape (text,); NaN where there is no judge."""
        if self.method == "none" or not len(texts):
            return np.full(len(texts), np.nan)
        if self.learnt is None:
            return words.judged(words.tokens(texts, self.language), self.language)
        features, scale, regression, calibration = self.learnt
        x = features.transform(texts)
        margin = regression.decision_function(_scaled(x, scale))
        return np.asarray(calibration.predict_proba(_bent(margin, x))[:, 1])

    def tone(self, texts: Sequence[str]) -> np.ndarray:
        """Return P(positive) of each clause, shape (text,): that it is of a good comment, were good and bad as many."""
        p = self.predict(texts)
        if self.learnt is None:
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
    random = np.random.default_rng(seed)
    used = np.sort(random.choice(scored, MOST, replace=False)) if len(scored) > MOST else scored
    said, y = [texts[int(i)] for i in used], good[used].astype(int)
    base = float(good[scored].mean()) if len(scored) else _NAN
    if len(scored) >= LEAST and np.bincount(y, minlength=2).min() >= LEAST_OF_EACH:
        whose = together(said, None if groups is None else [groups[int(i)] for i in used])
        splits = _splits(y, whose, FOLDS[len(y) > MANY], seed=seed)
        if splits:
            return Sentiment("rated", language, len(scored), len(y), base, *_learnt(said, y, splits, language))
    if language not in words.JUDGED:
        return Sentiment("none", language, len(scored), 0, base)
    p = words.judged(words.tokens(said, language), language)
    return Sentiment("lexicon", language, len(scored), 0, base, *_quality(p, y))


Splits = list[tuple[np.ndarray, np.ndarray]]


def _learnt(texts: list[str], y: np.ndarray, splits: Splits, language: str) -> tuple[float, float, float, Any]:
    """Return accuracy, AUC and Brier score of texts not learnt from, and what `Sentiment.learnt` says."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    features = _features(language, least=2 if len(texts) < MANY else 3)
    x = features.fit_transform(texts)
    sides = []
    for inside, outside in splits:
        scale = _scale(x[inside], y[inside])
        sides.append((inside, outside, _scaled(x[inside], scale), _scaled(x[outside], scale)))
    margins = {}
    loss = {}
    for strength in GRID:
        margin = np.empty(len(y))
        for inside, outside, learning, kept in sides:
            margin[outside] = _regression(learning, y[inside], strength).decision_function(kept)
        calibration = LogisticRegression()
        p = cross_val_predict(calibration, _bent(margin, x), y, cv=splits, method="predict_proba")[:, 1]
        margins[strength], loss[strength] = (margin, p), -np.log(np.clip(np.where(y == 1, p, 1 - p), 1e-9, 1)).mean()
    best = min(GRID, key=lambda strength: loss[strength])
    margin, p = margins[best]
    scale = _scale(x, y)
    # The final fit has learnt from more texts than a fold's and is a little surer: one curve serves both.
    curve = LogisticRegression().fit(_bent(margin, x), y)
    return (*_quality(p, y), (features, scale, _regression(_scaled(x, scale), y, best), curve))


def _features(language: str, *, least: int) -> Any:
    """Return what counts words, pairs of words and runs of characters; Chinese by runs alone, which need no words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    more: dict[str, Any] = {"preprocessor": plain, "min_df": least, "sublinear_tf": True, "dtype": np.float32}
    if language == "zh":
        parts = [TfidfVectorizer(analyzer="char", ngram_range=sizes, **more) for sizes in ((1, 2), (3, 4))]
    else:
        parts = [
            TfidfVectorizer(tokenizer=str.split, token_pattern=None, ngram_range=(1, 2), **more),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **more),
        ]
    return make_union(*parts)


def plain(text: str) -> str:
    """Return lower-case words parted by one space, exclamation and question marks and emoji kept as words."""
    return " ".join(_PIECES.findall(text.lower().translate(_WIDE)))


def _scale(x: sparse.csr_matrix, y: np.ndarray) -> np.ndarray:
    """Root of the log ratio of a feature's share among good and bad texts: what tells nothing counts little."""
    has = (x > 0).astype(np.float32)
    good, bad = (has.T @ (y == side).astype(np.float32) + 1.0 for side in (1, 0))
    return np.sqrt(np.abs(np.log(good / good.sum()) - np.log(bad / bad.sum()))).astype(np.float32)


def _scaled(x: sparse.csr_matrix, scale: np.ndarray) -> sparse.csr_matrix:
    """Rows of unit length again after weighting their features."""
    from sklearn.preprocessing import normalize

    return normalize(x.multiply(scale).tocsr())


def _regression(x: sparse.csr_matrix, y: np.ndarray, strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, solver="liblinear", dual=True, tol=1e-2, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weaker penalty than is needed: another is chosen
        return model.fit(x, y)


def _bent(margin: np.ndarray, x: sparse.csr_matrix) -> np.ndarray:
    """Columns of the calibration: the margin, how much was said, both together."""
    amount = np.log1p(np.diff(x.indptr)) / 3 - 1
    return np.column_stack([margin, amount, margin * amount])


def _quality(p: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Accuracy, AUC and Brier score; NaN where they cannot be had."""
    from sklearn.metrics import roc_auc_score

    if not len(y):
        return _NAN, _NAN, _NAN
    auc = float(roc_auc_score(y, p)) if len(np.unique(y)) == 2 else _NAN
    return float(((p > 0.5) == y).mean()), auc, float(((p - y) ** 2).mean())


def together(texts: list[str], groups: Sequence[Hashable] | None) -> np.ndarray:
    """Number the groups of texts that must stay on one side: of one customer, or the same words."""
    import pandas as pd
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    n = len(texts)
    same = pd.factorize(np.array([plain(t) for t in texts], object))[0]
    if groups is None:
        return np.asarray(same)
    who = pd.factorize(np.array([*groups, None], object)[:-1])[0]
    who = np.where(who < 0, who.max(initial=0) + 1 + np.arange(n), who)  # nobody known: each for itself
    edges = np.concatenate([n + same, n + same.max(initial=0) + 1 + who])
    size = int(edges.max()) + 1
    graph = sparse.csr_matrix((np.ones(2 * n, np.int8), (np.tile(np.arange(n), 2), edges)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][:n])


def _splits(y: np.ndarray, groups: np.ndarray, n: int, *, seed: int) -> Splits:
    """Return the sides of each fold; none where some fold would have nothing to learn from or to check on."""
    from sklearn.model_selection import GroupKFold

    if len(np.unique(groups)) < n:
        return []
    splits = list(GroupKFold(n, shuffle=True, random_state=seed).split(y, y, groups))
    return splits if all(len(np.unique(y[inside])) == 2 and len(outside) for inside, outside in splits) else []
