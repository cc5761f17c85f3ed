from __future__ import annotations

import numpy as np
import pandas as pd
from tidy import codes, estimates, row, select

from cxlab.report import tables


def test_periods_are_newest_first_with_their_change() -> None:
    rows = estimates()
    levels, changes = (select(rows, estimand=e, item="nps", metric="nps") for e in ("level", "change"))
    block = tables.periods_table(levels, changes, language="en", caption="c")
    assert [c["align"] for c in block["columns"]] == ["left", "right", "right", "right", "left", "right"]
    assert block["rows"][0] == ["Q3 2026", "31 (28 to 34)", "−6 (−10 to −2)", ".98", "worse", "4,210"]
    assert block["rows"][-1] == ["Q3 2025", "36 (33 to 39)", "", "", "", "4,210"]
    chinese = tables.periods_table(levels, changes, language="zh", caption="c")
    assert chinese["rows"][0] == ["2026年第三季度", "31（28 至 34）", "−6（−10 至 −2）", "0.98", "变差", "4,210"]


def test_hidden_and_withheld_rows_say_so() -> None:
    assert tables.estimate_cell(pd.Series(row(mean=np.nan, verdict="suppressed")), language="en") == "too few answers"
    assert tables.estimate_cell(pd.Series(row(mean=None, verdict="withheld")), language="zh") == "暂不发布"
    assert tables.estimate_cell(pd.Series(row(mean=np.nan)), language="en") == "—"


def test_codes_come_with_their_sums() -> None:
    block = tables.codes_table(codes(), language="en", caption="c", sums=[("9 or better", 0.5)])
    assert block["rows"][0] == ["10", "30\u00a0%", "3\u00a0%", "300"]
    assert block["rows"][-1] == ["9 or better", "50\u00a0%", "", ""]
    assert tables.codes_table(codes().drop(columns="previous"), language="en", caption="c")["rows"][0][2] == "—"


def test_counts_align_right_and_texts_left() -> None:
    block = tables.counts_table(["a", "b", "c"], [["x", 1234.0, "why"], ["y", 2, "so"]], language="en", caption="c")
    assert [c["align"] for c in block["columns"]] == ["left", "right", "left"]
    assert block["rows"][0] == ["x", "1,234", "why"]


def test_the_direction_of_a_change() -> None:
    assert tables.direction(0.98, 3.0) == 0.98
    assert tables.direction(0.02, -3.0) == 0.98


def test_empty_tables_have_their_heads() -> None:
    none = estimates().head(0)
    assert tables.periods_table(none, none, language="en", caption="c")["rows"] == []
    assert tables.codes_table(codes().head(0), language="en", caption="c")["columns"]


def test_a_change_beside_its_levels_agrees_with_them_as_written() -> None:
    common = {"metric": "nps", "verdict": "", "n": 100, "prob_gt_ref": 0.01}
    levels = pd.DataFrame(
        [common | {"estimand": "level", "period": p, "mean": m, "ci_low": m - 4, "ci_high": m + 4}
         for p, m in (("2026Q2", 40.2), ("2026Q3", 20.6))]
    )  # fmt: skip
    change = common | {"estimand": "change", "period": "2026Q3", "mean": -19.6, "ci_low": -25.7, "ci_high": -13.3}
    block = tables.periods_table(levels, pd.DataFrame([change]), language="en", caption="c")
    written = [row[1:3] for row in block["rows"]]
    assert written == [["21 (17 to 25)", "−19 (−26 to −13)"], ["40 (36 to 44)", ""]]
