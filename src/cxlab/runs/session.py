"""A finished run in an analyst's hands: tables as pandas, data by name or SQL, findings, comparison, a workbook.

    import cxlab

    run = cxlab.open("params/me.yaml", brand="alder", period="2026Q3")
    run                                          # a card: which run, how old, what is in it
    run.findings()                               # the sentences of its pages
    run.estimates(item="nps", level="total")     # tidy rows
    run.tables.driver_estimates                  # any table, as pandas
    run.data.ratings                             # the canonical data, as this unit may see it
    run.data.sql("SELECT touchpoint, count(*) FROM responses GROUP BY 1")
    run.where(touchpoint="delivery").data.ratings
    run.compare("previous")                      # each level, then and now
    run.to_excel("alder.xlsx")

Nothing here writes into a run: what is read is what the batch finished last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cxlab import vocab
from cxlab.errors import Problem, RunError, nearest
from cxlab.params.names import text
from cxlab.runs.run import Run

_KEYS: Final = ["item", "metric", "estimand", "level", "group", "weighting"]
_MOST: Final = 1_048_575  # rows of a sheet


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of a finished run by name: ``run.tables["findings"]`` or ``run.tables.findings``."""

    def __init__(self, run: Run) -> None:
        self._run = run
        folder = Path(run.places["latest"]) / "tables"
        self._names = sorted({p.stem if p.is_file() else p.name for p in folder.glob("[!.]*")})

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise RunError(_unknown("table", name, self._names))
        return self._run.read(name)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def __repr__(self) -> str:
        return ", ".join(self._names) or "no tables"


@dataclass(frozen=True)
class Data:
    """The canonical tables as the unit may see them, with the filters of the session."""

    run: Run
    keep: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    drop: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.run.data.tables():
            raise RunError(_unknown("canonical table", name, self.run.data.tables()))
        return self._filtered(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.run.data.tables()]

    def __repr__(self) -> str:
        return ", ".join(self.run.data.tables())

    def sql(self, query: str, **values: Any) -> pd.DataFrame:
        """Answer a DuckDB query over the canonical tables of this unit; bind ``$name``. Filters do not apply."""
        return self.run.data.sql(query, params=values or None)

    def _filtered(self, name: str) -> pd.DataFrame:
        """Rows whose answer, or the row itself, has the values asked for."""
        table = self.run.data.table(name)
        for wanted, inside in ((self.keep, True), (self.drop, False)):
            for column, values in wanted.items():
                own = next((c for c in (column, f"{vocab.SEGMENT}{column}") if c in table), "")
                if own:
                    hit = table[own].isin(values)
                elif "response_id" in table:
                    answers = self.run.data.table("responses")
                    theirs = next((c for c in (column, f"{vocab.SEGMENT}{column}") if c in answers), "")
                    if not theirs:
                        raise RunError(_unknown("column", column, [*table.columns, *answers.columns]))
                    chosen = answers.loc[answers[theirs].isin(values), "response_id"]
                    hit = table["response_id"].isin(chosen)
                else:
                    raise RunError(_unknown("column", column, list(table.columns)))
                table = table[hit if inside else ~hit]
        return table.reset_index(drop=True)


@dataclass(frozen=True)
class Session:
    """A finished run, opened to read.

    Attributes
    ----------
    run : Run
    tables : Tables
    data : Data
    """

    run: Run
    tables: Tables
    data: Data

    @property
    def run_id(self) -> str:
        """Of the finished run: UTC time and short hash."""
        return Path(self.run.places["latest"]).name

    @property
    def age(self) -> str:
        """How old the run is, in words."""
        made = datetime.strptime(self.run_id.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        hours = (datetime.now(UTC) - made).total_seconds() / 3600
        return (
            f"{hours * 60:.0f} minutes"
            if hours < 2
            else f"{hours:.0f} hours"
            if hours < 48
            else f"{hours / 24:.0f} days"
        )

    def where(self, **values: Any) -> Session:
        """Return the session with data of these groups only, e.g. ``where(touchpoint="delivery", tier=["gold"])``.

        Tables and estimates of the run stay what they are: they were made of all.
        """
        return replace(self, data=replace(self.data, keep={**self.data.keep, **_lists(values)}))

    def without(self, **values: Any) -> Session:
        """Return the session with data of all but these groups, e.g. ``without(channel="kiosk")``."""
        return replace(self, data=replace(self.data, drop={**self.data.drop, **_lists(values)}))

    def findings(self, language: str = "") -> pd.DataFrame:
        """Return what the pages say: ``notebook``, ``id``, ``sentence``, ``verdict``, in the order of the pages."""
        language = language or self.run.languages[0]
        found = self.tables["findings"]
        legal = sorted(found["language"].unique())
        if language not in legal:
            raise RunError(_unknown("language of this report", language, legal))
        rows = found[found["language"] == language].sort_values("notebook", kind="stable")
        return rows[["notebook", "id", "sentence", "verdict"]].reset_index(drop=True)

    def estimates(self, table: str = "satisfaction_estimates", **values: Any) -> pd.DataFrame:
        """Return tidy rows of an estimates table, e.g. ``estimates(item="nps", estimand="level", level="total")``."""
        out = self.tables[table]
        for column, wanted in _lists(values).items():
            if column not in out:
                raise RunError(_unknown("column", column, list(out.columns)))
            out = out[out[column].isin(wanted)]
        return out.reset_index(drop=True)

    def compare(self, other: str = "previous", table: str = "satisfaction_estimates") -> pd.DataFrame:
        """Return each level of this period beside that of another one.

        Parameters
        ----------
        other : str
            ``previous`` or a period's label; both are read from this run, so they are on one footing.

        Returns
        -------
        DataFrame
            The keys of an estimate, ``before``, ``now``, their ranges, and where the run has it ``change`` with its
            range and verdict. Ranges of ``before`` and ``now`` may overlap though the change is clear: read the change.
        """
        period = self.run.previous if other == "previous" else other
        rows = self.tables[table]
        levels = rows[rows["estimand"] == "level"]
        legal = sorted(levels["period"].unique())
        if not period or period not in legal:
            raise RunError(_unknown("period of this run", other, legal))
        keys = [k for k in _KEYS if k != "estimand"]
        numbers = ["mean", "ci_low", "ci_high"]
        then, now = (levels[levels["period"] == p].set_index(keys)[numbers] for p in (period, self.run.period))
        out = then.add_prefix("before_").join(now.add_prefix("now_"), how="inner")
        if period == self.run.previous:
            change = rows[(rows["estimand"] == "change") & (rows["period"] == self.run.period)]
            change = change.drop_duplicates(keys).set_index(keys)[[*numbers, "verdict"]]
            out = out.join(change.rename(columns={n: f"change_{n}" for n in numbers}))
        return out.reset_index()

    def to_excel(self, path: str | Path, *, customers: bool = False) -> Path:
        """Write the run as a workbook: findings, a sheet a table, and what the columns mean.

        Text is never a formula; tables of single customers (pseudonyms) are left out unless `customers` is set.
        """
        out = Path(path)
        with pd.ExcelWriter(out, engine="openpyxl") as book:
            about = {"client": self.run.params.client, "brand": _brand(self.run), "period": self.run.period}
            about |= {"run": self.run_id, "made by": "cxlab"}
            pd.DataFrame(about.items(), columns=["what", "value"]).to_excel(book, sheet_name="about", index=False)
            sheets = {"findings": self.findings()} if "findings" in self.tables else {}
            sheets |= {name: self.tables[name] for name in self.tables if name != "findings"}
            sheets = {name: table for name, table in sheets.items() if customers or "customer" not in table}
            for name, table in sheets.items():
                _safe(table.head(_MOST)).to_excel(book, sheet_name=name[:31], index=False)
            pd.DataFrame(CODEBOOK.items(), columns=["column", "meaning"]).to_excel(
                book, sheet_name="codebook", index=False
            )
            for sheet in book.book.worksheets:
                sheet.freeze_panes = "A2"
                for row in sheet.iter_rows(min_row=2):
                    for cell in row:
                        if cell.data_type == "f":  # a text that begins like a formula stays text
                            cell.data_type = "s"
        return out

    def _card(self) -> list[tuple[str, str]]:
        n = len(self.tables["findings"]) // max(len(self.run.languages), 1) if "findings" in self.tables else 0
        lines = [
            ("run", f"{self.run.params.client}, {_brand(self.run)}, {self.run.period}"),
            ("made", f"{self.run_id} ({self.age} ago)"),
            ("findings", f"{n}: run.findings()"),
            ("tables", f"{len(self.tables)}: {', '.join(list(self.tables)[:8])}, ... as run.tables.<name>"),
            ("data", "run.data.ratings, .responses, .comments, .transactions, ...; run.data.sql('SELECT ...')"),
        ]
        kept = [f"{k} = {', '.join(map(str, v))}" for k, v in self.data.keep.items()]
        kept += [f"without {k} = {', '.join(map(str, v))}" for k, v in self.data.drop.items()]
        return [*lines, ("filter", "; ".join(kept))] if kept else lines

    def __repr__(self) -> str:
        return "\n".join(f"{name:<9} {value}" for name, value in self._card())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in self._card())
        return f"<table>{rows}</table>"


CODEBOOK: Final = {
    "item": "question, or what else is estimated",
    "metric": "unit of the number: nps (points), csat (share satisfied), mean (points of the scale), count, money",
    "estimand": "what the number is: level, change, difference, ...",
    "level, group": "what it is about: total, touchpoint, channel, a segment, and which of them",
    "weighting": "population (all customers), survey (survey weights), none (those who answered)",
    "mean, ci_low, ci_high": "best guess and its range; the true value lies in it with probability ci_prob",
    "prob_gt_ref, ref": "probability that it is above ref",
    "n, n_eff": "answers behind it, and how many independent ones they are worth",
    "verdict": "better, worse, no_real_change, cannot_tell, suppressed (too few answers), withheld (failed its checks)",
}


def open_session(params_file: str | Path, *, brand: str | int = "", period: str | int = "") -> Session:
    """Open the latest finished run of a unit, to read it.

    Parameters
    ----------
    params_file : str or Path
    brand, period : str
        Default: the only brand, the last period. For what spans all brands or periods see `cxlab.runs.open`.

    Raises
    ------
    ParamsError, DataError
        If the params file, brand, period or the client's files are wrong.
    RunError
        If the unit was not run yet.
    """
    from cxlab import runs
    from cxlab.params import own_brands

    given = runs.load_params(params_file)
    brands = [b.id for b in own_brands(given)]
    if not brand and len(brands) > 1:
        todo = f'cxlab.open("{params_file}", brand="{brands[0]}")'
        raise RunError(Problem("which brand?", allowed=", ".join(brands), todo=todo))
    run = runs.open(params_file, brand=brand or brands[0], period=period or given.periods.last, scratch=False)
    if not run.places.get("latest"):
        what = f"{run.brand.id if run.brand else ''} {run.period} was not run yet"
        raise RunError(Problem(what, str(params_file), todo=f"cxlab run {params_file}"))
    return Session(run, Tables(run), Data(run))


def _lists(values: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {k: tuple(v) if isinstance(v, list | tuple | set) else (v,) for k, v in values.items()}


def _brand(run: Run) -> str:
    return text(run.brand.label, run.languages[0], run.brand.id) if run.brand else "all brands"


def _safe(table: pd.DataFrame) -> pd.DataFrame:
    """Times without zone and text without signs a workbook cannot hold."""
    out = table.copy()
    for column in out:
        if isinstance(out[column].dtype, pd.DatetimeTZDtype):
            out[column] = out[column].dt.tz_localize(None)
        elif not pd.api.types.is_numeric_dtype(out[column]) and not pd.api.types.is_datetime64_any_dtype(out[column]):
            out[column] = [_text(v) for v in out[column]]
    return out


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(c for c in value if c.isprintable() or c in "\n\t")[:32_000]
    return value if value is None or isinstance(value, int | float | bool) else str(value)


def _unknown(kind: str, name: str, legal: list[str]) -> Problem:
    shown = ", ".join(map(str, legal[:20]))
    return Problem(f"there is no such {kind}", value=name, allowed=shown, nearest=nearest(name, list(map(str, legal))))
