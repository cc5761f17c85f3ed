"""Executed notebook -> one self-contained page a stakeholder can read offline, in each language of the report."""

from cxlab.report.html.context import Link, PageContext
from cxlab.report.html.exporter import ReportExporter, render_page

__all__ = ["Link", "PageContext", "ReportExporter", "render_page"]
