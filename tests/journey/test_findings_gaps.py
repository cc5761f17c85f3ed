from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tidy import HOSTILE, frame, row, tell

from cxlab.journey import estimates_gaps as tidy
from cxlab.journey import findings_gaps as say
from cxlab.params.models import Stage
from cxlab.report.format import Labels

LABELS = Labels(groups={"touchpoint": {"delivery": {"en": "Delivery", "zh": "配送"}, "store": "Store"}})
STAGES = (
    Stage(id="buy", touchpoints=["store", "web"]),
    Stage(id="get", label={"en": "Receive", "zh": "收货"}, touchpoints=["delivery"]),
)
ABOUT = {"labels": LABELS, "period": "2026Q3"}  # as `tell` takes it
NUMBERS = ["mean", "median", "sd", "ci_low", "ci_high", "prob_gt_ref"]


def rows() -> pd.DataFrame:
    """Delivery misses, the store meets, the web was not asked about; managers overrate it; one campaign worked."""
    made: list[dict[str, object]] = []

    def add(touchpoint: str, estimand: str, mean: float, half: float, **more: object) -> None:
        base = {
            "item": touchpoint,
            "metric": "mean",
            "level": "touchpoint",
            "group": touchpoint,
            "n": 200.0,
            "sd": half / 1.6,
        }
        where = {"touchpoint": touchpoint, "event": "", "to": ""}
        own = row(
            mean=mean, ci_low=mean - half, ci_high=mean + half, estimand=estimand, weighting="none", **base | more
        )
        made.append(own | where | {k: v for k, v in more.items() if k in where})

    for touchpoint, expected, lived, verdict in (
        ("delivery", 4.2, 3.2, "worse"),
        ("store", 4.0, 4.01, "no_real_change"),
    ):
        add(touchpoint, "expectation", expected, 0.08)
        add(touchpoint, "experience", lived, 0.07)
        add(touchpoint, "gap", lived - expected, 0.05, verdict=verdict, prob_gt_ref=0.0 if verdict == "worse" else 0.6)
        add(
            touchpoint,
            "gap_change",
            lived - expected + 0.2,
            0.1,
            verdict="worse" if verdict == "worse" else "cannot_tell",
        )
        for estimand, share in (("p_below", 0.6), ("p_met", 0.25), ("p_exceeded", 0.15)):
            add(touchpoint, estimand, share if touchpoint == "delivery" else 0.33, 0.03, metric="share", n=180.0)
        add(touchpoint, "p_target", 0.001 if touchpoint == "delivery" else 0.5, np.nan, metric="csat")
        for event, shift, chance in (("big promise", 0.3, 0.995), ("a rival", 0.02, 0.6)):
            own = shift if touchpoint == "delivery" else 0.02
            known = {"prob_gt_ref": chance if touchpoint == "delivery" else 0.6, "event": event}
            add(touchpoint, "expectation_shift", own, 0.15, verdict="" if own == 0.3 else "cannot_tell", **known)
            add(touchpoint, "gap_shift", -own, 0.2, verdict="cannot_tell", **known)
    add("delivery", "p_shortfall", 0.97, np.nan, metric="probability")
    add("web", "experience", 3.9, 0.07)
    add("delivery", "managers", 4.1, 0.1, n=60.0)
    add("delivery", "experience_gap", 0.9, 0.15, prob_gt_ref=0.999, n=60.0)
    table = pd.DataFrame(made)
    numbers = frame(made)
    return numbers.join(table[["touchpoint", "event", "to"]])


def blank(table: pd.DataFrame, verdict: str) -> pd.DataFrame:
    return table.assign(**dict.fromkeys(NUMBERS, np.nan), verdict=verdict)


def test_profile() -> None:
    found = tell(say.profile, rows(), stages=STAGES, **ABOUT)
    assert found.sentence("en") == (
        "Customers get less than they expected at: Delivery. They get what they expected at: Store. The largest"
        " shortfall is at Delivery: customers expected 4.20 and experienced 3.20 (gap likely −1.05 to −0.95)."
        " Experience has lost ground on expectation since the period before at: Delivery."
    )
    assert found.sentence("zh").startswith("客户的体验低于期望的触点：配送。")
    table = found.pages["en"].table
    assert table is not None
    assert [r[0] for r in table["rows"]] == ["Store", "web", "Delivery"]  # the order of the journey
    assert [r[4] for r in table["rows"]] == ["meets", "—", "misses"]
    figure = found.pages["en"].figure
    assert figure is not None
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert {"buy", "Receive", "not asked", "−1.00", "+0.01"} <= set(texts)


def test_profile_without_expectations_shows_the_experience() -> None:
    found = tell(say.profile, rows()[lambda t: t["estimand"] == "experience"], stages=STAGES, **ABOUT)
    assert found.sentence("en").startswith("Nobody was asked what they expected")
    figure = found.pages["en"].figure
    assert figure is not None
    assert {"3.20", "4.01", "3.90"} <= {t.get_text() for t in figure.axes[0].texts}


def test_disappointed() -> None:
    found = tell(say.shares, rows(), stages=STAGES, **ABOUT)
    assert found.sentence("en") == (
        "Q3 2026: at Delivery 60\u00a0% of customers experienced less than they expected (likely 57 to 63\u00a0%),"
        " 15\u00a0% more. The target is almost certainly missed at: Delivery."
    )


def test_managers() -> None:
    found = tell(say.managers, rows(), stages=STAGES, **ABOUT)
    assert found.sentence("en") == (
        "Managers are too optimistic about Delivery: they believe 4.10, customers say 3.20"
        " (difference likely +0.75 to +1.05)."
    )
    swapped = rows()
    swapped.loc[swapped["estimand"] == "experience_gap", "prob_gt_ref"] = 0.5
    assert "cannot tell whether they see as customers do" in tell(say.managers, swapped, **ABOUT).sentence("en")


def test_events() -> None:
    found = tell(say.events, rows(), **ABOUT)
    assert found.sentence("en") == (
        "“big promise” went with higher expectations at Delivery: +0.30 points (likely +0.15 to +0.45; P >\u00a0.99)."
        " We cannot tell for: “a rival”."
    )
    nothing = rows()[lambda t: ~((t["event"] == "big promise") & (t["touchpoint"] == "delivery"))]
    assert (
        tell(say.events, nothing, **ABOUT).sentence("en").startswith("No campaign, price change or competitor's move")
    )


MISSING = {
    "profile": (say.profile, "Nobody rated a touchpoint"),
    "shares": (say.shares, "Nobody told both"),
    "managers": (say.managers, "Managers were not asked"),
    "events": (say.events, "Nobody was asked what they expected"),
}


@pytest.mark.parametrize("case", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_said_in_one_sentence(case) -> None:
    make, said = case
    empty = frame([]).assign(**dict.fromkeys(tidy.COORDS, ""))
    found = tell(make, empty, **ABOUT)
    assert found.sentence("en").startswith(said)
    assert found.pages["en"].figure is None
    assert found.pages["zh"].sentence


@pytest.mark.parametrize("make", [say.profile, say.shares, say.managers, say.events])
@pytest.mark.parametrize(("verdict", "said"), [("withheld", "no statement"), ("suppressed", "Too few")])
def test_nothing_is_claimed_without_numbers(make, verdict: str, said: str) -> None:
    found = tell(make, blank(rows(), verdict), **ABOUT)
    assert said in found.sentence("en")
    assert found.verdict == ("withheld" if verdict == "withheld" else "")
    assert not any(np.isfinite(n.value) for n in found.numbers.values())


def test_hostile_names() -> None:
    labels = Labels(groups={"touchpoint": {"delivery": HOSTILE[0], "store": HOSTILE[-2]}})
    for name in HOSTILE:
        table = rows().astype({"event": object})
        events = [(name or "x") if e == "big promise" else e for e in table["event"]]
        table["event"] = pd.Series(events, dtype=object)
        tell(say.events, table, labels=labels).payload()
    tell(say.profile, rows(), labels=labels, stages=STAGES).payload()


def test_agreement() -> None:
    mean = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    shares = pd.DataFrame(
        {"code": range(-2, 3), "observed": mean, "mean": mean, "ci_low": mean - 0.03, "ci_high": mean + 0.03}
    )
    shares = shares.assign(n=200, touchpoint="delivery")
    assert "at Delivery: dots and bars agree" in tell(say.agreement, shares, **ABOUT).sentence("en")
    off = shares.assign(observed=[0.3, 0.3, 0.2, 0.1, 0.1])
    assert "read its shares with care" in tell(say.agreement, off, **ABOUT).sentence("en")
    assert tell(say.agreement, shares.iloc[:0], **ABOUT).sentence("en").startswith("Too few gave both answers")


def test_the_small_print_says_who_told_both() -> None:
    def note(table: pd.DataFrame) -> str:
        return tell(say.profile, table, **ABOUT).pages["en"].note

    table = rows()
    assert "the same people gave both" in note(table)
    apart = table[~table["estimand"].str.startswith("p_")]
    assert "by different people" in note(apart)
    alone = apart[apart["estimand"].isin(["experience"])]
    assert "people" not in note(alone)
