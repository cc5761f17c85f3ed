"""The satisfaction model on a real survey whose figures are published: an airport's recommend question of 2017."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.satisfaction import estimates, model
from cxlab.satisfaction.data import model_data

pytestmark = pytest.mark.shared
FACTORS = ("segment:stratum", "segment:age")


@pytest.mark.parametrize(("weighting", "published"), [("none", 39.8), ("survey", 40.4)])
def test_nps_of_the_airport(shared_data: Path, weighting: str, published: float) -> None:
    path = shared_data / "sfo_survey" / "sfo_2017.parquet"
    answers = pd.read_parquet(path, columns=["NETPRO", "STRATA", "Q19AGE", "WEIGHT"])
    answers = answers.rename(columns={"NETPRO": "code", "STRATA": "segment:stratum", "Q19AGE": "segment:age"})
    answers = answers[answers["code"].between(0, 10)].assign(period="2017")  # 11 is a blank
    weight = answers["WEIGHT"].to_numpy() if weighting == "survey" else np.ones(len(answers))
    answers = answers.assign(weight=weight * weight.sum() / (weight**2).sum())  # sums to the effective sample size
    counts = (
        answers.groupby([*FACTORS, "period", "code"]).agg(n_raw=("weight", "size"), n=("weight", "sum")).reset_index()
    )
    data = model_data(counts, codes=range(11), factors=FACTORS, periods=["2017"])
    assert data.n_raw.sum() == 2746
    tree = model.fit(data, seed=1)
    told = estimates.estimands(tree["posterior"].dataset, data, metrics=["nps"])
    assert estimates.converged(tree, told)
    nps = told["nps"].isel(row=0).to_numpy()
    low, high = np.quantile(nps, [0.05, 0.95])
    assert nps.mean() == pytest.approx(published, abs=1.0)
    assert 3.5 <= high - low <= 6.0
