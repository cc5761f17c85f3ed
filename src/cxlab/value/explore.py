"""The widget of the workbench on value: move discount, horizon, margin, retention and the cost of a contact, read off.

It reads the draws of a finished run, fits nothing and answers at once.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
import pandas as pd

from cxlab.report import blocks
from cxlab.report.blocks import SCOPE
from cxlab.report.format import number, probability, span
from cxlab.report.messages import message
from cxlab.report.style import css
from cxlab.report.tidy import About
from cxlab.value import whatif
from cxlab.value.findings import segment
from cxlab.value.whatif import Kept, Terms

if TYPE_CHECKING:
    import xarray as xr

LIFT, COST = 0.05, 1.0  # of a contact, to begin with, where the params say nothing
_ENDS = (0.05, 0.95)


class ValueExplorer(widgets.VBox):
    """A widget over the draws of a finished run.

    Parameters
    ----------
    draws : Dataset
        ``posterior/value``.
    customers : DataFrame
        ``customer_value``.
    lift : float or None
        Share by which a contact raises what a customer is worth; `LIFT` where nobody says.
    cost : float or None
        Of one contact, to begin with.
    language : str

    Attributes
    ----------
    discount, years, contribution, leaving, cost : FloatSlider
    customer : Text
        Pseudonym to look up.
    view : HTML
    answer : array (draw,)
        Customer equity shown now; empty if the run kept no draws.
    """

    def __init__(
        self,
        draws: xr.Dataset,
        customers: pd.DataFrame,
        *,
        lift: float | None,
        cost: float | None,
        language: str = "en",
    ) -> None:
        self._customers, self._language = customers.set_index("customer"), language
        self._lift, cost = LIFT if lift is None else lift, COST if cost is None else cost
        self.at: Kept | None = whatif.stored(draws) if "flow" in draws else None
        self.answer = np.empty(0)
        base = self.at.base if self.at is not None else Terms(0.1, 3.0, 1.0)
        self.discount = self._slider("discount", base.discount, 0.0, 0.5, 0.005, ".1%")
        self.years = self._slider("years", base.years, 0.5, 20.0, 0.5, ".1f")
        self.contribution = self._slider("contribution", base.contribution, 0.01, 1.0, 0.01, ".0%")
        self.leaving = self._slider("leaving", 1.0, 0.5, 1.5, 0.05, ".2f")
        self.cost = self._slider("cost", cost, 0.0, max(20.0, 4 * cost), 0.1, ".2f")
        self.customer = widgets.Text(description=message(language, "value_explore.customer"), continuous_update=False)
        self.view = widgets.HTML()
        sliders = [self.discount, self.years, self.contribution, self.leaving, self.cost]
        super().__init__([widgets.HBox([widgets.VBox([*sliders, self.customer]), self.view])])
        for control in (*sliders, self.customer):
            control.observe(self._changed, names="value")
        self._changed(None)

    def _slider(self, key: str, value: float, low: float, high: float, step: float, form: str) -> widgets.FloatSlider:
        text, ends = message(self._language, f"value_explore.{key}"), {"min": min(low, value), "max": max(high, value)}
        style = {"description_width": "initial"}
        return widgets.FloatSlider(value=value, description=text, step=step, readout_format=form, style=style, **ends)

    @property
    def terms(self) -> Terms:
        """What the sliders say."""
        return Terms(self.discount.value, self.years.value, self.contribution.value, self.leaving.value)

    def _changed(self, _: object) -> None:
        language, at = self._language, self.at
        if at is None:
            self._show([blocks.note(message(language, "value_explore.none"))])
            return
        self.answer = whatif.equity(at, self.terms)
        metric = "money" if at.priced else "count"
        page = [self._said("equity", self.answer, metric, {"before": self._number(float(at.equity.mean()), metric)})]
        if at.priced:
            share, gain = whatif.pays(self._customers.reset_index(), cost=float(self.cost.value), lift=self._lift)
            fields = {"share": self._number(share, "share"), "gain": self._number(gain, "money")}
            fields["lift"] = self._number(self._lift, "share")
            page.append(blocks.finding(message(language, "value_explore.contact", fields)))
        if self.customer.value.strip():
            page.append(self._one(at, self.customer.value.strip(), metric))
        page.append(blocks.note(message(language, "value_explore.note")))
        self._show(page)

    def _one(self, at: Kept, customer: str, metric: str) -> blocks.Block:
        language = self._language
        if customer not in self._customers.index:
            return blocks.note(message(language, "value_explore.unknown", {"customer": customer}), kind="warning")
        row = {str(k): v for k, v in self._customers[self._customers.index == customer].iloc[0].items()}
        fields = {
            "customer": customer,
            "alive": probability(float(row["p_alive"]), language=language),
            "segment": About().writer(language)(segment(str(row["segment"]))) if str(row["segment"]) else "—",
            "purchases": self._number(float(row["purchases"]), "count"),
            "expected": self._number(float(row["expected_purchases"]), "mean"),
            "clv": self._number(float(row["clv_mean"]), "money"),
            "span": span(float(row["clv_low"]), float(row["clv_high"]), metric="money", language=language),
        }
        if customer not in set(at.customer):
            return blocks.finding(message(language, "value_explore.who", fields))
        fields["now"] = self._number(float(whatif.worth(at, customer, self.terms).mean()), metric)
        return blocks.finding(message(language, "value_explore.who_now", fields))

    def _said(self, key: str, values: np.ndarray, metric: str, more: dict[str, str]) -> blocks.Block:
        low, high = np.quantile(values, _ENDS)
        fields = more | {"value": self._number(float(values.mean()), metric)}
        fields["span"] = span(float(low), float(high), metric=metric, language=self._language)
        return blocks.finding(message(self._language, f"value_explore.{key}", fields))

    def _number(self, value: float, metric: str) -> str:
        return number(value, metric=metric, language=self._language)

    def _show(self, page: list[blocks.Block]) -> None:
        body = "".join(blocks.to_html(block, self._language) for block in page)
        language, rules = html.escape(self._language), css(scope=f".{SCOPE}")
        self.view.value = f'<div class="{SCOPE}" lang="{language}"><style>{rules}</style>{body}</div>'


def explore(
    draws: xr.Dataset, customers: pd.DataFrame, *, lift: float | None, cost: float | None, language: str = "en"
) -> ValueExplorer:
    """Return the widget; the last line of a notebook cell shows it. Parameters: see `ValueExplorer`."""
    return ValueExplorer(draws, customers, lift=lift, cost=cost, language=language)
