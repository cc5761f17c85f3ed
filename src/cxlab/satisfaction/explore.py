"""One widget for the analyst: choose a question, a measure, a comparison and a period; figure and sentence follow.

It reads the tidy estimates of a finished model and computes nothing, so it answers at once. In a published page it is
left out: the exporter drops widgets.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import ipywidgets as widgets
import pandas as pd

from cxlab.report import blocks
from cxlab.report.blocks import SCOPE
from cxlab.report.finding import Finding
from cxlab.report.format import Labels, metric_name, period_name
from cxlab.report.messages import message
from cxlab.report.style import css
from cxlab.report.tables import RANKS
from cxlab.report.tidy import About, Estimates
from cxlab.satisfaction import findings

_OVER_TIME: Final = "total"


class Explorer(widgets.VBox):
    """A widget over tidy estimates.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates of one brand.
    labels : Labels
    language : str
        Language of the words.

    Attributes
    ----------
    item, metric, level, period : Dropdown
        The choices; setting their ``value`` redraws.
    view : HTML
        Sentence, figure and table of `finding`.
    finding : Finding or None
        What is shown now.
    """

    def __init__(self, estimates: pd.DataFrame, *, labels: Labels, language: str = "en") -> None:
        self._estimates = estimates[estimates["estimand"].isin(["level", "change", *RANKS])]
        self._labels, self._language = labels, language
        self.finding: Finding | None = None
        self.item, self.metric, self.level, self.period = (
            widgets.Dropdown(description=message(language, f"explore.{key}"))
            for key in ("item", "metric", "level", "period")
        )
        self.view = widgets.HTML()
        self._busy = False
        super().__init__([widgets.HBox([self.item, self.metric, self.level, self.period]), self.view])
        levels = self._estimates[self._estimates["estimand"] == "level"]
        _offer(self.item, [(labels.item(i, language), i) for i in _unique(levels["item"])])
        for control in (self.item, self.metric, self.level, self.period):
            control.observe(self._changed, names="value")
        self._refresh()

    def _changed(self, _: object) -> None:
        if not self._busy:
            self._refresh()

    def _refresh(self) -> None:
        """Offer only choices that have rows, keep the ones that still fit, and draw."""
        rows = self._estimates[(self._estimates["estimand"] == "level") & (self._estimates["item"] == self.item.value)]
        self._busy = True  # narrowing one choice must not draw before the others fit
        try:
            language = self._language
            _offer(self.metric, [(metric_name(m, language=language), m) for m in _unique(rows["metric"])])
            rows = rows[rows["metric"] == self.metric.value]
            named = [_OVER_TIME, *[v for v in _unique(rows["level"]) if v != _OVER_TIME]]
            over_time = message(language, "explore.over_time")
            _offer(self.level, [(over_time if v == _OVER_TIME else self._labels.level(v, language), v) for v in named])
            rows = rows[rows["level"] == self.level.value]
            periods = sorted(_unique(rows["period"]), reverse=True)
            _offer(self.period, [(period_name(p, language=language), p) for p in periods])
        finally:
            self._busy = False
        self._draw()

    def _draw(self) -> None:
        if self.item.value is None or self.period.value is None:
            self.finding = None
            self.view.value = _page([blocks.note(message(self._language, "figure.empty"))], self._language)
            return
        about = About(self._labels, (self._language,), str(self.period.value))
        rows, item, metric = Estimates(self._estimates, about), str(self.item.value), str(self.metric.value)
        if self.level.value == _OVER_TIME:
            self.finding = findings.change(rows, item, metric)
        else:
            self.finding = findings.groups(rows, item, metric, str(self.level.value))
        self.view.value = _page(self.finding.blocks(self._language), self._language)


def explore(estimates: pd.DataFrame, *, labels: Labels, language: str = "en") -> Explorer:
    """Return the widget; the last line of a notebook cell shows it.

    Parameters
    ----------
    estimates : DataFrame
        Tidy estimates of one brand.
    labels : Labels
    language : str
        Language of its words.
    """
    return Explorer(estimates, labels=labels, language=language)


def _unique(values: pd.Series) -> list[str]:
    return [str(v) for v in values.dropna().unique()]


def _offer(control: widgets.Dropdown, options: Sequence[tuple[str, str]]) -> None:
    kept = control.value
    if list(control.options) != list(options):
        control.options = list(options)
    values = [value for _, value in options]
    control.value = kept if kept in values else next(iter(values), None)


def _page(page: Sequence[blocks.Block], language: str) -> str:
    body = "".join(blocks.to_html(block, language) for block in page)
    return f'<div class="{SCOPE}" lang="{html.escape(language)}"><style>{css(scope=f".{SCOPE}")}</style>{body}</div>'
