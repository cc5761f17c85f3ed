"""Findings: a sentence, a figure and a table from one object, in every language of the report.

`finding` holds what a finding is and checks it; each further module writes the findings of one subject.
"""

from cxlab.narrative.finding import Finding, Number, Page, Statement, findings_table
from cxlab.narrative.satisfaction import change, codes, groups, level, trend

__all__ = [
    "Finding", "Number", "Page", "Statement", "change", "codes", "findings_table", "groups", "level", "trend",
]  # fmt: skip
