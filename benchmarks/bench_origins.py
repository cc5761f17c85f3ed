"""How far next-quarter totals are off from many days of the past, and what would have been nearer.

    CXLAB_DATA=/data .venv/bin/python benchmarks/bench_origins.py [--runs RUNS_HOME]

From six days of each history the model that the page would choose foretells the purchases of the next 13 weeks by the
customers it knows. Beside it: the same shifted by the mean error of the origins within the past, or by half of the
last quarter's error; what those customers bought in the quarter before; and a year ago. Histories: CDNOW, three BG/NBD
worlds and, where a demo lies below the folder (`make demo` first), both of its brands. Printed are the median and the
mean of forecast / actual - 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from purchase_tables import Tables, days  # noqa: E402
from value import simulate  # noqa: E402

from cxlab import runs  # noqa: E402
from cxlab.value import fits  # noqa: E402
from cxlab.value.rfm import backtest  # noqa: E402
from cxlab.value.rfm import history as rfm  # noqa: E402
from cxlab.value.rfm.history import History  # noqa: E402

QUARTER = 91
WAYS = ("plain", "mean error", "half last error", "last quarter", "year ago")


def histories(home: Path) -> dict[str, History]:
    found = {}
    if (home / "data" / "demo").is_dir():
        for brand in ("alder", "birch"):
            run = runs.open(home / "params" / "demo.yaml", brand=brand, period="2026Q3")
            history = fits.read(run.data, params=run.params, period="2026Q3")
            assert history is not None
            found[brand] = history
    data = os.environ.get("CXLAB_DATA")
    if data:
        table = pd.read_csv(Path(data) / "cdnow" / "cdnow_sample.csv.gz")
        when = pd.to_datetime(table["date"].astype(str)).dt.date
        rows = pd.DataFrame({"customer": table["sample_id"].astype(str), "date": when, "amount": table["amount"]})
        found["cdnow"] = rfm.read(Tables(rows.groupby(["customer", "date"], as_index=False).sum()))
    for seed in range(3):
        world = simulate.draw(
            3000, family="bgnbd", parameters=(0.6, 6.0, 0.8, 2.5), weeks=104, arrivals=90, horizon=0.01, seed=seed
        )
        found[f"world {seed}"] = rfm.read(Tables(days(world, 104)))
    return found


def origins(history: History) -> pd.DataFrame:
    """A row a day: what came, and what each way foretold."""
    of, span = max(1, -(-history.counts["customers"] // backtest.MOST)), (history.end - history.first).days

    def foretold(day, end, choice):
        past = backtest._past(history, day, end, of)
        row = backtest._run([past], choice.family, choice.covariates, None).iloc[0]
        return float(row["actual"]), float(row["expected"])

    def bought(since, until):
        if since <= history.first:
            return np.nan
        past = backtest._past(history, since, until, of)
        return float((past.later["x"] - past.customers["x"]).sum())

    rows = []
    for share in np.linspace(0.45, 1 - QUARTER / span, 6):
        day = history.first + timedelta(days=round(share * span))
        end = min(history.end, day + timedelta(days=QUARTER))
        choice = backtest.choose(history, until=day, candidates=("bgnbd", "mbgnbd"))
        actual, plain = foretold(day, end, choice)
        before = day - timedelta(days=QUARTER)
        last = np.log(np.divide(*foretold(before, day, choice))) if (before - history.first).days > 60 else 0.0
        errors = choice._errors(13.0)
        quarter, year = bought(before, day), bought(day - timedelta(days=364), day - timedelta(days=273))
        told = (plain, plain * np.exp(errors.mean()), plain * np.exp(last / 2), quarter, year)
        covered = abs(np.log(actual / plain)) <= 1.645 * choice.correction(13.0).spread
        rows.append({"day": day, "actual": actual, "covered": covered} | dict(zip(WAYS, told, strict=True)))
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=ROOT, help="home that holds data/demo and params/demo.yaml")
    table = {name: origins(one) for name, one in histories(parser.parse_args().runs).items()}
    table["all"] = pd.concat(table.values())
    print(f"{'':10}" + "".join(f"{way:>18}" for way in WAYS) + f"{'covered (90 %)':>18}")
    for name, rows in table.items():
        off = {way: rows[way] / rows["actual"] - 1 for way in WAYS}
        cells = "".join(f"{values.abs().median():>9.3f}{values.mean():>+9.3f}" for values in off.values())
        print(f"{name:10}{cells}{rows['covered'].mean():>18.2f}")


if __name__ == "__main__":
    main()
