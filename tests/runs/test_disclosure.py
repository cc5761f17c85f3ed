from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal

from cxlab.runs.disclosure import suppress
from cxlab.vocab import ESTIMATE_NUMBERS


def table(**columns: object) -> pd.DataFrame:
    base = {c: [1.0, 2.0, 3.0] for c in (*ESTIMATE_NUMBERS, "n_eff")}
    return pd.DataFrame(
        {**base, "group": list("abc"), "n": [29, 30, 31], "verdict": ["better", "", "worse"], **columns}
    )


def test_rows_on_too_few_answers_lose_every_number() -> None:
    out = suppress(table(), 30)
    assert out["verdict"].tolist() == ["suppressed", "", "worse"]
    assert out.loc[0, [*ESTIMATE_NUMBERS, "n_eff"]].isna().all()
    assert out["n"].tolist() == [29, 30, 31]
    assert_frame_equal(out.iloc[1:], table().iloc[1:])


def test_the_table_given_is_not_changed() -> None:
    given = table()
    suppress(given, 1000)
    assert_frame_equal(given, table())


def test_an_unknown_number_of_answers_counts_as_too_few() -> None:
    out = suppress(table(n=[np.nan, "many", 31]), 30)
    assert out["verdict"].tolist() == ["suppressed", "suppressed", "worse"]


def test_withheld_claims_stay_withheld_but_lose_their_numbers() -> None:
    out = suppress(table(verdict=["withheld", "", ""]), 30)
    assert out.loc[0, "verdict"] == "withheld"
    assert np.isnan(out.loc[0, "mean"])


def test_whole_numbers_and_tables_without_a_verdict() -> None:
    out = suppress(pd.DataFrame({"mean": [1, 2], "n": [1, 100]}), 30)
    assert out["verdict"].tolist() == ["suppressed", ""]
    assert np.isnan(out.loc[0, "mean"])


def test_tables_that_are_no_estimates_pass() -> None:
    counts = pd.DataFrame({"period": ["2025Q1"], "n": [3]})
    assert suppress(counts, 30) is counts


def test_nothing_is_suppressed_at_a_limit_of_one() -> None:
    assert_frame_equal(suppress(table(), 1), table())
