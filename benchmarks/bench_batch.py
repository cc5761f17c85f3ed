"""What a notebook of the batch costs beyond its own computing: warm kernels against cold ones and plain papermill.

    .venv/bin/python benchmarks/bench_batch.py [repetitions]

Each way executes the same two notebooks: one that imports nothing, one that imports what the suite's models import. All
ways take turns within one run, so the ratios stand even on a busy machine. The cost is wall time less the time
the notebook itself says it spent computing.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_notebook

from cxlab.batch import engine, kernels

NOTEBOOKS = {
    "no imports": "pass",
    "suite's imports": "import pandas, xarray, matplotlib.figure, duckdb\nimport pymc, nutpie\nfrom cxlab import runs",
}
MODULES = [
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "pandas",
    "xarray",
    "matplotlib.figure",
    "duckdb",
    "pymc",
    "nutpie",
]
COMPUTING = 0.2  # seconds each notebook computes


def write(folder: Path, name: str, imports: str) -> Path:
    """A notebook with a cell of imports and one that computes."""
    work = f"import time\nend = time.perf_counter() + {COMPUTING}\nwhile time.perf_counter() < end: pass"
    path = folder / f"{name.replace(' ', '-')}.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(imports), new_code_cell(work)]), path)
    return path


def main(repetitions: int) -> None:
    """Print one line a notebook and way."""
    workplace = kernels.Workplace()
    environment = {**os.environ, **kernels.thread_environment(2)}
    began = time.perf_counter()
    warm = kernels.Warm(modules=[*MODULES, "cxlab.runs"], environment=environment, workplace=workplace)
    if not warm.wait_ready(300):
        raise SystemExit("the warm parent did not come up")
    print(f"warm parent ready after {time.perf_counter() - began:.1f} s (once a batch)")

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def ours(parent: kernels.Warm | None) -> Callable[[Path], None]:
            def run(source: Path) -> None:
                outcome = engine.execute(
                    source,
                    folder / "out.ipynb",
                    parameters={},
                    folder=workplace.folder(),
                    environment=environment,
                    cwd=folder,
                    timeout=0,
                    warm=parent,
                )
                assert outcome.status == "ok", outcome

            return run

        def plain(source: Path) -> None:
            papermill.execute_notebook(
                str(source), str(folder / "out.ipynb"), kernel_name="python3", progress_bar=False
            )

        ways = {"warm": ours(warm), "cold": ours(None), "papermill": plain}
        for name, imports in NOTEBOOKS.items():
            source = write(folder, name, imports)
            costs: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(repetitions):
                for way, run in ways.items():
                    start = time.perf_counter()
                    run(source)
                    costs[way].append(time.perf_counter() - start - COMPUTING)
            middle = {way: statistics.median(found) for way, found in costs.items()}
            shown = "  ".join(f"{way} {cost:6.2f} s ({cost / middle['warm']:4.1f}x)" for way, cost in middle.items())
            print(f"{name:16s} {shown}")
    warm.close()
    workplace.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
