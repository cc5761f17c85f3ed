from __future__ import annotations

import numpy as np
import pandas as pd
from tidy import LABELS

from cxlab.report import checks


def predictive() -> pd.DataFrame:
    share = np.array([0.2, 0.3, 0.5])
    return pd.DataFrame(
        {"code": [1, 2, 3], "observed": share, "mean": share, "ci_low": share - 0.1, "ci_high": share + 0.1}
    )


def test_the_prior_in_words() -> None:
    draws = pd.DataFrame({"metric": "nps", "value": np.linspace(-60, 60, 501)})
    found = checks.prior(draws, labels=LABELS, item="nps")
    assert found.sentence("en") == (
        "Before seeing data, the model holds −54 to 54 possible for the net promoter score (nine times in ten)."
    )


def test_passed_checks() -> None:
    found = checks.checks(passed=True, predictive=predictive())
    assert found.verdict == ""
    assert found.sentence("en").startswith("The model passed its checks")
    table = found.pages["zh"].table
    assert table is not None
    assert table["rows"][2] == ["3", "50.0%", "50.0%（40.0% 至 60.0%）"]


def test_failed_checks_say_why() -> None:
    found = checks.checks(passed=False, reasons=["r-hat 1.2", {"en": "12 divergences", "zh": "12 次发散"}])
    assert found.verdict == "withheld"
    assert found.sentence("en").endswith("withheld: r-hat 1.2, 12 divergences.")
    assert "12 次发散" in found.sentence("zh")
    assert found.pages["en"].figure is None
    off = checks.checks(passed=True, predictive=predictive(), predictive_ok=False)
    assert "does not describe" in off.sentence("en")
