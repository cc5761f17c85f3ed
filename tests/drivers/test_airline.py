"""Cells of a real survey from a fiftieth of it: an airline's passengers, satisfied or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.satisfaction import model as satisfaction
from cxlab.satisfaction.data import model_data

pytestmark = pytest.mark.shared
FACTORS = ["Class", "Type of Travel", "Customer Type", "Gender", "ages"]


@pytest.fixture(scope="module")
def passengers(shared_data: Path) -> pd.DataFrame:
    path = shared_data / "airline_satisfaction" / "airline_passenger_satisfaction.parquet"
    rows = pd.read_parquet(path, columns=[*FACTORS[:4], "Age", "Satisfaction"])
    rows["ages"] = pd.qcut(rows["Age"], 5).astype(str)
    rows["code"] = (rows["Satisfaction"].str.lower() == "satisfied").astype(float)
    assert rows["code"].sum() == 56_428
    return rows.astype(dict.fromkeys(FACTORS, str))


def check(passengers: pd.DataFrame, *, draws: int) -> None:
    """Error of the cells against that of their raw means, and coverage, over samples of two in a hundred."""
    truth = passengers.groupby(FACTORS)["code"].agg(["size", "mean"]).reset_index()
    truth = truth[truth["size"] >= 100]
    people = truth[FACTORS].assign(period="all", population=truth["size"].astype(float))
    errors, hits = [], []
    for seed in range(draws):
        sample = passengers.sample(frac=0.02, random_state=seed)
        counts = sample.groupby([*FACTORS, "code"]).size().rename("n_raw").reset_index()
        counts = counts.assign(n=counts["n_raw"].astype(float), period="all")
        data = model_data(counts, codes=(0, 1), factors=FACTORS, periods=["all"], population=people)
        posterior = satisfaction.fit(data, seed=seed, draws=500, method="nested")["posterior"].dataset
        share = satisfaction.code_shares(posterior, data, draws=2000, seed=seed)[..., 1]
        cells = pd.MultiIndex.from_frame(data.cells[FACTORS])
        fact = truth.set_index(FACTORS)["mean"].reindex(cells).to_numpy()
        n = data.counts.sum(axis=1)
        raw = np.divide(data.counts[:, 1], n, out=np.full(len(n), np.nan), where=n > 0)
        judged = np.isfinite(fact) & (n > 0)
        errors.append(np.column_stack([share.mean(axis=0) - fact, raw - fact])[judged])
        low, high = np.quantile(share, [0.05, 0.95], axis=0)
        hits.append(((low <= fact) & (fact <= high))[np.isfinite(fact)])
    model, alone = np.sqrt((np.concatenate(errors) ** 2).mean(axis=0))
    cover = float(np.concatenate(hits).mean())
    print(f"rmse {model:.4f} of {alone:.4f} = {model / alone:.2f}, coverage {cover:.3f}")
    assert model <= 0.6 * alone
    assert 0.85 <= cover <= 0.95


def test_cells_of_a_small_sample(passengers: pd.DataFrame) -> None:
    check(passengers, draws=5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_cells_of_fifty_small_samples(passengers: pd.DataFrame) -> None:
    check(passengers, draws=50)


def test_shuffled_answers_show_no_cells(passengers: pd.DataFrame) -> None:
    """Negative control: with the answers dealt out by chance the model's cells lie together."""
    sample = passengers.sample(frac=0.02, random_state=1)
    sample = sample.assign(code=np.random.default_rng(1).permutation(sample["code"].to_numpy()))
    counts = sample.groupby([*FACTORS, "code"]).size().rename("n_raw").reset_index()
    data = model_data(
        counts.assign(n=counts["n_raw"].astype(float), period="all"), codes=(0, 1), factors=FACTORS, periods=["all"]
    )
    posterior = satisfaction.fit(data, seed=1, draws=500, method="nested")["posterior"].dataset
    share = satisfaction.code_shares(posterior, data, draws=2000, seed=1)[..., 1].mean(axis=0)
    assert share.std() < 0.05
