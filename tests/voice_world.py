"""Tables of a small world of voice: what the topic space and the model of mentions write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import tidy
import xarray as xr

from cxlab.report import About, Estimates
from cxlab.report.format import Labels
from cxlab.report.writing import Item, Period
from cxlab.voice.names import names_of, with_topics

TOPICS = {  # id: names, keywords, language, comments, share, stability, npmi
    "delivery": ("Delivery", "配送", "courier, late, parcel", "en+zh", 900, 0.45, 0.97, 0.21),
    "staff": ("Staff", "店员", "staff, friendly, helpful", "en+zh", 500, 0.25, 0.95, 0.18),
    "price": ("Prices", "价格", "price, expensive, offer", "en", 300, 0.15, 0.52, 0.07),
    "sizing": ("Sizes", "尺码", "size, fits, small", "en", 60, 0.03, 0.91, 0.3),
}
REASONS = {"modelled": 2000, "empty": 40, "no_words": 12, "flood": 100}


def topics() -> pd.DataFrame:
    """The table ``topics``."""
    columns = ["topic_id", "label", "label_zh", "keywords", "language", "size", "share", "stability", "npmi"]
    found = pd.DataFrame([(k, *v) for k, v in TOPICS.items()], columns=columns)
    return found.assign(label_en=found["label"], theme="")


def checks(*, stability: float = 0.97, rules: bool = True, sentiment: str = "rated") -> pd.DataFrame:
    """The table ``topic_checks``."""
    rows: list[tuple[str, str, str, float, float, str]] = [
        ("account", "", name, float("nan"), n, "") for name, n in REASONS.items()
    ]
    measures = {"k": 4, "leaves": 60, "stability": stability, "npmi": 0.2, "diversity": 0.9, "outlier_share": 0.01}
    measures |= {"refits": 5, "floor": 0.6}
    rows += [("fit", "", key, float(value), 2000, "") for key, value in measures.items()]
    for code, n in (("en", 1400), ("zh", 600)):
        rows.append(("language", code, "use", 2.0 * n, n, ""))
        if sentiment == "rated":
            quality = {"accuracy": 0.91, "auc": 0.95, "brier": 0.07, "base": 0.6}
            rows += [("sentiment", code, key, value, n / 2, sentiment) for key, value in quality.items()]
        else:
            rows.append(("sentiment", code, "method", float("nan"), 0, sentiment))
    rows += [("flood", "", "copy", 3, 90, ""), ("flood", "", "burst", 1, 10, "")]
    if rules:
        rows += [
            ("rule", "", "merge: delivery", 1, 2, "courier · late · parcel"),
            ("rule", "", "ban: refnud", 0, 0, "refund"),
            ("rule", "", "name: wurst", 0, 0, ""),
        ]
    return pd.DataFrame(rows, columns=["section", "language", "name", "value", "n", "text"])


def none() -> pd.DataFrame:
    """No topic at all, with the columns of the table."""
    return topics().head(0)


EFFECTS = {"delivery": (-0.8, "worse"), "staff": (0.5, "better"), "price": (-0.05, "cannot_tell"),
           "sizing": (-0.6, "worse")}  # fmt: skip
SHARES = {"delivery": (0.30, 0.45), "staff": (0.25, 0.25), "price": (0.16, 0.15), "sizing": (0.001, 0.03)}
PLACES = {"delivery": 900.0, "store": 600.0}
LABELS = Labels(
    items={"overall": {"en": "Overall satisfaction", "zh": "总体满意度"}},
    groups={"touchpoint": {"delivery": {"en": "Delivery desk"}, "store": {"zh": "门店", "en": "Store"}}},
)


def _row(topic: str, estimand: str, mean: float, half: float, **more: object) -> dict[str, object]:
    base = tidy.row(**{"item": "overall", "metric": "mean", "estimand": estimand, "weighting": "none"} | more)
    return base | {"mean": mean, "ci_low": mean - half, "ci_high": mean + half, "sd": half / 1.645, "topic": topic}


def estimates() -> pd.DataFrame:
    """The table ``topic_estimates`` of a period and the one before."""
    rows = []
    for topic, (before, now) in SHARES.items():
        effect, verdict = EFFECTS[topic]
        n = float(TOPICS[topic][4])
        rows += [
            _row(topic, "share", before, 0.005, period="2026Q2", metric="share", n=2000.0),
            _row(topic, "share", now, 0.005, metric="share", n=2000.0),
            _row(topic, "share_change", now - before, 0.01, metric="share", n=2000.0,
                 prob_gt_ref=min(max(0.5 + 20 * (now - before), 0.001), 0.999)),
            _row(topic, "score_effect", effect, 0.1, n=n, verdict=verdict),
            _row(topic, "points_at_stake", now * effect, 0.02, n=n),
            _row(topic, "sentiment", 0.5 + effect / 2, 0.05, metric="share", n=n),
            _row(topic, "p_emerging", 0.99 if topic == "sizing" else 0.01, 0.0, metric="probability", n=n),
            _row(topic, "p_rank_worst", 0.97 if topic == "delivery" else 0.01, 0.0, metric="probability", n=n),
        ]  # fmt: skip
        for place, of_place in PLACES.items():
            there: dict[str, Any] = {"level": "touchpoint", "group": place, "n": of_place}
            stake = (1.5 if place == "delivery" else 0.5) * now * effect
            rows.append(_row(topic, "points_at_stake", stake, 0.03, **there | {"verdict": verdict}))
            rows.append(_row(topic, "share", now, 0.03, **there | {"metric": "share"}))
    rows.append(_row("voucher-code", "p_emerging", 0.99, 0.0, metric="probability", n=40.0))
    for name, (effect, verdict) in {"gift": (-0.4, "worse"), "evening": (0.0, "cannot_tell")}.items():
        rows += [
            _row("", "situation_effect", effect, 0.1, verdict=verdict, n=80.0) | {"situation": name},
            _row("", "situation_share", 0.05, 0.01, metric="share", n=80.0) | {"situation": name},
        ]
    extra = pd.DataFrame(rows)[["topic", "situation"]].fillna("")
    return tidy.frame(rows).join(extra)


def news() -> pd.DataFrame:
    """What `cxlab.voice.emerging.find` says of the same world."""
    rows = [
        ("sizing", "topic", None, None, None, 0.99, 60, 0.03, 0.001, "emerging"),
        (
            "voucher-code",
            "group",
            "price",
            "voucher · code · refused · again · app",
            "en",
            0.99,
            40,
            0.02,
            0.0,
            "emerging",
        ),
        *((t, "topic", None, None, None, 0.01, 500, 0.2, 0.2, "") for t in ("delivery", "staff", "price")),
    ]
    columns = ["topic", "kind", "parent", "keywords", "language", "mean", "n", "share", "before", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def withheld() -> pd.DataFrame:
    """The same when the checks of the model failed."""
    table = estimates()
    table.loc[:, ["mean", "ci_low", "ci_high", "prob_gt_ref"]] = float("nan")
    return table.assign(verdict="withheld")


def about(*, named: Any = None, previous: str = "2026Q2") -> About:
    """What the findings of the page share."""
    labels = with_topics(LABELS, names_of(topics()) if named is None else named)
    more = {"score": Item("overall"), "before": Period(previous) if previous else "", "comments": 2000, "scored": 1500}
    return About(labels, period="2026Q3", more=more)


def page(rows: pd.DataFrame, **more: Any) -> Estimates:
    """The table as findings take it."""
    return Estimates(rows, about(**more))


def said() -> pd.DataFrame:
    """Clauses of comments with their topic, as the workbench and the quotes take them."""
    texts = [
        ("c1", "delivery", "The parcel came a week late.", "en", "2026Q3", "delivery", 0.9, 0.05),
        ("c2", "delivery", "The courier never rang.", "en", "2026Q3", "delivery", 0.8, 0.1),
        ("c3", "delivery", "Delivered the next day, wonderful!", "en", "2026Q2", "delivery", 0.7, 0.98),
        ("c4", "delivery", "快递太慢了。", "zh", "2026Q3", None, 0.95, 0.04),
        ("c5", "staff", "Friendly staff.", "en", "2026Q3", "store", 0.9, 0.97),
    ]
    columns = ["comment_id", "topic", "text", "language", "period", "touchpoint", "probability", "sentiment"]
    return pd.DataFrame(texts, columns=columns)


def draws() -> xr.Dataset:
    """The draws ``posterior/voice`` of the same world."""
    random = np.random.default_rng(0)
    names = list(EFFECTS)
    effect = np.array([EFFECTS[t][0] for t in names]) + 0.05 * random.normal(size=(2, 200, len(names)))
    share = np.array([SHARES[t][1] for t in names]) + 0.005 * random.normal(size=(2, 200, len(names)))
    dims = ("chain", "draw", "topic")
    return xr.Dataset({"effect": (dims, effect), "share": (dims, share)}, coords={"topic": names})


HOSTILE = tidy.HOSTILE
