"""Topics side by side with LDA, NMF and BERTopic's defaults on the same vectors; stability, cost, and cost of 100,000.

    CXLAB_DATA=/where/the/data/are .venv/bin/python benchmarks/bench_topics.py [quality] [seeds] [cost] [scale]

Whole comments of Chinese shops (categories) and English products (domains): normalised mutual information of topics
with those classes, ours at the number of topics it chooses, LDA and NMF given the true number, BERTopic after its
outliers are given to the nearest topic. Coherence (NPMI) and diversity are counted alike for all, from each one's ten
words of a topic. CPU seconds are of one thread, without embedding; cold ones are the first in a process, imports and
compilation with them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ |= {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}

import numpy as np
import pandas as pd

from cxlab.voice.embed import embed
from cxlab.voice.text import clauses, words
from cxlab.voice.topics import clusters, coherence, counts, topics

FOLDER = Path(os.environ.get("CXLAB_DATA", "../shared/data"))
N = 10_000
IMPORTS = "import time; from cxlab.voice import topics; print(time.process_time())"
SETS = {"zh": "shop categories", "en": "product domains"}


def comments(language: str, n: int) -> tuple[list[str], np.ndarray]:
    """Texts with their class; more than there are: sentences of the same class put together anew."""
    if language == "zh":
        frame = pd.read_parquet(FOLDER / "zh_reviews" / "os10_shared_5cats.parquet").rename(columns={"review": "text"})
        frame = frame.dropna(subset=["text"]).assign(label=frame["cat"])
    else:
        frame = pd.read_parquet(FOLDER / "en_reviews" / "product_reviews.parquet")
    frame = frame[frame["text"].str.strip().str.len() > 0]
    if n <= len(frame):
        frame = frame.sample(n, random_state=1)
        return frame["text"].tolist(), frame["label"].to_numpy(str)
    mark = "。" if language == "zh" else ". "
    parts = frame.assign(text=frame["text"].str.split(r"[。！!.]\s*", regex=True)).explode("text")
    parts = parts[parts["text"].str.len() > 5]
    random = np.random.default_rng(1)
    out, label = [], []
    for name, each in parts.groupby("label"):
        said = each["text"].to_numpy(str)
        share = round(n * len(each) / len(parts))
        chosen = random.integers(len(said), size=(share, 3))
        out += [mark.join(row) + mark for row in said[chosen]]
        label += [str(name)] * share
    return out[:n], np.array(label[:n])


def nmi(a: np.ndarray, b: np.ndarray) -> float:
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(a, b))


def vectors(language: str, texts: list[str], said: list[list[str]]) -> np.ndarray:
    kept = Path(tempfile.gettempdir()) / "cxlab-bench-topics"
    return embed.vectors(texts, language, tokens=said, cache=kept).vectors


def reassigned(found: topics.Topics) -> np.ndarray:
    """Give clauses without a topic to the most probable one, as is done with BERTopic's outliers."""
    model = found.model
    if model is None:
        return found.assignment
    return np.where(found.assignment >= 0, found.assignment, model.posterior(found.rows, found.counts.matrix).argmax(1))


def bertopic(texts: list[str], rows: np.ndarray, seed: int) -> tuple[np.ndarray, list[list[str]], float]:
    """BERTopic's defaults, outliers to the nearest topic by its own method; words, and CPU seconds of the fit."""
    from bertopic import BERTopic
    from umap import UMAP

    begun = time.process_time()
    umap = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
    model = BERTopic(umap_model=umap, embedding_model=None)
    labels, _ = model.fit_transform(texts, embeddings=rows)
    cost = time.process_time() - begun
    told = [[w for w, _ in model.get_topic(k) if w] for k in sorted(set(labels)) if k != -1]
    return np.array(model.reduce_outliers(texts, labels, strategy="embeddings", embeddings=rows)), told, cost


def quality() -> None:
    """One table a language."""
    for language, what in SETS.items():
        compare(language, what)


def compare(language: str, what: str) -> None:
    """Print ours, LDA, NMF and BERTopic on one set."""
    from sklearn.decomposition import NMF, LatentDirichletAllocation
    from sklearn.feature_extraction.text import TfidfTransformer

    texts, label = comments(language, N)
    said = words.tokens(texts, language)
    rows = vectors(language, texts, said)
    matrix = counts.count(said, language)
    true = len(set(label))
    print(f"\n{language}: {len(texts)} comments, {true} {what}")
    print(f"{'':34}{'NMI':>7}{'NPMI':>7}{'div.':>6}{'topics':>8}{'CPU s':>7}")

    def line(name: str, found: np.ndarray, told: list[list[str]], cost: float) -> None:
        coherent = np.nanmean(coherence.npmi(matrix.matrix, matrix.words, told))
        varied = coherence.diversity(told)
        print(f"{name:34}{nmi(label, found):7.3f}{coherent:7.3f}{varied:6.2f}{len(told):8d}{cost:7.1f}", flush=True)

    begun = time.process_time()
    ours = topics.fit(rows, said, language=language)
    cost = time.process_time() - begun
    line("cxlab, its own number", reassigned(ours), ours.table["keywords"].tolist(), cost)
    line("  with its outliers left out", ours.assignment, ours.table["keywords"].tolist(), cost)
    for seed in range(3):
        for name, model, x in (
            ("LDA, true number", LatentDirichletAllocation(true, random_state=seed), matrix.matrix),
            ("NMF, true number", NMF(true, random_state=seed, init="nndsvda", max_iter=400),
             TfidfTransformer(sublinear_tf=True).fit_transform(matrix.matrix)),
        ):  # fmt: skip
            begun = time.process_time()
            weight = model.fit_transform(x)
            cost = time.process_time() - begun
            told = [[matrix.words[i] for i in np.argsort(-c)[:10]] for c in model.components_]
            line(f"{name}, seed {seed}", weight.argmax(1), told, cost)
    joined = [" ".join(t) for t in said]
    for seed in range(2):
        found, told, cost = bertopic(joined, rows, seed)
        line(f"BERTopic defaults, seed {seed}", found, told, cost)


def seeds() -> None:
    """Adjusted Rand index between runs with different seeds, and between the topics and their repeats."""
    for language in SETS:
        texts, _ = comments(language, N)
        said = words.tokens(texts, language)
        rows = vectors(language, texts, said)
        print(f"\n{language}: {'topics':>8}{'between seeds':>15}{'between repeats':>17}")
        for k in (None, 8, 12, 16, 20, 40, 80):
            runs = [topics.fit(rows, said, language=language, k=k, seed=seed) for seed in range(3)]
            pairs = [(0, 1), (0, 2), (1, 2)]
            rand = np.mean([clusters.agreement(runs[a].assignment, runs[b].assignment) for a, b in pairs])
            print(f"    {runs[0].k:8d}{rand:15.3f}{np.mean([r.stability for r in runs]):17.3f}", flush=True)


def cost() -> None:
    """CPU seconds of our fit and of BERTopic's, warm (second in its process) and cold (with imports)."""
    for language in SETS:
        for who in ("cxlab", "bertopic"):
            out = subprocess.run([sys.executable, __file__, "once", language, who], capture_output=True, text=True)
            print(f"{language} {who:9} {out.stdout.strip() or out.stderr[-300:]}", flush=True)


def once(language: str, who: str) -> None:
    """Fit twice in this process; input is read before the clock starts."""
    imports = 0.0
    if who == "cxlab":  # ours are imported above; BERTopic's within its first fit
        told = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
        imports = float(told.stdout)
    texts, _ = comments(language, N)
    said = words.tokens(texts, language)
    rows = vectors(language, texts, said)
    joined = [" ".join(t) for t in said]
    found = []
    for _ in range(2):
        begun = time.process_time()
        if who == "cxlab":
            topics.fit(rows, said, language=language)
        else:
            bertopic(joined, rows, 0)
        found.append(time.process_time() - begun)
    print(f"cold {found[0] + imports:6.1f}  warm {found[1]:6.1f} CPU s")


def scale() -> None:
    """From comments to topics: clauses, words, vectors, fit; wall seconds and peak memory, each in its own process."""
    for language in SETS:
        for n in (10_000, 100_000):
            out = subprocess.run([sys.executable, __file__, "whole", language, str(n)], capture_output=True, text=True)
            print(f"{language} {n:7d} {out.stdout.strip() or out.stderr[-300:]}", flush=True)


def whole(language: str, n: int) -> None:
    """All steps on n comments, one thread, nothing kept from before."""
    texts, _ = comments(language, n)
    begun = time.monotonic()
    marks = []
    frame = pd.DataFrame({"comment_id": [f"c{i}" for i in range(n)], "text": texts, "language": language})
    cut = clauses.split(frame, unit="sentence" if n > 20_000 else "clause")
    distinct, back = cut.of_language(language)
    marks.append(time.monotonic() - begun)
    said = words.tokens(distinct["text"], language)
    marks.append(time.monotonic() - begun)
    rows = embed.vectors(distinct["text"].tolist(), language, tokens=said).vectors
    marks.append(time.monotonic() - begun)
    found = topics.fit(rows, said, language=language, weights=np.bincount(back, minlength=len(distinct)))
    marks.append(time.monotonic() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    steps = np.diff([0, *marks])
    print(
        f"{len(distinct)} clauses, {found.k} topics: clauses {steps[0]:.0f} s, words {steps[1]:.0f} s, "
        f"vectors {steps[2]:.0f} s, topics {steps[3]:.0f} s, all {marks[-1]:.0f} s, peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asked = sys.argv[1:]
    if asked[:1] == ["once"]:
        once(asked[1], asked[2])
    elif asked[:1] == ["whole"]:
        whole(asked[1], int(asked[2]))
    elif not FOLDER.is_dir():
        print("no data: set CXLAB_DATA")
    else:
        for part in (quality, seeds, cost, scale):
            if not asked or part.__name__ in asked:
                print(f"\n-- {part.__name__}: {(part.__doc__ or '').splitlines()[0]}")
                part()
