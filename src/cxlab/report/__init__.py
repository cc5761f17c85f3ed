"""What a finding is, how numbers are written, charts, and the pages they stand on."""

from cxlab.report.finding import Finding, Number, Statement, findings_table
from cxlab.report.page import Page
from cxlab.report.tidy import About, Estimates, Row, Say

__all__ = ["About", "Estimates", "Finding", "Number", "Page", "Row", "Say", "Statement", "findings_table"]
