"""From run folders to what the site shows: the latest good run of every unit, older ones included."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from cxlab import params as grammar
from cxlab import report, runs
from cxlab.batch.plan import Unit, select
from cxlab.batch.suite import Notebook, Suite
from cxlab.errors import ParamsError, RunError
from cxlab.params.models import Params
from cxlab.params.periods import parse
from cxlab.report.format import Name
from cxlab.report.html.result import BrandRef, NotebookResult, PeriodRef, UnitResult
from cxlab.runs import stamp
from cxlab.vocab import Language


def publish(params: Params, suite: Suite, *, keep: bool = False) -> Path:
    """(Re)build ``reports/<client>/`` without executing anything; returns its index page.

    With `keep`, a site that was made of the same runs, names and code and is complete stays as it is.
    """
    units = results(params, suite.root, select(params, suite).notebooks)
    folder = suite.root / "reports" / grammar.slug(params.client)
    client, languages = _name(params.label or params.client), params.languages
    shown = [p for u in units for p in (*u.tables.values(), *(n.notebook for n in u.notebooks if n.notebook))]
    made_of = stamp.made_of([*shown, Path(report.__file__).parent], units, client, languages)
    if keep and stamp.stands(folder, made_of):
        return folder / "index.html"
    from cxlab.report import site  # brings nbconvert

    return site.publish(units, client=client, languages=languages, folder=folder, made_of=made_of)


def results(params: Params, root: Path, notebooks: Iterable[Notebook]) -> list[UnitResult]:
    """Collect the result of every unit the params name and of older periods that still have a run.

    A unit shows its newest run without a failure. What failed since is said: its status and reason replace those of
    the notebook, whose page and tables stay the older, good ones. A unit that never had a good run shows the newest.
    """
    notebooks = list(notebooks)
    out = []
    for unit in _units(params, root, notebooks):
        mine = [n for n in notebooks if n.unit == _kind(unit)]
        if mine and (found := _result(params, root, unit, mine)):
            out.append(found)
    return out


def _name(label: str | Mapping[Language, str]) -> Name:
    return label if isinstance(label, str) else {str(k): v for k, v in label.items()}


def _kind(unit: Unit) -> str:
    return {(True, True): "brand_period", (True, False): "brand", (False, True): "period"}.get(
        (bool(unit.brand), bool(unit.period)), "client"
    )


def _units(params: Params, root: Path, notebooks: list[Notebook]) -> list[Unit]:
    """Return all units: those of the params, and periods before `first` that have been run."""
    client = runs.client_dir(root, grammar.slug(params.client))
    labels = set(grammar.labels(params))
    for folder in client.glob("*/*"):
        with contextlib.suppress(ParamsError):
            period = parse(folder.name, params.periods.grain)
            if period.label <= params.periods.last:
                labels.add(period.label)
    brands = [b.id for b in grammar.own_brands(params)]
    kinds = {n.unit for n in notebooks}
    spans = {
        "brand_period": [Unit(p, b) for b in brands for p in sorted(labels)],
        "brand": [Unit("", b) for b in brands],
        "period": [Unit(p, "") for p in sorted(labels)],
        "client": [Unit("", "")],
    }
    return [u for kind, units in spans.items() if kind in kinds for u in units]


def _result(params: Params, root: Path, unit: Unit, notebooks: list[Notebook]) -> UnitResult | None:
    slug = grammar.slug(unit.brand) if unit.brand else ""
    place = runs.unit_dir(root, grammar.slug(params.client), slug, unit.period)
    newest, good = runs.latest(place, good=False), runs.latest(place, good=True)
    shown = good or newest
    brand = next((b for b in params.brands if b.id == unit.brand), None)
    ref = BrandRef(brand.id, _name(brand.label), slug) if brand else None
    period = PeriodRef(unit.period) if unit.period else None
    if shown is None or newest is None:  # never run: nothing is known of it, not even that it has no data
        return None
    old, new = shown.records(), newest.records()
    pages = []
    for notebook in notebooks:
        record = old.get(notebook.id)
        now = new.get(notebook.id)
        if record is None and now is None:
            continue
        failed = now is not None and not now.settled
        path = (shown if record else newest).notebook(notebook.id)
        status = now.status if failed and now else record.status if record else "no_data"
        error = now.error if failed and now else record.error if record else ""
        older = failed and record is not None and record.settled
        page = path if path.is_file() else None
        pages.append(NotebookResult(notebook.id, dict(notebook.title), status, page, error, older, dict(notebook.tab)))  # type: ignore[arg-type]
    first = (params.headline.item or "", params.headline.metric or "")
    tables = {p.stem: p for p in sorted((shown.path / "tables").glob("[!.]*.parquet"))}
    return UnitResult(ref, period, shown.run_id, tuple(pages), tables, diagnostics=_diagnostics(shown), headline=first)


def _diagnostics(folder: runs.Folder) -> dict[str, str]:
    """Say in one line whether the models of a run converged; empty if none was fitted."""
    try:
        notes = folder.manifest().get("diagnostics") or {}
    except RunError:
        return {}
    verdicts = [d.get("passed") for by_name in notes.values() for d in by_name.values()]
    if not verdicts:
        return {}
    if all(verdicts):
        return {"en": "all models converged", "zh": "所有模型均已收敛"}
    return {"en": "not all models converged: claims withheld", "zh": "部分模型未收敛：相关结论不予发布"}
