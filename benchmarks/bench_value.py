"""What unique rows buy customer value: posterior and every customer's value, from CDNOW's size to a million customers.

    .venv/bin/python benchmarks/bench_value.py [largest number of customers]

CPU and wall seconds and peak memory, side by side with pymc-marketing (its BG/NBD by MAP and, at the smallest size, by
MCMC) and with lifetimes where that is installed (its own environment: it needs an old pandas).
"""

from __future__ import annotations

import importlib.util
import logging
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from cxlab.models import value

SIZES = (2_357, 100_000, 1_000_000)
TRUTH = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.74, "gamma": 15.45}  # CDNOW's
MOST_PYMC = 100_000  # customers beyond which pymc-marketing is not asked


def world(n: int, seed: int) -> pd.DataFrame:
    """Customers of a BG/NBD world who came within twelve weeks and were watched until week 39."""
    random = np.random.default_rng(seed)
    age = random.integers(27 * 7, 39 * 7 + 1, n) / 7
    rate = random.gamma(TRUTH["r"], 1 / TRUTH["alpha"], n)
    leave = random.beta(TRUTH["a"], TRUTH["b"], n)
    x, last, now = np.zeros(n, int), np.zeros(n), np.zeros(n)
    alive = np.ones(n, bool)
    while alive.any():
        now[alive] += random.exponential(1 / np.maximum(rate[alive], 1e-12))
        alive &= now <= age
        x[alive] += 1
        last[alive] = now[alive]
        alive &= random.random(n) >= leave
    days = np.maximum(np.ceil(last * 7), (x > 0).astype(float))
    nu = random.gamma(TRUTH["q"], 1 / TRUTH["gamma"], n)
    spend = np.full(n, np.nan)
    bought = x > 0
    spend[bought] = random.gamma(TRUTH["p"] * x[bought]) / nu[bought] / x[bought]
    return pd.DataFrame({"x": x, "recency": np.minimum(days / 7, age), "age": age, "spend": spend.round(2)})


def timed(label: str, work: Callable[[], object]) -> object:
    """Run and print what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"  {label:44s} cpu {time.process_time() - cpu:7.2f} s  wall {time.perf_counter() - wall:7.2f} s  "
          f"peak of the process {peak:5.2f} GiB", flush=True)  # fmt: skip
    return out


def ours(customers: pd.DataFrame) -> None:
    """Collapse, draw, forecast."""
    data = timed("rows collapsed", lambda: value.model_data(customers, family="bgnbd"))
    assert isinstance(data, value.ValueData)
    assert data.rows is not None
    tree = timed("full posterior of buying and spend", lambda: value.fit(data, seed=1))
    drawn = tree["posterior"].dataset  # type: ignore[index]
    told = "  ".join(f"{k} {float(drawn[k].mean()):.3f} ({float(drawn[k].std()):.3f})" for k in TRUTH)
    print(f"    {len(data.rows)} unique rows, {tree.attrs['method']}, k-hat {tree.attrs['khat']:.2f}: {told}")  # type: ignore[attr-defined]
    out = timed("every customer's value, 52 weeks, and totals", lambda: value.outlook(tree, data, weeks=52, seed=1))  # type: ignore[arg-type]
    assert isinstance(out, value.Outlook)
    low, high = np.quantile(out.equity, [0.05, 0.95])
    print(f"    equity {out.equity.mean():,.0f} ({low:,.0f} to {high:,.0f})")


def theirs(customers: pd.DataFrame, *, mcmc: bool) -> None:
    """pymc-marketing on the same customers."""
    from pymc_marketing.clv import BetaGeoModel

    table = customers.rename(columns={"x": "frequency", "age": "T"}).assign(customer_id=np.arange(len(customers)))
    table = table[["customer_id", "frequency", "recency", "T"]]
    for method in ("map", "mcmc") if mcmc else ("map",):
        model = BetaGeoModel()
        timed(f"pymc-marketing, {method}", lambda m=model, how=method: m.fit(table, method=how, progressbar=False))
    later = table.head(min(len(table), 2_000))
    timed(f"pymc-marketing, purchases of {len(later)} customers",
          lambda: model.expected_purchases(data=later, future_t=52))  # fmt: skip


def lifetimes(customers: pd.DataFrame) -> None:
    """The classic maximum likelihood."""
    from lifetimes import BetaGeoFitter  # type: ignore[import-not-found]

    timed("lifetimes, maximum likelihood",
          lambda: BetaGeoFitter().fit(customers["x"], customers["recency"], customers["age"]))  # fmt: skip


def main(largest: int) -> None:
    """Print the costs by size."""
    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    for n in (size for size in SIZES if size <= largest):
        print(f"{n:,} customers")
        customers = world(n, seed=n)
        ours(customers)
        if n <= MOST_PYMC:
            theirs(customers, mcmc=n == SIZES[0])
        if importlib.util.find_spec("lifetimes"):
            lifetimes(customers)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])
