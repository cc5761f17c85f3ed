"""Vectors of texts: speed and fidelity against torch, and what 10,000 and 100,000 comments cost.

    CXLAB_DATA=/where/the/data/are .venv/bin/python benchmarks/bench_embed.py [--torch PYTHON] [--threads 2] [--large]

First table: all-MiniLM-L6-v2 on the same product reviews, cut at 128 tokens, tokenising included, one thread: this
package in floating point and in whole numbers, and sentence-transformers on torch if `--torch` names an interpreter
that has it (`pip install torch sentence-transformers` in an environment of its own). The three take turns, each
three times, the least processor time counts.

Second table: comments -> clauses -> words -> vectors, each size in a process of its own with nothing cached: wall and
processor seconds, peak resident memory, by language. 10,000 comments always, 100,000 with `--large`. Where more are
wanted than there are, real ones come again with two neighbouring words (characters) of each sentence exchanged, so that
no text comes twice.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from cxlab.voice.embed import embed, minilm
from cxlab.voice.text import clauses, words

TEXTS = 600
LONGEST = 128
ROUNDS = 3
TORCH = """
import json, sys, time
import numpy as np, torch
torch.set_num_threads(1)
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
model.max_seq_length = int(sys.argv[2])
texts = json.load(open(sys.argv[3]))
model.encode(texts[:16])
begun = time.process_time()
found = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
print(json.dumps(time.process_time() - begun))
np.save(sys.argv[4], found)
"""


def main() -> None:
    here = Path(__file__).resolve().parents[1]
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--torch", default="", help="an interpreter with torch and sentence-transformers")
    asked.add_argument("--threads", type=int, default=2, help="threads of the second table")
    asked.add_argument("--large", action="store_true", help="100,000 comments too")
    asked.add_argument("--only", default="", help=argparse.SUPPRESS)
    given = asked.parse_args()
    data = Path(os.environ.get("CXLAB_DATA") or here.parent / "shared" / "data")
    if not data.is_dir():
        print(f"real data not found at {data}: set CXLAB_DATA to the folder that holds it")
        return
    if given.only:
        language, n = given.only.split(":")
        print(json.dumps(chain(data, language, int(n), given.threads)))
        return
    speed(data, given.torch)
    print(
        f"\n{'comments':>9} {'lang':4} {'method':12} {'clauses':>8} {'wall s':>7} {'cpu s':>7} {'peak MiB':>8}  steps"
    )
    for n in (10_000, 100_000) if given.large else (10_000,):
        for language in ("en", "zh"):
            command = [sys.executable, __file__, "--only", f"{language}:{n}", "--threads", str(given.threads)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in told["steps"].items())
            print(
                f"{n:9,} {language:4} {told['name']:12} {told['clauses']:8,} {told['wall']:7.1f} {told['cpu']:7.1f} "
                f"{told['peak']:8.0f}  {steps}",
                flush=True,
            )


def speed(data: Path, torch: str) -> None:
    """Print the first table."""
    texts = english(data)[:TEXTS]
    if torch and not Path(torch).is_file():
        print(f"no interpreter at {torch}: torch is left out")
        torch = ""
    took: dict[str, list[float]] = {"torch": [], "fp32": [], "int8": []}
    found: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        listed, made = Path(folder) / "texts.json", Path(folder) / "torch.npy"
        listed.write_text(json.dumps(texts))
        for _ in range(ROUNDS):
            if torch:
                command = [torch, "-c", TORCH, str(minilm.folder()), str(LONGEST), str(listed), str(made)]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                took["torch"].append(json.loads(told.splitlines()[-1]))
                found["torch"] = np.load(made)
            for precision in ("fp32", "int8"):
                encoder = minilm.Encoder(precision, LONGEST)  # type: ignore[arg-type]
                encoder.encode(texts[:16])
                begun = time.process_time()
                found[precision] = encoder.encode(texts)
                took[precision].append(time.process_time() - begun)
    print(f"{TEXTS} product reviews, {LONGEST} tokens at most, one thread, least of {ROUNDS}")
    reference = "torch" if torch else "fp32"
    print(
        f"{'':6} {'cpu s':>6} {'texts/s':>8} {'x ' + reference:>8} {'mean cosine with ' + reference:>24} {'least':>6}"
    )
    for name in found if not torch else ("torch", "fp32", "int8"):
        cosine = (found[name] * found[reference]).sum(axis=1)
        least = min(took[name])
        print(
            f"{name:6} {least:6.2f} {TEXTS / least:8.1f} {min(took[reference]) / least:8.2f} {cosine.mean():22.4f} "
            f"{cosine.min():6.3f}"
        )
    if not torch:
        print("torch is not compared: name an interpreter that has it with --torch")


def chain(data: Path, language: str, n: int, threads: int) -> dict[str, object]:
    """Split, tokenise and embed n comments; what it took."""
    texts = many(english(data) if language == "en" else chinese(data), n)
    comments = pd.DataFrame({"comment_id": [f"c{i}" for i in range(n)], "text": texts, "language": language})
    steps: dict[str, float] = {}
    begun, before = time.monotonic(), time.process_time()

    def step(name: str) -> None:
        nonlocal before
        steps[name], before = time.process_time() - before, time.process_time()

    split = clauses.split(comments).clauses
    split = split[split["language"] == language]
    step("clauses")
    said = split["text"].tolist()
    tokens = words.tokens(said, language)
    step("words")
    found = embed.vectors(said, language, tokens=tokens, threads=threads)
    step("vectors")
    wall = time.monotonic() - begun
    assert np.isfinite(found.vectors).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "name": found.name, "clauses": len(split), "wall": wall, "cpu": sum(steps.values()), "peak": peak,
        "steps": steps,
    }  # fmt: skip


def english(data: Path) -> list[str]:
    """Product reviews, then reviews of clothing."""
    reviews = pd.read_parquet(data / "en_reviews" / "product_reviews.parquet")["text"]
    clothing = pd.read_parquet(data / "womens_clothing" / "womens_clothing_reviews.parquet")["Review Text"].dropna()
    return pd.concat([reviews, clothing]).drop_duplicates().sample(frac=1, random_state=1).tolist()


def chinese(data: Path) -> list[str]:
    """Shopping and take-away reviews."""
    folder = data / "zh_reviews"
    shops, meals = (pd.read_parquet(folder / f"{name}.parquet") for name in ("os10_shared_5cats", "waimai_10k"))
    return (
        pd.concat([shops["review"], meals["review"]]).dropna().drop_duplicates().sample(frac=1, random_state=1).tolist()
    )


def many(texts: list[str], n: int) -> list[str]:
    """As many texts, none twice: later rounds exchange two neighbours in each sentence."""
    random = np.random.default_rng(0)
    found = texts[:n]
    while len(found) < n:
        found += [_exchanged(text, random) for text in texts[: n - len(found)]]
    return found


def _exchanged(text: str, random: np.random.Generator) -> str:
    parts = []
    for sentence in re.split(r"(?<=[.!?。！？，,])", text):
        units = sentence.split(" ") if " " in sentence else list(sentence)
        if len(units) > 3:
            i = int(random.integers(0, len(units) - 2))
            units[i], units[i + 1] = units[i + 1], units[i]
        parts.append((" " if " " in sentence else "").join(units))
    return "".join(parts)


if __name__ == "__main__":
    main()
