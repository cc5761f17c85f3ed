"""The frame of a page: whose it is, of when, where to go next, how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cxlab.vocab import Status

Layout = Literal["page", "brief"]


@dataclass(frozen=True)
class Link:
    """A way to another page of the report.

    Attributes
    ----------
    label : str
        Words of the link.
    href : str
        Relative address; empty for a page that does not exist (shown as plain text).
    current : bool
        Whether it names the page it stands on.
    language : str
        Language of the label if it is not the page's own (``"zh"`` on an English page); empty otherwise.
    """

    label: str
    href: str
    current: bool = False
    language: str = ""


@dataclass(frozen=True)
class PageContext:
    """The frame of one page.

    Attributes
    ----------
    client, brand, period, title : str
        Labels in the page's language; `brand` and `period` are empty where the unit spans all of them.
        `title` is used if the notebook has no H1 of its own.
    index : str
        Relative address of the report's index; empty if there is none.
    pages : tuple of Link
        All pages of this unit, in reading order, the current one marked.
    previous, next : Link or None
        Neighbours in reading order.
    languages : tuple of Link
        The same page in the other languages.
    downloads : tuple of Link
        Tables behind the page as CSV.
    data : str
        Relative address of the folder with the CSV files, with a trailing slash.
    run_id, data_date, diagnostics : str
        Provenance, each a short text for the foot of the page; empty if unknown.
    status : Status
        How the notebook ended; anything but ``ok`` puts a notice above the page.
    reason : str
        Plain words for that status, in the page's language.
    older : bool
        Whether the page is of an earlier run than the one `status` speaks of.
    layout : {"page", "brief"}
        ``brief`` sets sections side by side on wide screens.
    """

    client: str
    brand: str = ""
    period: str = ""
    title: str = ""
    index: str = ""
    pages: tuple[Link, ...] = ()
    previous: Link | None = None
    next: Link | None = None
    languages: tuple[Link, ...] = ()
    downloads: tuple[Link, ...] = ()
    data: str = "data/"
    run_id: str = ""
    data_date: str = ""
    diagnostics: str = ""
    status: Status = "ok"
    reason: str = ""
    older: bool = False
    layout: Layout = "page"
