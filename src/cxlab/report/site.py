"""The static site of a client: what the latest runs have to say, rebuilt without executing anything.

    reports/<client>/index.html                            over all brands and periods
    reports/<client>/<brand-slug>/<period>/index.html      the brief (else the first page there is)
    reports/<client>/<brand-slug>/<period>/<notebook>.html one page a notebook
    reports/<client>/<brand-slug>/<period>/data/*.csv      the tables behind the pages
    reports/<client>/<language>/...                        the same pages in each further language

All addresses are relative, so the folder works from a disk, a mail attachment or any server.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from cxlab.errors import Problem, RunError
from cxlab.report.format import Name
from cxlab.report.html.download import write_csv
from cxlab.report.html.overview import render_index
from cxlab.report.html.result import PRIVATE, BrandRef, NotebookResult, PeriodRef, UnitResult
from cxlab.report.html.unit import (
    covers,
    headline_of,
    index_groups,
    other_languages,
    place,
    read,
    sentence,
    tree,
    write,
    write_unit,
)
from cxlab.report.html.wording import named
from cxlab.runs import stamp

__all__ = ["BRIEF", "BrandRef", "NotebookResult", "PeriodRef", "UnitResult", "publish"]

BRIEF: Final = "90_brief"
_SLUG: Final = re.compile(r"(?!\.)[\w.-]{1,128}\Z")


def publish(
    units: Sequence[UnitResult],
    *,
    client: Name,
    languages: Sequence[str],
    folder: Path,
    brief: str = BRIEF,
    made_of: str = "",
) -> Path:
    """Build a client's site beside the old one and swap it in at once; pages of units that are gone go with it.

    Parameters
    ----------
    units : sequence of UnitResult
        Everything the site shall show, each brand and period once.
    client : str or mapping of language -> str
        The client's name on pages.
    languages : sequence of str
        The first is at the root, each further one below ``<language>/``.
    folder : Path
        ``reports/<client>``; replaced as a whole.
    brief : str
        Id of the notebook that becomes each unit's ``index.html``.
    made_of : str
        What the site says it was made of (`cxlab.runs.stamp`); empty = it says nothing.

    Returns
    -------
    Path
        The index page.

    Raises
    ------
    RunError
        Two results for one unit, or a slug, period or notebook id that is no safe name for a file.
    """
    _check(units, languages, brief)
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        new.chmod(0o755)
        estimates, sentences = [], {language: list[str]() for language in languages}
        for unit in units:
            data = new / place(unit) / "data"
            for name, table in sorted(unit.tables.items()):
                if name not in PRIVATE:
                    write_csv(pd.read_parquet(table), data / f"{name}.csv")
            books = read(unit)
            for language in languages:
                write_unit(
                    unit, books, new, client=client, language=language, languages=languages, brief=brief,
                    wider=[u for u in units if covers(u, unit)],
                )  # fmt: skip
                sentences[language].append(sentence(books, language=language, brief=brief))
            estimates.append(headline_of(unit))
        for language in languages:
            root = tree(language, languages)
            page = render_index(
                index_groups(units, estimates, sentences[language], language=language, brief=brief),
                client=named(client, language),
                language=language,
                languages=other_languages(root / "index.html", language, languages),
            )
            write(new / root / "index.html", page)
        if made_of:
            stamp.put(new, made_of)
        _swap(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder / "index.html"


def _check(units: Sequence[UnitResult], languages: Sequence[str], brief: str) -> None:
    """Refuse what would write outside the site or twice to one place; all problems at once."""
    problems, seen = [], set()
    for unit in units:
        home = place(unit)
        slugs = [unit.brand.slug] if unit.brand else []
        slugs += [unit.period.id] if unit.period else []
        names = [*slugs, *(n.id for n in unit.notebooks), *unit.tables, *languages, brief]
        bad = [name for name in names if not _SLUG.match(name)]
        problems += [
            Problem(
                "is no safe name for a file of the site",
                value=repr(n),
                where=str(home),
                allowed="letters, digits, _ . -",
            )
            for n in bad
        ]
        key = str(home).casefold()
        if key in seen:
            problems.append(
                Problem("two results for one unit", value=str(home), todo="pass the latest run of each only")
            )
        seen.add(key)
        if unit.brand and unit.brand.slug in languages:
            problems.append(
                Problem(
                    "a brand's slug is the folder of a language", value=unit.brand.slug, todo="give it another slug"
                )
            )
    if problems:
        raise RunError(problems)


def _swap(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, so that a reader always finds one whole site; `new` is then the old one."""
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        old = new.with_name(f"{new.name}.old")
        folder.rename(old)
        new.rename(folder)
        old.rename(new)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two folders in one step where the system can (Linux); say whether it did."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    at_cwd, exchange = -100, 2
    return rename is not None and rename(at_cwd, bytes(a), at_cwd, bytes(b), exchange) == 0
