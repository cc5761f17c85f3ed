"""The pages of one unit and its row on the index: places, links between pages, reasons for what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from posixpath import relpath
from urllib.parse import quote

import nbformat
import pandas as pd

from cxlab.report import format
from cxlab.report.format import Name
from cxlab.report.html.clean import error_text
from cxlab.report.html.context import Link, PageContext
from cxlab.report.html.exporter import headline_text, render_page, set_page
from cxlab.report.html.overview import Group, Headline, PageState, Row, headline
from cxlab.report.html.result import PRIVATE, NotebookResult, UnitResult
from cxlab.report.html.wording import LANGUAGE_NAMES, named, words
from cxlab.vocab import ALL

Books = dict[str, nbformat.NotebookNode | None]


def place(unit: UnitResult) -> PurePosixPath:
    """Return a unit's folder below the tree of a language."""
    return PurePosixPath(unit.brand.slug if unit.brand else ALL) / (unit.period.id if unit.period else ALL)


def tree(language: str, languages: Sequence[str]) -> PurePosixPath:
    """Return the folder of a language: the site itself for the first one."""
    return PurePosixPath() if language == languages[0] else PurePosixPath(language)


def _href(target: PurePosixPath, start: PurePosixPath) -> str:
    """Return the address of a file of the site, seen from another one."""
    return quote(relpath(str(target), str(start.parent)))


def other_languages(page: PurePosixPath, language: str, languages: Sequence[str]) -> tuple[Link, ...]:
    """Return links to the same page in the other languages; `page` is its place in the tree of `language`."""
    inner = page.relative_to(tree(language, languages))
    return tuple(
        Link(LANGUAGE_NAMES.get(other, other), _href(tree(other, languages) / inner, page), language=other)
        for other in languages
        if other != language
    )


def write(path: Path, html: str) -> None:
    """Write a page, its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")


def _label(unit: UnitResult, language: str) -> tuple[str, str]:
    """Return brand and period as a reader meets them."""
    say = words(language)
    brand = named(unit.brand.label, language) or unit.brand.id if unit.brand else say["every_brand"]
    if unit.period is None:
        return brand, say["every_period"]
    own = named(unit.period.label, language)
    return brand, own or format.period_name(unit.period.id, language=language)


def _reading_order(unit: UnitResult, brief: str) -> list[NotebookResult]:
    return sorted(unit.notebooks, key=lambda n: n.id != brief)


def _file(result: NotebookResult, brief: str) -> str:
    """Return the page of a notebook, empty if it has none."""
    if result.notebook is None or not result.notebook.is_file():
        return ""
    return "index.html" if result.id == brief else f"{result.id}.html"


def read(unit: UnitResult) -> Books:
    """Return the executed notebooks of a unit by id; None for one that cannot be read."""
    books: Books = {}
    for result in unit.notebooks:
        if result.notebook is not None and result.notebook.is_file():
            try:
                books[result.id] = nbformat.read(result.notebook, as_version=4)
            except (OSError, ValueError, nbformat.ValidationError):
                books[result.id] = None
    return books


def sentence(books: Books, *, language: str, brief: str) -> str:
    """Return the headline of a unit's brief in `language`; empty if it has none."""
    book = books.get(brief)
    return headline_text(book["cells"], language) if book else ""


def write_unit(
    unit: UnitResult,
    books: Books,
    new: Path,
    *,
    client: Name,
    language: str,
    languages: Sequence[str],
    brief: str,
    wider: Sequence[UnitResult] = (),
) -> None:
    """Write all pages of one unit in one language; their tabs lead to the pages of `wider` units too."""
    say = words(language)
    home = tree(language, languages) / place(unit)
    order = _reading_order(unit, brief)
    files = {n.id: _file(n, brief) for n in order}
    there = [n for n in order if files[n.id]]
    data = tree(languages[0], languages) / place(unit) / "data"
    title = {n.id: named(n.title, language) or n.id for n in order}
    tab = {n.id: named(n.tab, language) or title[n.id] for n in order}
    brand, period = _label(unit, language)

    shared = [
        (named(n.tab, language) or named(n.title, language) or n.id, tree(language, languages) / place(other) / file)
        for other in wider
        for n in _reading_order(other, brief)
        if (file := _file(n, brief))
    ]

    def context(result: NotebookResult | None) -> PageContext:
        page = home / (files[result.id] if result else "index.html")
        at = there.index(result) if result else -1
        steps = [Link(title[n.id], files[n.id]) for n in there]
        return PageContext(
            client=named(client, language),
            brand=brand,
            period=period,
            title=title[result.id] if result else brand,
            index=_href(tree(language, languages) / "index.html", page),
            pages=(
                *(Link(tab[n.id], files[n.id], current=n is result) for n in order),
                *(Link(label, _href(target, page)) for label, target in shared),
            ),
            previous=steps[at - 1] if at > 0 else None,
            next=steps[at + 1] if 0 <= at < len(steps) - 1 else None,
            languages=other_languages(page, language, languages),
            downloads=tuple(
                Link(name, _href(data / f"{name}.csv", page)) for name in sorted(unit.tables) if name not in PRIVATE
            ),
            data=_href(data, page) + "/",
            run_id=unit.run_id,
            data_date=unit.data_date,
            diagnostics=named(unit.diagnostics, language),
            status=result.status if result else "ok",
            reason=_said(result.error) if result else "",
            older=result.older if result else False,
            layout="brief" if result and result.id == brief else "page",
        )

    for result in there:
        html = _page(books.get(result.id), context(result), language)
        write(new / home / files[result.id], html)
        if result is there[0] and not files.get(brief):
            write(new / home / "index.html", html)
    if not there:
        states = [PageState(Link(title[n.id], ""), n.status, _reason(n, say)) for n in order]
        html = set_page("nothing.html.j2", language=language, context=context(None), states=states)
        write(new / home / "index.html", html)


def _page(book: nbformat.NotebookNode | None, context: PageContext, language: str) -> str:
    """Render a notebook; one that could not be read becomes a page that says so instead of stopping the report."""
    if book is not None:
        return render_page(book, language=language, context=context)
    states = [PageState(Link(context.title, ""), "failed", words(language)["unreadable"])]
    return set_page("nothing.html.j2", language=language, context=context, states=states)


def _reason(result: NotebookResult, say: Mapping[str, str]) -> str:
    """Say in plain words why a page is not what it should be; the error's own words follow.

    What a notebook itself says of its lack of data stands alone: a general reason beside it could only contradict it.
    """
    own = _said(result.error)
    if result.status == "ok":
        return ""
    if result.status == "no_data" and own:
        return own
    return " – ".join(part for part in (say[f"reason_{result.status}"], own) if part)


def _said(error: str) -> str:
    """Return the last line of an error, personal data masked, short enough for a table."""
    lines = error_text(error).strip().splitlines()
    return lines[-1][:300] if lines else ""


def covers(wide: UnitResult, unit: UnitResult) -> bool:
    """Whether a unit over several brands or periods includes another one."""
    same_brand = wide.brand is None or (unit.brand is not None and wide.brand.id == unit.brand.id)
    same_period = wide.period is None or (unit.period is not None and wide.period.id == unit.period.id)
    return wide is not unit and same_brand and same_period


def index_groups(
    units: Sequence[UnitResult],
    estimates: Sequence[Headline | None],
    sentences: Sequence[str],
    *,
    language: str,
    brief: str,
) -> list[Group]:
    """Gather units by period, newest first; those over all brands or periods come last."""
    say = words(language)
    found: dict[str, tuple[str, list[Row]]] = {}
    shared: list[Row] = []
    for unit, number, said in zip(units, estimates, sentences, strict=True):
        home = place(unit)
        states = tuple(
            PageState(
                Link(named(n.title, language) or n.id, quote(str(home / file)) if (file := _file(n, brief)) else ""),
                n.status,
                _reason(n, say),
            )
            for n in _reading_order(unit, brief)
        )
        brand, period = _label(unit, language)
        one = unit.brand is not None and unit.period is not None
        row = Row(
            brand if one else f"{brand}{say['comma']}{period}",
            quote(str(home / "index.html")),
            number,
            said,
            states,
        )
        if one and unit.period is not None:
            found.setdefault(unit.period.id, (period, []))[1].append(row)
        else:
            shared.append(row)
    groups = [Group(found[key][0], tuple(found[key][1])) for key in sorted(found, reverse=True)]
    return groups + ([Group(say["shared_pages"], tuple(shared), shared=True)] if shared else [])


def headline_of(unit: UnitResult) -> Headline | None:
    """Return the headline number of a unit about one brand and period, if its tables hold one."""
    table = unit.tables.get("satisfaction_estimates")
    if table is None or unit.brand is None or unit.period is None:
        return None
    return headline(pd.read_parquet(table), brand=unit.brand.id, period=unit.period.id, first=unit.headline)
