"""What a site is made from: how each unit's latest run ended and where its notebooks and tables lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cxlab.report.format import Name
from cxlab.vocab import Status

# Values and keys as the client sent them may name persons; what stands of single customers is nobody else's business.
PRIVATE: Final = frozenset({"rejects", "merges", "customer_value", "comment_topics", "comment_rejects", "topic_groups"})


@dataclass(frozen=True)
class BrandRef:
    """A brand as the site knows it: its id in the tables, its label on pages, its safe place in a path."""

    id: str
    label: Name
    slug: str


@dataclass(frozen=True)
class PeriodRef:
    """A period: its id (sorts as text) and, if it has any, labels other than the usual ones of its grain."""

    id: str
    label: Name = ""


@dataclass(frozen=True)
class NotebookResult:
    """How one notebook of a unit ended.

    Attributes
    ----------
    id : str
        Id in suite.yaml; names the page.
    title : str or mapping of language -> str
    status : Status
    notebook : Path or None
        Executed notebook, also of one that failed half-way; None if there is none.
    error : str
        Message of what stopped it; empty otherwise.
    older : bool
        Whether `notebook` is whole but of an earlier run: the page is shown, and said to be the older one.
    tab : str or mapping of language -> str
        Short name in the navigation; empty: the title.
    """

    id: str
    title: Name
    status: Status
    notebook: Path | None = None
    error: str = ""
    older: bool = False
    tab: Name = ""


@dataclass(frozen=True)
class UnitResult:
    """The latest good run of one unit.

    Attributes
    ----------
    brand : BrandRef or None
        None where the unit spans all brands.
    period : PeriodRef or None
        None where it spans all periods.
    run_id : str
    notebooks : tuple of NotebookResult
        In reading order; the brief is put first on the site.
    tables : mapping of name -> Parquet file
        Published as ``data/<name>.csv``, but for those in `PRIVATE`. ``satisfaction_estimates`` feeds the
        index.
    data_date : str
        Day of the newest data; empty if unknown.
    diagnostics : str or mapping of language -> str
        One short verdict on the models, e.g. "all models converged".
    headline : (item, metric)
        The measure the params put first; empty texts leave the choice to the index.
    """

    brand: BrandRef | None
    period: PeriodRef | None
    run_id: str
    notebooks: tuple[NotebookResult, ...]
    tables: Mapping[str, Path] = field(default_factory=dict)
    data_date: str = ""
    diagnostics: Name = ""
    headline: tuple[str, str] = ("", "")
