"""Tables of a small world of voice: what the topic space and the model of mentions write."""

from __future__ import annotations

import pandas as pd
import tidy

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
    return found.assign(label_en=found["label"])


def checks(*, stability: float = 0.97, rules: bool = True, sentiment: str = "rated") -> pd.DataFrame:
    """The table ``topic_checks``."""
    rows: list[tuple[str, str, str, float, float, str]] = [
        ("account", "", name, float("nan"), n, "") for name, n in REASONS.items()
    ]
    for code, name, n in (("en", "minilm-int8", 1400), ("zh", "corpus", 600)):
        rows.append(("language", code, name, 2.0 * n, n, ""))
        measures = {"k": 4, "stability": stability, "npmi": 0.2, "diversity": 0.9, "outlier_share": 0.01, "seeds": 5}
        rows += [("fit", code, key, float(value), n, "") for key, value in measures.items()]
        for k, (silhouette, again) in {2: (0.1, 1.0), 3: (0.2, 0.99), 4: (0.3, 0.97), 5: (0.2, 0.8)}.items():
            rows += [("choice", code, "silhouette", silhouette, k, ""), ("choice", code, "stability", again, k, "")]
            rows.append(("choice", code, "chosen", float(k == 4), k, ""))
        if sentiment == "rated":
            quality = {"accuracy": 0.91, "auc": 0.95, "brier": 0.07}
            rows += [("sentiment", code, key, value, n / 2, sentiment) for key, value in quality.items()]
        else:
            rows.append(("sentiment", code, "method", float("nan"), 0, sentiment))
    rows += [("flood", "", "copy", 3, 90, ""), ("flood", "", "burst", 1, 10, "")]
    if rules:
        rows += [
            ("rule", "", "merge: delivery, courier", 1, 2, ""),
            ("rule", "", "ban: refnud", 0, 0, "nearest: refund"),
        ]
    return pd.DataFrame(rows, columns=["section", "language", "name", "value", "n", "text"])


def none() -> pd.DataFrame:
    """No topic at all, with the columns of the table."""
    return topics().head(0)


HOSTILE = tidy.HOSTILE
