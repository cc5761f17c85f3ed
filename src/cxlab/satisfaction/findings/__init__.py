"""Findings on satisfaction; all read the tidy estimates table and say associations only."""

from cxlab.satisfaction.findings.course import change, codes, forecast, level, trend
from cxlab.satisfaction.findings.groups import differences, groups, scales
from cxlab.satisfaction.findings.representation import rates, representation, sensitivity, weightings

__all__ = [
    "change",
    "codes",
    "differences",
    "forecast",
    "groups",
    "level",
    "rates",
    "representation",
    "scales",
    "sensitivity",
    "trend",
    "weightings",
]
