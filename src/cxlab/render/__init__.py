"""Executed notebook -> one self-contained page a stakeholder can read offline, in each language of the report."""

from cxlab.render.context import Link, PageContext
from cxlab.render.exporter import ReportExporter, render_page

__all__ = ["Link", "PageContext", "ReportExporter", "render_page"]
