"""What a finding is, how numbers are written, charts, and the pages they stand on."""

from cxlab.report.finding import Finding, Number, Page, Statement, findings_table

__all__ = ["Finding", "Number", "Page", "Statement", "findings_table"]
