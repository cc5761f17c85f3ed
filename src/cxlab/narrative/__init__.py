"""Findings: a sentence, a figure and a table from one object, in every language of the report.

`finding` holds what a finding is and checks it; each further module writes the findings of one subject:
`satisfaction`, `readiness` (the data), `model` (what a model says of itself) and `brief` (the one page).
"""

from cxlab.narrative import brief, model, readiness, satisfaction
from cxlab.narrative.finding import Finding, Number, Page, Statement, findings_table

__all__ = [
    "Finding", "Number", "Page", "Statement", "brief", "findings_table", "model", "readiness", "satisfaction",
]  # fmt: skip
