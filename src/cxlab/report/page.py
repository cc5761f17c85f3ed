"""The page of one notebook: its findings are shown one after the other and written together.

::

    page = Page(run, "25_index", labels=labels)
    estimates = page.estimates(run.write("index_estimates", rows), csv="index_estimates.csv")
    page.show(findings.now(estimates, "satisfaction"))      # a question each: four to seven lead the page
    page.more(findings.paths(estimates, "satisfaction"))    # the others fold: a sentence that opens the rest
    page.save()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cxlab.report import blocks
from cxlab.report.finding import Finding, findings_table
from cxlab.report.format import Labels, labels_of
from cxlab.report.tidy import About, Estimates

if TYPE_CHECKING:
    from cxlab.runs.run import Run


class Page:
    """What a notebook tells.

    Parameters
    ----------
    run : Run
    notebook : str
        Id of the notebook.
    labels : Labels, optional
        The client's names; by default those of the params.
    """

    def __init__(self, run: Run, notebook: str, *, labels: Labels | None = None) -> None:
        self.run, self.notebook, self.findings = run, notebook, list[Finding]()
        self.labels = labels or labels_of(run.params, run.brand.id if run.brand else "")

    def about(self, *, csv: str = "", **fields: Any) -> About:
        """Return what findings need to know of this page; `fields` may be named by every message."""
        return About(self.labels, self.run.languages, self.run.period, csv, fields)

    def estimates(self, frame: pd.DataFrame, *, csv: str = "", **fields: Any) -> Estimates:
        """Return a tidy table, as it was written, for findings on this page."""
        return Estimates(frame, self.about(csv=csv, **fields))

    def keep(self, *findings: Finding) -> None:
        """Keep findings for `save` that are shown within others."""
        self.findings += findings

    def show(self, *findings: Finding) -> None:
        """Show findings, and keep them for `save`."""
        for finding in findings:
            self.keep(finding)
            finding.display()

    def more(self, *findings: Finding) -> None:
        """Show findings folded: each its first sentence, which opens the rest; and keep them for `save`."""
        for finding in findings:
            self.keep(finding)
            blocks.display(blocks.folded(finding.payload()))

    def save(self) -> None:
        """Write all findings of the page."""
        self.run.write_findings(findings_table(self.findings, notebook=self.notebook))
