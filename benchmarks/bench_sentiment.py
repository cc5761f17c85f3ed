"""Sentiment on held-out reviews beside a tuned linear TF-IDF model, in one run.

    CXLAB_DATA=/where/the/data/are .venv/bin/python benchmarks/bench_sentiment.py [splits]

Chinese take-away reviews (labelled good or bad) and English reviews of clothes (rating 4-5 against 1-2), a fifth held
out, five splits. The peer: TF-IDF of words and pairs of words (Chinese cut by jieba), logistic regression, C chosen by
five-fold cross-validation on accuracy. CPU seconds are of fitting, choosing included, and of predicting.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from cxlab.voice import sentiment, words

warnings.filterwarnings("ignore")
DATA = Path(os.environ.get("CXLAB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
GRID = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def reviews(language: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts and 1 (good) or 0 (bad)."""
    if language == "zh":
        table = pd.read_parquet(DATA / "zh_reviews" / "waimai_10k.parquet")
        return table["review"].astype(str).to_numpy(object), table["label"].to_numpy(int)
    table = pd.read_parquet(DATA / "womens_clothing" / "womens_clothing_reviews.parquet")
    table = table[table["Review Text"].fillna("").str.strip().ne("") & table["Rating"].ne(3)]
    return table["Review Text"].to_numpy(object), (table["Rating"] >= 4).to_numpy(int)


def peer(train: list[str], y: np.ndarray, test: list[str], language: str) -> np.ndarray:
    """The tuned linear model's log-odds on held-out texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    if language == "zh":
        train, test = ([" ".join(t) for t in words.tokens(texts, "zh")] for texts in (train, test))
    pattern = r"\S+" if language == "zh" else r"(?u)\b\w+\b"
    counter = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=pattern)
    x = counter.fit_transform(train)
    right = dict.fromkeys(GRID, 0)
    for inside, outside in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
        for c in GRID:
            model = LogisticRegression(C=c, solver="liblinear").fit(x[inside], y[inside])
            right[c] += int((model.predict(x[outside]) == y[outside]).sum())
    model = LogisticRegression(C=max(GRID, key=lambda c: right[c]), solver="liblinear").fit(x, y)
    return np.asarray(model.decision_function(counter.transform(test)))


def main(splits: int) -> None:
    """Print a line a split and the means."""
    from sklearn.metrics import roc_auc_score

    for language in ("zh", "en"):
        texts, y = reviews(language)
        print(f"{language}: {len(texts)} reviews, {y.mean():.3f} good")
        rows = []
        for split in range(splits):
            order = np.random.default_rng(split).permutation(len(texts))
            test, train = order[: len(texts) // 5], order[len(texts) // 5 :]
            cpu = time.process_time()
            one = sentiment.fit(texts[train].tolist(), y[train].astype(float), language, seed=split)
            fitted = time.process_time()
            p = one.predict(texts[test].tolist())
            done = time.process_time()
            theirs = peer(texts[train].tolist(), y[train], texts[test].tolist(), language)
            ended = time.process_time()
            rows.append([
                ((p > 0.5) == y[test]).mean(), roc_auc_score(y[test], p), ((p - y[test]) ** 2).mean(),
                ((theirs > 0) == y[test]).mean(), roc_auc_score(y[test], theirs), one.accuracy, one.auc,
            ])  # fmt: skip
            print(f"  split {split}: ours {rows[-1][0]:.4f} auc {rows[-1][1]:.4f} brier {rows[-1][2]:.4f} "
                  f"(C {one.strength:g}, cpu {fitted - cpu:.1f} + {done - fitted:.1f} s; promised {one.accuracy:.4f})  "
                  f"tuned TF-IDF {rows[-1][3]:.4f} auc {rows[-1][4]:.4f} (cpu {ended - done:.1f} s)",
                  flush=True)  # fmt: skip
        mean = np.mean(rows, axis=0)
        print(
            f"  mean: ours accuracy {mean[0]:.4f} auc {mean[1]:.4f} brier {mean[2]:.4f}; promised by "
            f"cross-validation {mean[5]:.4f} {mean[6]:.4f}; tuned TF-IDF accuracy {mean[3]:.4f} auc {mean[4]:.4f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
