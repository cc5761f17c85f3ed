"""What the index costs at 250 and at 100,000 respondents, and what it says of the mobile phone survey.

    CXLAB_DATA=/where/the/data/are .venv/bin/python benchmarks/bench_index.py [/where/semopy/is]

Wall seconds of loading, fitting, sensitivity and composites in one process after one small fit. With the folder of a
semopy installation (`pip install --target`) its maximum likelihood stands beside the posterior; without the data set
that part is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from cxlab.index import composites, density, estimates, model
from cxlab.index.data import Structure, structure
from cxlab.index.density import Priors

BLOCKS = {
    "image": 3, "expectation": 3, "quality": 4, "value": 2, "satisfaction": 3, "complaints": 1, "loyalty": 3,
}  # fmt: skip
PATHS = {
    "expectation": {"image": 0.55},
    "quality": {"expectation": 0.6},
    "value": {"expectation": 0.15, "quality": 0.55},
    "satisfaction": {"image": 0.2, "expectation": 0.05, "quality": 0.4, "value": 0.3},
    "complaints": {"satisfaction": 0.5},
    "loyalty": {"image": 0.15, "satisfaction": 0.6, "complaints": 0.1},
}
SEMOPY = """
import sys, warnings
sys.path.insert(0, sys.argv[1]); warnings.simplefilter("ignore")
import pandas as pd, semopy
rows = pd.read_csv(sys.argv[2]); rows = (rows - rows.mean()) / rows.std(ddof=0)
model = semopy.Model(open(sys.argv[3]).read()); model.fit(rows)
table = model.inspect(std_est=True)
table[table["op"] == "~"][["rval", "lval", "Est. Std"]].to_csv(sys.argv[4], index=False)
"""


def spec() -> Structure:
    """The European index."""
    blocks = {name: [f"{name}{k}" for k in range(1, size + 1)] for name, size in BLOCKS.items()}
    return structure(blocks, {to: list(origins) for to, origins in PATHS.items()}, target="satisfaction")


def world(n: int, *, blanks: float, seed: int) -> pd.DataFrame:
    """Answers of n respondents on scales of ten with a share of blanks."""
    random = np.random.default_rng(seed)
    latent: dict[str, np.ndarray] = {}
    for name in BLOCKS:
        signal = sum((b * latent[a] for a, b in PATHS.get(name, {}).items()), np.zeros(n))
        latent[name] = signal + np.sqrt(max(1 - signal.var(), 0.2)) * random.standard_normal(n)
    found = {}
    for name, size in BLOCKS.items():
        for k in range(1, size + 1):
            strength = 1.0 if size == 1 else 0.78
            noise = random.standard_normal(n)
            found[f"{name}{k}"] = np.clip(
                np.round(7 + 1.8 * (strength * latent[name] + np.sqrt(1 - strength**2) * noise)), 1, 10
            )
    rows = pd.DataFrame(found)
    return rows.mask(random.random(rows.shape) < blanks).assign(period="1")


def whole(rows: pd.DataFrame, wanted: Structure) -> tuple[float, str]:
    """Wall seconds of everything between answers and table, and what the sampler did."""
    begun = time.monotonic()
    data = model.model_data(rows, structure=wanted, ends=dict.fromkeys(wanted.items, (1, 10)), periods=["1"])
    tree = model.fit(data, draws=750, seed=1, accept=estimates.believed)
    told = estimates.estimands(tree["posterior"].dataset, data)
    composites.composite_draws(data, draws=400, seed=1)
    estimates.sensitivity(tree["posterior"]["x"].to_numpy(), data, model.completed(data, Priors()))
    judged = estimates.gate(tree, told)
    how = f"{tree.attrs['method']}, {len(data.patterns.seen)} patterns, r-hat {judged.rhat:.4f}, passed {judged.passed}"
    return time.monotonic() - begun, how


def mobi(folder: Path, semopy: str) -> None:
    """Compare posterior, maximum likelihood, semopy and composites on the survey."""
    measured = pd.read_csv(folder / "reference" / "ECSI_measurement_model.csv")
    paths = pd.read_csv(folder / "reference" / "ECSI_structural_model.csv")
    blocks = {k: list(g["target"]) for k, g in measured.groupby("source", sort=False)}
    moves = {k: list(g["source"]) for k, g in paths.groupby("target", sort=False)}
    wanted = structure(blocks, moves, target="Satisfaction")
    rows = pd.read_csv(folder / "mobi.csv").assign(period="1")
    seconds, how = whole(rows, wanted)
    print(f"mobi, 250 respondents: {seconds:.1f} s ({how})")
    data = model.model_data(rows, structure=wanted, ends=dict.fromkeys(wanted.items, (1, 10)), periods=["1"])
    other = reference(folder, semopy, blocks, moves) if semopy else {}
    for label, priors in (("default priors", Priors()), ("weak priors", Priors(5.0, 1.0, 1.0, 0.5))):
        tree = model.fit(data, priors=priors, seed=1, draws=1000)
        told = estimates.estimands(tree["posterior"].dataset, data)
        x = tree["posterior"]["x"].to_numpy()
        best = model.maximum_likelihood(data, start=x.reshape(-1, x.shape[-1]).mean(axis=0))
        marks = estimates.sensitivity(x, data, model.completed(data, priors))
        plain = composites.composite_draws(data, draws=2, seed=1)
        print(f"\n{label}: r-hat {estimates.gate(tree).rhat:.4f}; index", end=" ")
        print(f"{float(told['index'].sel(latent='Satisfaction').mean()):.2f}, composites", end=" ")
        print(f"{float(plain['best_index'].sel(latent='Satisfaction').isel(period=0)):.2f}")
        print(f"{'path':32}{'mean':>7}{'sd':>7}{'ML':>8}{'semopy':>8}{'PLS':>7}  flagged")
        for i, (a, b) in enumerate(wanted.paths):
            name = str(told["arrow"].to_numpy()[i])
            draws = told["path"].isel(arrow=i)
            sensitive = bool(marks.flagged_path[i])
            print(
                f"{name:32}{float(draws.mean()):7.2f}{float(draws.std()):7.2f}{best.path[0, b, a]:8.2f}"
                f"{other.get(name, float('nan')):8.2f}{float(plain['best_path'][i]):7.2f}  {sensitive}"
            )
        for what, values, real in (
            ("loadings", told["loading"], best.loading[0]),
            ("total effects", told["total_effect"], [best.total[0, b, a] for a, b in density.pairs(wanted)]),
            ("R2", told["r2"], best.r2[0, np.unique([b for _, b in wanted.paths])]),
        ):
            off = np.abs(values.mean(("chain", "draw")) - real) / np.maximum(values.std(("chain", "draw")), 1e-3)
            print(f"{what}: {int((off < 1).sum())} of {off.size} within one sd of ML, largest {float(off.max()):.2f}")


def reference(folder: Path, semopy: str, blocks: dict[str, list[str]], moves: dict[str, list[str]]) -> dict[str, float]:
    """Standardised paths by semopy in a process of its own; an item alone stands for its latent."""
    alone = {name: items[0] for name, items in blocks.items() if len(items) == 1}
    lines = [f"{name} =~ {' + '.join(items)}" for name, items in blocks.items() if name not in alone]
    lines += [f"{alone.get(to, to)} ~ {' + '.join(alone.get(o, o) for o in origins)}" for to, origins in moves.items()]
    scratch = Path(semopy) / "bench"
    scratch.mkdir(exist_ok=True)
    (scratch / "model.txt").write_text("\n".join(lines))
    command = [
        "python3",
        "-c",
        SEMOPY,
        semopy,
        str(folder / "mobi.csv"),
        str(scratch / "model.txt"),
        str(scratch / "paths.csv"),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=scratch)
    found = pd.read_csv(scratch / "paths.csv")
    back = {item: name for name, item in alone.items()}
    found = found[found["lval"].isin([*blocks, *back])]
    return {
        f"{back.get(r.rval, r.rval)} -> {back.get(r.lval, r.lval)}": float(r._3) for r in found.itertuples(index=False)
    }


def main() -> None:
    """Print the figures."""
    whole(world(60, blanks=0.0, seed=0), spec())
    for n in (250, 100_000):
        for blanks in (0.0, 0.04):
            seconds, how = whole(world(n, blanks=blanks, seed=1), spec())
            print(f"{n:>7,} respondents, {blanks:.0%} blank: {seconds:.1f} s ({how})", flush=True)
    data = os.environ.get("CXLAB_DATA")
    if data and (Path(data) / "sem_acsi").is_dir():
        mobi(Path(data) / "sem_acsi", sys.argv[1] if len(sys.argv) > 1 else "")


if __name__ == "__main__":
    main()
