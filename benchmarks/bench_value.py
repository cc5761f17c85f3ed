"""What unique rows buy customer value: posterior and every customer's value, from CDNOW's size to a million customers.

    .venv/bin/python benchmarks/bench_value.py [--largest N] [--lifetimes PYTHON] [--mcmc N] [--limit SECONDS]

Side by side with pymc-marketing (its BG/NBD by MAP, and by MCMC up to `--mcmc` customers) and with lifetimes (maximum
likelihood; it needs an old pandas, so its own interpreter: `--lifetimes /somewhere/bin/python`, an environment with
"numpy<2", "pandas<2.2", "scipy<1.14" and lifetimes). Each measurement is a process of its own: CPU and wall seconds,
peak memory, and the estimates, so that what is compared is seen to agree. One that passes the limit is said to.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

import numpy as np

SIZES = (2_357, 100_000, 1_000_000)
TRUTH = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "p": 6.25, "q": 3.74, "gamma": 15.45}  # CDNOW's
WAYS = ("ours", "map", "mcmc", "lifetimes")


def world(n: int, seed: int) -> dict[str, np.ndarray]:
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
    return {"x": x.astype(float), "recency": np.minimum(days / 7, age), "age": age, "spend": spend.round(2)}


class Clock:
    """Seconds since the last step, and the peak of this process."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def step(self, label: str, said: str = "") -> None:
        """Print what a step cost."""
        wall, cpu = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        spent = f"cpu {cpu - self.cpu:7.2f} s  wall {wall - self.wall:7.2f} s  peak {peak:5.2f} GiB"
        print(f"  {label:46s} {spent}  {said}", flush=True)
        self.wall, self.cpu = time.perf_counter(), time.process_time()


def ours(place: Path) -> None:
    """Collapse, draw, forecast every customer, write the table."""
    import pandas as pd

    from cxlab.value import model as value
    from cxlab.value.clv.forecast import Ahead, look_ahead

    table = pd.read_parquet(place)
    clock = Clock()
    data = value.model_data(table, family="bgnbd")
    assert data.rows is not None
    clock.step("cxlab: rows collapsed", f"{len(data.rows):,} unique rows")
    tree = value.fit(data, seed=1)
    drawn = tree["posterior"].dataset
    told = "  ".join(f"{k} {float(drawn[k].mean()):.4f} ({float(drawn[k].std()):.4f})" for k in TRUTH)
    clock.step("cxlab: full posterior of buying and spend", f"{tree.attrs['method']}, k-hat {tree.attrs['khat']:.2f}")
    print(f"    {told}")
    out = look_ahead(tree, data, Ahead(52), seed=1)
    worth = out.worth().to_numpy()
    low, high = np.quantile(worth, [0.05, 0.95])
    clock.step("cxlab: every customer's value, 52 weeks", f"equity {worth.mean():,.0f} ({low:,.0f} to {high:,.0f})")
    out.customers.to_parquet(place.with_suffix(".value.parquet"))
    clock.step("cxlab: table written", f"expected purchases {out.customers['expected_purchases'].sum():,.0f}")


def theirs(place: Path, method: str) -> None:
    """pymc-marketing on the same customers."""
    import logging

    import pandas as pd
    from pymc_marketing.clv import BetaGeoModel

    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    table = pd.read_parquet(place).rename(columns={"x": "frequency", "age": "T"}).drop(columns="spend")
    table = table.assign(customer_id=np.arange(len(table)))
    clock = Clock()
    model = BetaGeoModel()
    model.fit(table, method=method, progressbar=False)
    drawn = model.idata["posterior"].dataset if hasattr(model.idata["posterior"], "dataset") else model.idata.posterior
    told = "  ".join(
        f"{k} {float(drawn[k].mean()):.4f} ({float(drawn[k].std()):.4f})" for k in ("r", "alpha", "a", "b")
    )
    clock.step(f"pymc-marketing: {method}", told)
    expected = model.expected_purchases(data=table, future_t=52)
    clock.step(
        "pymc-marketing: purchases of every customer",
        f"expected purchases {float(expected.mean(('chain', 'draw')).sum()):,.0f}",
    )


def lifetimes(place: Path) -> None:
    """The classic maximum likelihood; runs in an interpreter of its own."""
    warnings.simplefilter("ignore")
    from lifetimes import BetaGeoFitter  # type: ignore[import-not-found]

    found = np.load(place.with_suffix(".npz"))
    clock = Clock()
    model = BetaGeoFitter().fit(found["x"], found["recency"], found["age"])
    clock.step("lifetimes: maximum likelihood", "  ".join(f"{k} {v:.4f}" for k, v in model.params_.items()))
    ahead = model.conditional_expected_number_of_purchases_up_to_time(52, found["x"], found["recency"], found["age"])
    clock.step("lifetimes: purchases of every customer", f"expected purchases {np.nansum(ahead):,.0f}")


def main() -> None:
    """Measure all ways at all sizes."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--largest", type=int, default=SIZES[-1], help="largest number of customers")
    asked.add_argument("--lifetimes", default="", help="interpreter that has lifetimes")
    asked.add_argument("--mcmc", type=int, default=SIZES[0], help="customers up to which pymc-marketing samples")
    asked.add_argument("--limit", type=int, default=600, help="seconds after which a measurement is ended")
    asked.add_argument("--way", choices=WAYS, help="measure this way alone, on --data")
    asked.add_argument("--data", type=Path)
    given = asked.parse_args()
    if given.way:
        {"ours": ours, "lifetimes": lifetimes}.get(given.way, lambda place: theirs(place, given.way))(given.data)
        return
    import pandas as pd

    for n in (size for size in SIZES if size <= given.largest):
        print(f"{n:,} customers", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "customers.parquet"
            columns = world(n, seed=n)
            pd.DataFrame(columns).to_parquet(place)
            np.savez(place.with_suffix(".npz"), **columns)  # type: ignore[arg-type]
            for way in WAYS:
                if (way == "mcmc" and n > given.mcmc) or (way == "lifetimes" and not given.lifetimes):
                    print(f"  {way}: not measured at this size", flush=True)
                    continue
                python = given.lifetimes if way == "lifetimes" else sys.executable
                command = [python, str(Path(__file__).resolve()), "--way", way, "--data", str(place)]
                try:
                    ended = subprocess.run(command, timeout=given.limit, check=False).returncode
                except subprocess.TimeoutExpired:
                    print(f"  {way}: not finished after {given.limit} s", flush=True)
                    continue
                if ended:
                    print(f"  {way}: failed with exit code {ended}", flush=True)


if __name__ == "__main__":
    main()
