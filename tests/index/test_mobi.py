"""The index on the European index's mobile phone survey, whose composites are published, and against likelihood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.index import composites, density, estimates, model
from cxlab.index.data import SemData, structure
from cxlab.index.density import Priors

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def mobi(shared_data: Path) -> SemData:
    folder = shared_data / "sem_acsi"
    measured = pd.read_csv(folder / "reference" / "ECSI_measurement_model.csv")
    paths = pd.read_csv(folder / "reference" / "ECSI_structural_model.csv")
    spec = structure(
        {k: list(g["target"]) for k, g in measured.groupby("source", sort=False)},
        {k: list(g["source"]) for k, g in paths.groupby("target", sort=False)},
        target="Satisfaction",
    )
    rows = pd.read_csv(folder / "mobi.csv").assign(period="1")
    return model.model_data(rows, structure=spec, ends=dict.fromkeys(spec.items, (1, 10)), periods=["1"])


def test_composites_reproduce_the_reference(mobi: SemData, shared_data: Path) -> None:
    file = shared_data / "sem_acsi" / "reference" / "smartpls_mobi_pathWeighting_pathCoefficients.txt"
    wanted = pd.read_csv(file, sep="\t", index_col=False, decimal=",")  # its rows end in a tab
    wanted = wanted.set_index(wanted.columns[0])
    wanted.index, wanted.columns = wanted.index.str.strip(), wanted.columns.str.strip()
    found = composites.composite_draws(mobi, draws=10, seed=1)
    for arrow in found["arrow"].to_numpy():
        origin, to = str(arrow).split(" -> ")
        assert float(found["best_path"].sel(arrow=arrow)) == pytest.approx(wanted.loc[origin, to], abs=0.001), arrow
    assert float(found["best_r2"].sel(moved="Satisfaction")) == pytest.approx(0.681, abs=0.001)
    assert float(found["best_index"].sel(period="1", latent="Satisfaction")) == pytest.approx(72.45, abs=0.02)
    # The control: without path weighting (all inner weights alike) the figures differ.
    plain = composites._scaled(mobi.structure.member[None], mobi.covariance[None]).sum(axis=2)
    begun, done = (composites.composites(mobi.covariance, mobi.structure, most=most).weight for most in (0, 300))
    assert np.abs(begun - plain).max() < 1e-9
    assert np.abs(done - plain).max() > 0.02


@pytest.mark.slow
def test_the_latent_model_beside_maximum_likelihood(mobi: SemData) -> None:
    """Where it leaves maximum likelihood by more than an sd, it says so: on the ridge of nearly equal latents."""
    priors = Priors()
    tree = model.fit(mobi, seed=1, accept=estimates.believed)
    told = estimates.estimands(tree["posterior"].dataset, mobi)
    judged = estimates.gate(tree, told)
    assert judged.passed, judged
    assert judged.divergences == 0
    x = tree["posterior"]["x"].to_numpy()
    best = model.maximum_likelihood(mobi, start=x.reshape(-1, x.shape[-1]).mean(axis=0))
    marks = estimates.sensitivity(x, mobi, model.completed(mobi, priors))
    spec = mobi.structure

    def off(name: str, wanted: np.ndarray) -> np.ndarray:
        draws = told[name].to_numpy()
        return np.abs(draws.mean(axis=(0, 1)) - wanted) / np.maximum(draws.std(axis=(0, 1)), 1e-3)

    assert off("loading", best.loading[0]).max() < 1
    paths = off("path", np.array([best.path[0, b, a] for a, b in spec.paths]))
    assert marks.flagged_path[paths > 1].all()
    assert not marks.flagged_path.all()
    total = off("total_effect", np.array([best.total[0, b, a] for a, b in density.pairs(spec)]))
    named = dict(zip(told["pair"].to_numpy().tolist(), total, strict=True))
    for pair in ("Image -> Expectation", "Image -> Value", "Image -> Complaints", "Satisfaction -> Complaints"):
        assert named[pair] < 1.1, pair  # Image -> Value lies one sd off, give or take the draws
    satisfaction = told["index"].sel(period="1", latent="Satisfaction").to_numpy()
    low, high = np.quantile(satisfaction, [0.025, 0.975])
    assert low < 72.45 < high
