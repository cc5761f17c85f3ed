"""What the driver model costs and how well it predicts: seconds by size, left-out log scores against plain regressions.

    .venv/bin/python benchmarks/bench_drivers.py            # speed, on simulated worlds
    .venv/bin/python benchmarks/bench_drivers.py scores     # predictions, on real data (CXLAB_DATA names their folder)

CPU seconds of one core, the first fit in a process apart: it imports the libraries.
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

from cxlab.drivers import data as people
from cxlab.drivers import model as drivers
from cxlab.drivers.data import BLANK, NOT_USED, DriverData

FIVE = (1.0, 2.0, 3.0, 4.0, 5.0)
FOLDS = 5


def world(n: int, attributes: int, *, seed: int, unused: float = 0.0, blank: float = 0.0) -> DriverData:
    """Respondents whose ratings correlate .9, drawn from the prior."""
    random = np.random.default_rng(seed)
    z = np.sqrt(0.9) * random.standard_normal((n, 1)) + np.sqrt(0.1) * random.standard_normal((n, attributes))
    codes = np.searchsorted([-1.48, -0.84, -0.13, 0.84], z)
    codes = np.where(random.random(codes.shape) < unused, NOT_USED, codes)
    data, _ = drivers.simulate(codes, levels=[FIVE] * attributes, seed=seed)
    holes = np.where(random.random(codes.shape) < blank, BLANK, codes)
    return people.model_data(
        holes, data.outcome, attributes=data.attributes, levels=data.levels, kind="ordinal", outcome_levels=FIVE
    )


def speed() -> None:
    """Print CPU seconds of fits, model choice included, 4,000 draws."""
    drivers.fit(world(300, 3, seed=1), draws=50)
    cases = {
        "2,000 x 12": (2_000, 12, 0.0, 0.0),
        "2,000 x 12, 30 % blank": (2_000, 12, 0.0, 0.3),
        "2,000 x 40, 10 % not used": (2_000, 40, 0.1, 0.0),
        "130,000 x 14, 5 % not used": (130_000, 14, 0.05, 0.0),
        "130,000 x 14, 30 % blank": (130_000, 14, 0.0, 0.3),
    }
    for name, (n, a, unused, blank) in cases.items():
        data = world(n, a, seed=2, unused=unused, blank=blank)
        begun, wall = time.process_time(), time.monotonic()
        tree = drivers.fit(data)
        said = f"{tree.attrs['method']}, k-hat {tree.attrs['khat']:.2f}, {tree.attrs['shape']}"
        print(
            f"{name:>28}: {time.process_time() - begun:6.1f} CPU-s, {time.monotonic() - wall:6.1f} s ({said})",
            flush=True,
        )


def airline(folder: Path) -> DriverData:
    """All passengers; 0 is not applicable."""
    table = pd.read_parquet(folder / "airline_satisfaction" / "airline_passenger_satisfaction.parquet")
    first = list(table.columns).index("Departure and Arrival Time Convenience")
    names = [c for c in table.columns[first:] if c != "Satisfaction"]
    codes = table[names].to_numpy(int) - 1
    outcome = (table["Satisfaction"] == "Satisfied").to_numpy(int)
    return people.model_data(
        np.where(codes < 0, NOT_USED, codes),
        outcome,
        attributes=names,
        levels=[FIVE] * len(names),
        kind="binary",
        outcome_levels=(0, 1),
    )


def customers(folder: Path) -> DriverData:
    """Ratings from 1 to 10 of an advertising product; q1 is the overall one."""
    table = pd.read_csv(folder / "bayesm" / "customerSat.csv")
    ten = tuple(float(c) for c in range(1, 11))
    names = [f"q{i}" for i in range(2, 11)]
    return people.model_data(
        table[names].to_numpy(int) - 1,
        table["q1"].to_numpy(int) - 1,
        attributes=names,
        levels=[ten] * 9,
        kind="ordinal",
        outcome_levels=ten,
    )


def airport(folder: Path) -> DriverData:
    """The airport of 2015: 0 is a blank, 6 never used."""
    table = pd.read_parquet(folder / "sfo_survey" / "sfo_2015.parquet")
    names = [c for c in table.columns if c.startswith("Q7") and c not in ("Q7ALL", "Q7O_WHOLE")]
    whole = "Q7ALL" if "Q7ALL" in table.columns else "Q7O_WHOLE"
    ratings = table[names].apply(pd.to_numeric, errors="coerce").fillna(0).to_numpy(int)
    names = [
        n for n, column in zip(names, ratings.T, strict=True) if column.min() >= 0 and 5 in column and column.max() <= 6
    ]
    ratings = table[names].apply(pd.to_numeric, errors="coerce").fillna(0).to_numpy(int)
    overall = pd.to_numeric(table[whole], errors="coerce").fillna(0).to_numpy(int)
    codes = np.where(ratings == 6, NOT_USED, ratings - 1)
    return people.model_data(
        codes,
        np.where((overall >= 1) & (overall <= 5), overall - 1, -1),
        attributes=names,
        levels=[FIVE] * len(names),
        kind="ordinal",
        outcome_levels=FIVE,
    )


def plain(train: DriverData, test: DriverData) -> dict[str, np.ndarray]:
    """Left-out log scores of OLS (normal errors, cut half-way between codes) and (multinomial) logistic regression."""
    from scipy.stats import norm
    from sklearn.linear_model import LogisticRegression

    def columns(data: DriverData) -> np.ndarray:
        x = np.where(data.codes == NOT_USED, 0, data.codes + 1).astype(float)  # the columns as they come: 0 is a number
        x[data.codes == BLANK] = np.nan
        return x

    x, z = columns(train), columns(test)
    mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    x, z = (np.nan_to_num((v - mean) / sd) for v in (x, z))
    y, w = train.outcome, test.outcome
    with_one = np.column_stack([np.ones(len(x)), x])
    beta, *_ = np.linalg.lstsq(with_one, y, rcond=None)
    sigma = np.sqrt(((y - with_one @ beta) ** 2).sum() / (len(y) - with_one.shape[1]))
    mu = beta[0] + z @ beta[1:]
    top = len(train.outcome_levels) - 1
    upper = np.where(w == top, np.inf, w + 0.5)
    lower = np.where(w == 0, -np.inf, w - 0.5)
    ols = np.log(np.maximum(norm.cdf((upper - mu) / sigma) - norm.cdf((lower - mu) / sigma), 1e-12))
    model = LogisticRegression(C=1.0, max_iter=2000).fit(x, y)
    p = model.predict_proba(z)
    place = {c: i for i, c in enumerate(model.classes_)}
    logistic = np.log([max(p[i, place[c]], 1e-12) if c in place else 1e-12 for i, c in enumerate(w)])
    return {"OLS": ols, "logistic": logistic}


def scores() -> None:
    """Print left-out log scores a respondent, and differences with their standard errors."""
    folder = Path(os.environ.get("CXLAB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    for name, load, folds in (("customerSat", customers, FOLDS), ("airport", airport, FOLDS), ("airline", airline, 1)):
        data = load(folder)
        data = data.take(np.flatnonzero(data.answered))
        fold = np.random.default_rng(1).integers(0, 5, len(data.codes))
        found: dict[str, list[np.ndarray]] = {"drivers": [], "OLS": [], "logistic": []}
        for k in range(folds):
            train, test = data.take(np.flatnonzero(fold != k)), data.take(np.flatnonzero(fold == k))
            begun = time.process_time()
            tree = drivers.fit(train, draws=500)
            took = time.process_time() - begun
            found["drivers"].append(drivers.log_score(tree, test, draws=200))
            for other, values in plain(train, test).items():
                found[other].append(values)
            print(f"  {name} {k}: {tree.attrs['shape']}, {tree.attrs['method']}, {took:.1f} CPU-s", flush=True)
        own = np.concatenate(found["drivers"])
        text = [f"{name} (n {len(own):,}): drivers {own.mean():.4f}"]
        for other in ("OLS", "logistic"):
            gap = own - np.concatenate(found[other])
            text.append(
                f"{other} {np.concatenate(found[other]).mean():.4f} (better by {gap.mean():.4f}, "
                f"s.e. {gap.std() / np.sqrt(len(gap)):.4f})"
            )
        print("; ".join(text), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)  # scikit-learn announces other defaults
    scores() if sys.argv[1:] == ["scores"] else speed()
