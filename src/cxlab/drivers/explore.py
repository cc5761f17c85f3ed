"""The what-if widget of the workbench: choose attributes, say how far they move, read off what goes with it.

It reads the draws of a finished run, samples nothing and answers at once.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np

from cxlab.drivers import whatif
from cxlab.drivers.findings import Outcome, Subject
from cxlab.drivers.whatif import Move, Outlook
from cxlab.report import blocks
from cxlab.report.blocks import SCOPE
from cxlab.report.format import Labels, number, span
from cxlab.report.messages import message
from cxlab.report.style import css
from cxlab.report.writing import Writer

if TYPE_CHECKING:
    import xarray as xr

_ENDS = (0.05, 0.95)


class WhatIf(widgets.VBox):
    """A widget over the draws of the driver models.

    Parameters
    ----------
    draws : Dataset
        ``posterior/drivers`` of a finished run.
    labels : Labels
    language : str
        Language of the words.

    Attributes
    ----------
    outcome : Dropdown
    pick : SelectMultiple
        Attributes that move.
    reach : ToggleButtons
        ``lift`` or ``target``.
    size : FloatSlider
        Share satisfied to reach, for ``target``.
    view : HTML
    answer : dict of metric -> array (draw,)
        The changes shown now.
    """

    def __init__(self, draws: xr.Dataset, *, labels: Labels, language: str = "en") -> None:
        self._draws, self._labels, self._language = draws, labels, language
        self.answer: dict[str, np.ndarray] = {}
        self._outlooks: dict[str, Outlook] = {}
        names = [str(o) for o in draws["outcome"].to_numpy()] if "outcome" in draws.coords else []
        self.outcome = widgets.Dropdown(
            description=message(language, "driver_explore.outcome"),
            options=[(Outcome(o).written(Writer(labels, language)), o) for o in names],
        )
        self.pick = widgets.SelectMultiple(description=message(language, "driver_explore.pick"), rows=10)
        self.reach = widgets.ToggleButtons(
            description=message(language, "driver_explore.reach"),
            options=[(message(language, f"driver_explore.{k}"), k) for k in ("lift", "target")],
        )
        self.size = widgets.FloatSlider(
            description=message(language, "driver_explore.size"),
            value=0.8,
            min=0.0,
            max=1.0,
            step=0.01,
            readout_format=".0%",
            disabled=True,
        )
        self.view = widgets.HTML()
        super().__init__([widgets.HBox([self.outcome, self.reach, self.size]), widgets.HBox([self.pick, self.view])])
        self.outcome.observe(self._other_outcome, names="value")
        for control in (self.pick, self.reach, self.size):
            control.observe(self._changed, names="value")
        self._other_outcome(None)

    @property
    def outlook(self) -> Outlook | None:
        """What answers the question of the outcome shown now."""
        name = self.outcome.value
        if name is None:
            return None
        if name not in self._outlooks:
            self._outlooks[name] = whatif.stored(self._draws, name)
        return self._outlooks[name]

    def _other_outcome(self, _: object) -> None:
        at = self.outlook
        kept = set(self.pick.value)
        found = () if at is None else at.attributes
        self.pick.options = [(self._labels.item(a, self._language), a) for a in found]
        self.pick.value = [a for a in found if a in kept]
        self._changed(None)

    def _changed(self, _: object) -> None:
        self.size.disabled = self.reach.value != "target"
        at, chosen = self.outlook, list(self.pick.value)
        if at is None or not chosen:
            self.answer = {}
            self._show([blocks.note(message(self._language, "driver_explore.idle" if at else "figure.empty"))])
            return
        size = float(self.size.value) if self.reach.value == "target" else 1.0
        self.answer = whatif.change(at, [Move(a, self.reach.value, size) for a in chosen])
        self._show(
            [*(self._sentence(at, m) for m in self.answer), blocks.note(message(self._language, "driver_whatif.note"))]
        )

    def _sentence(self, at: Outlook, metric: str) -> blocks.Block:
        language, values = self._language, self.answer[metric]
        subject = Subject(metric, at.outcome).written(Writer(self._labels, language))
        old = float(whatif.level(at)[metric].mean())
        low, high = np.quantile(values, _ENDS)
        form = metric if metric in ("nps", "csat", "mean") else "share"
        fields = {
            "subject": subject,
            "old": number(old, metric=form, language=language),
            "new": number(old + float(values.mean()), metric=form, language=language),
            "value": number(float(values.mean()), metric=form, language=language, signed=True),
            "span": span(float(low), float(high), metric=form, language=language, signed=True),
        }
        text = message(language, "driver_explore.answer", fields)
        return blocks.finding(text[:1].upper() + text[1:])

    def _show(self, page: list[blocks.Block]) -> None:
        body = "".join(blocks.to_html(block, self._language) for block in page)
        language, rules = html.escape(self._language), css(scope=f".{SCOPE}")
        self.view.value = f'<div class="{SCOPE}" lang="{language}"><style>{rules}</style>{body}</div>'


def what_if(draws: xr.Dataset, *, labels: Labels, language: str = "en") -> WhatIf:
    """Return the widget; the last line of a notebook cell shows it.

    Parameters
    ----------
    draws : Dataset
        ``run.read_posterior("drivers")`` of a finished run.
    labels : Labels
    language : str
        Language of its words.
    """
    return WhatIf(draws, labels=labels, language=language)
