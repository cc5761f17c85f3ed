"""What counts buy the satisfaction model: gradients, fits from 10,000 to 1,000,000 answers, 2 million in 1,000 cells.

    .venv/bin/python benchmarks/bench_satisfaction.py

CPU seconds, so that the ratios stand on a busy machine; the sizes take turns. Aggregating rows is timed apart.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import duckdb
import numpy as np
import pandas as pd
import pymc as pm

from cxlab import connect
from cxlab.params.models import Params
from cxlab.runs import UnitData
from cxlab.satisfaction import estimates
from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction import questions as measures
from cxlab.satisfaction.data import model_data
from cxlab.satisfaction.model import Priors, SatisfactionData

CODES = (1.0, 2.0, 3.0, 4.0, 5.0)
FACTORS = ("segment:age", "touchpoint", "channel")
PERIODS = [str(year) for year in range(2014, 2018)]
SIZES = (10_000, 100_000, 1_000_000)
TURNS = 3


def respondents(n: int) -> pd.DataFrame:
    """Rows of a world with 4 x 6 x 2 groups and 4 periods, every cell answered."""
    groups = [[f"{f}{i}" for i in range(k)] for f, k in zip("atc", (4, 6, 2), strict=True)]
    cells = pd.DataFrame(list(itertools.product(*groups, PERIODS)), columns=[*FACTORS, "period"])
    counts = np.bincount(np.random.default_rng(1).integers(0, len(cells), n - len(cells)), minlength=len(cells)) + 1
    world = cells.assign(n=counts)
    counted, _ = satisfaction.simulate(world, codes=CODES, factors=FACTORS, periods=PERIODS, seed=2)
    return counted.loc[np.repeat(counted.index, counted["n_raw"]), [*FACTORS, "period", "code"]].reset_index(drop=True)


def aggregated(rows: pd.DataFrame) -> SatisfactionData:
    """Rows to counts in DuckDB, counts to the model's data."""
    keys = ", ".join(f'"{key}"' for key in (*FACTORS, "period", "code"))
    with duckdb.connect() as database:
        database.register("answers", rows)
        counts = database.sql(
            f"SELECT {keys}, count(*) AS n_raw, count(*)::DOUBLE AS n FROM answers GROUP BY ALL"  # noqa: S608
        ).df()
    return model_data(counts, codes=CODES, factors=FACTORS, periods=PERIODS)


def gradient(model: pm.Model) -> Callable[[], object]:
    """Value and gradient of the log density at its initial point."""
    function = model.logp_dlogp_function(ravel_inputs=True, mode="NUMBA")
    function.set_extra_values({})
    point = pm.blocking.DictToArrayBijection.map(model.initial_point())
    return lambda: function(point)


def by_row(data: SatisfactionData) -> pm.Model:
    """The same model with one OrderedLogistic answer a respondent."""
    cell, code = np.nonzero(data.counts)
    repeat = data.counts[cell, code].astype(int)
    cell, code = np.repeat(cell, repeat), np.repeat(code, repeat)
    with pm.Model() as model:
        effect = pm.Normal("effect", 0, 0.5, shape=len(data.scale_of))
        own = pm.Normal("own", 0, 0.2, shape=len(data.cells))
        eta = pm.math.dot(data.design, effect) + own
        cut = pm.Normal("cut", 0, 2, shape=4, transform=pm.distributions.transforms.ordered, initval=np.arange(4) - 1.5)
        pm.OrderedLogistic("y", eta=eta[cell], cutpoints=cut, observed=code, compute_p=False)
    return model


def cpu(action: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    action()
    return time.process_time() - begun


def in_child(data: SatisfactionData) -> float:
    """Wall seconds of fit and estimands in a process forked from this one, one thread."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: they are idle
        pid = os.fork()
    if pid == 0:
        begun = time.monotonic()
        tree = satisfaction.fit(data, seed=9)
        estimates.estimands(tree["posterior"].dataset, data, metrics=["mean", "top_box", "csat"], satisfied_from=4)
        os.write(writer, f"{time.monotonic() - begun:.3f}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    return float(os.read(reader, 100))


def thousand() -> dict[str, pd.DataFrame]:
    """2 million answers to three questions in 1,000 cells of 4 factors and 4 periods, as rows."""
    groups = [[f"{f}{i}" for i in range(k)] for f, k in zip("artc", (5, 5, 5, 2), strict=True)]
    names = ["age", "region", "touchpoint", "channel"]
    cells = pd.DataFrame(list(itertools.product(*groups, PERIODS)), columns=[*names, "period"])
    random = np.random.default_rng(4)
    rows = cells.loc[np.repeat(cells.index, 2000)].reset_index(drop=True)
    effect = (rows["age"].str[1].astype(int) - 2) * 0.15 + (rows["touchpoint"].str[1].astype(int) - 2) * 0.2
    for item, top, middle in (("nps", 10, 7.5), ("overall", 5, 3.8), ("easy", 5, 3.6)):
        score = middle + top / 5 * (effect + 0.6 * random.logistic(size=len(rows)))
        rows[item] = np.clip(np.rint(score), 0 if top == 10 else 1, top).astype(int)
    people = pd.DataFrame({"who": np.arange(300_000)})
    people = people.assign(age=random.choice(groups[0], len(people)), region=random.choice(groups[1], len(people)))
    return {"answers": rows.assign(id=np.arange(len(rows))), "people": people}


def of_a_store(folder: Path) -> None:
    """Time what the satisfaction notebook computes on a store of 2 million answers in 1,000 cells."""
    for name, table in thousand().items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    segments = {"age": "age", "region": "region"}
    items = {
        "nps": {"column": "nps", "scale": "ten", "role": "nps"},
        "overall": {"column": "overall", "scale": "five", "role": "overall"},
        "easy": {"column": "easy", "scale": "five", "role": "attribute"},
    }
    responses = {"from": "answers", "response_id": "id", "period": "period", "segments": segments}
    params = Params.model_validate(
        {
            "client": "large", "data_root": str(folder), "brands": ["one"],
            "periods": {"grain": "year", "first": PERIODS[-1], "last": PERIODS[-1], "history_from": PERIODS[0]},
            "scales": {"ten": {"codes": list(range(11))}, "five": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4}},
            "inputs": {name: {"path": f"{name}.parquet"} for name in ("answers", "people")},
            "tables": {
                "customers": {"from": "people", "customer": "who", "segments": segments},
                "responses": responses | {"touchpoint": "touchpoint", "channel": "channel"},
                "ratings": {"from": "answers", "items": items},
            },
        }
    )  # fmt: skip
    print(f"2 million answers: build the store {cpu(lambda: connect.build(params, folder / 'store')):.1f} CPU-s")
    data = UnitData(connect.open_store(folder / "store"), "one", PERIODS[-1])
    begun = time.monotonic()
    questions = measures.measures(data, params=params, period=PERIODS[-1])
    loaded = measures.load(questions, data, periods=PERIODS)
    counted = time.monotonic()
    fits = measures.fit(questions, loaded, settings=params.model, seed=lambda _: 1, accept=estimates.converged)
    fitted = time.monotonic()
    table = estimates.table(fits, estimates.gates(fits), params=params, periods=PERIODS)
    ended = time.monotonic()
    print(
        f"{len(loaded[0].cells):,} cells, {len(questions)} measures, {len(table):,} estimates: count "
        f"{counted - begun:.1f} s, fit {fitted - counted:.1f} s, report {ended - fitted:.1f} s wall (wanted: under 60)"
    )


def main() -> None:
    """Print the table."""
    answers = {n: respondents(n) for n in SIZES}
    aggregate = {n: cpu(lambda n=n: aggregated(answers[n])) for n in SIZES}
    data = {n: aggregated(answers[n]) for n in SIZES}
    cells = {len(d.cells) for d in data.values()}
    print(f"cells {cells}, codes {len(CODES)}")
    satisfaction.fit(data[SIZES[0]], seed=3)  # imports

    fits: dict[int, list[float]] = {n: [] for n in SIZES}
    for _ in range(TURNS):
        for n in SIZES:
            fits[n].append(cpu(lambda n=n: satisfaction.fit(data[n], seed=3)))
    for n in SIZES:
        print(f"{n:>9,} answers: aggregate {aggregate[n]:.2f} CPU-s, fit {statistics.median(fits[n]):.2f} CPU-s")
    ratio = statistics.median(fits[SIZES[-1]]) / statistics.median(fits[SIZES[0]])
    print(f"fit at {SIZES[-1]:,} / fit at {SIZES[0]:,}: {ratio:.2f} (wanted: at most 1.3)")
    print(f"fit and estimands in a forked child: {in_child(data[SIZES[1]]):.2f} s wall (wanted: under 5)")
    print(f"NUTS, compile and fit {cpu(lambda: satisfaction.fit(data[SIZES[0]], seed=3, method='nuts')):.2f} CPU-s")

    for n in SIZES[:2]:
        counted, rowwise = gradient(satisfaction.build_model(data[n], Priors())), gradient(by_row(data[n]))
        counted(), rowwise()
        times = {name: [cpu(call) for _ in range(20)] for name, call in (("c", counted), ("r", rowwise))}
        c, r = (statistics.median(times[k]) * 1e3 for k in "cr")
        print(f"{n:>9,} answers, gradient: by row {r:.2f} ms, by count {c:.3f} ms, ratio {r / c:.0f}")
    with tempfile.TemporaryDirectory() as folder:
        of_a_store(Path(folder))


if __name__ == "__main__":
    main()
