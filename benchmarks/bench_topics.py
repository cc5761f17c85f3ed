"""Topics on real texts: agreement with known classes at their number, how many come back, and what it costs.

    CXLAB_DATA=/where/the/data/are .venv/bin/python benchmarks/bench_topics.py [quality] [number]

Whole comments of Chinese shops (categories), English products (domains) and clothes (classes). `quality`: normalised
mutual information and adjusted Rand index with those classes at their number, by vectors (`cxlab.voice.embedding`)
and by the texts' own vectors alone. `number`: topics of clauses that come back, themes, coherence. CPU seconds are of
one thread.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}

import numpy as np
import pandas as pd

from cxlab.voice import clauses, keywords, topics, words
from cxlab.voice.embedding import embed

FOLDER = Path(os.environ.get("CXLAB_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SETS = {
    "zh shops": ("zh_reviews/os10_shared_5cats.parquet", "review", "cat", "zh", 500),
    "en products": ("en_reviews/product_reviews.parquet", "text", "label", "en", 250),
    "en clothes": ("womens_clothing/womens_clothing_reviews.parquet", "Review Text", "Class Name", "en", 200),
}


def comments(name: str) -> tuple[list[str], np.ndarray, str]:
    """Return texts, their class and language, as many of each class."""
    path, text, label, language, each = SETS[name]
    table = pd.read_parquet(FOLDER / path).dropna(subset=[text, label])
    table = table[table.groupby(label)[text].transform("size") >= each]
    table = table.groupby(label).sample(each, random_state=1).drop_duplicates(text)
    return table[text].str[:3000].tolist(), table[label].to_numpy(str), language


def fitted(texts: list[str], language: str, method: str, k: int | None) -> tuple[topics.Topics, float, float]:
    """Return topics, and CPU seconds of the vectors and of the fit."""
    said, spoken = words.tokens(texts, language), np.full(len(texts), language)
    begun = time.process_time()
    vectors = embed(texts, method=method).vectors
    embedded = time.process_time()
    counts = keywords.count(said, spoken)
    found = topics.fit(topics.rows_of(vectors, said, spoken, np.ones(len(texts))), counts, k=k)
    return found, embedded - begun, time.process_time() - embedded


def quality() -> None:
    """Print agreement with the classes at their number."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    for name in SETS:
        texts, label, language = comments(name)
        for method in ("auto", "corpus"):
            found, vectors, fit = fitted(texts, language, method, len(set(label)))
            nmi = normalized_mutual_info_score(label, found.assignment)
            ari = adjusted_rand_score(label, found.assignment)
            print(f"{name:12} {method:7} NMI {nmi:.3f} ARI {ari:.3f} CPU {vectors:.1f} + {fit:.1f} s", flush=True)


def number() -> None:
    """Print how many topics of clauses come back."""
    for name in SETS:
        texts, _, language = comments(name)
        frame = pd.DataFrame({"comment_id": [f"c{i}" for i in range(len(texts))], "text": texts, "language": language})
        each = clauses.split(frame).clauses.drop_duplicates("text")["text"].tolist()
        found, vectors, fit = fitted(each, language, "auto", None)
        print(f"{name:12} {len(each)} clauses: {found.k} topics, {found.table['theme'].nunique()} themes, stability "
              f"{found.stability:.2f}, outside {found.outlier_share:.2f}, NPMI {found.npmi:.3f}, diversity "
              f"{found.diversity:.2f}, CPU {vectors:.1f} + {fit:.1f} s", flush=True)  # fmt: skip
        print("   ", "; ".join(" ".join(next(iter(n.values()))[:3]) for n in found.table["keywords"][:12]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if not FOLDER.is_dir():
        print("no data: set CXLAB_DATA")
    else:
        for part in (quality, number):
            if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
                part()
