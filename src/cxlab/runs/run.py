"""What a notebook holds in its hands: the unit's data, the tables written before, and the one writer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from cxlab import vocab
from cxlab.connect.population import customer_base, invited
from cxlab.errors import Problem, RunError, nearest
from cxlab.params.models import Brand, Params
from cxlab.params.periods import parse
from cxlab.runs import folder as folders
from cxlab.runs.disclosure import suppress
from cxlab.runs.folder import SHARED, Folder

if TYPE_CHECKING:
    import xarray as xr

    from cxlab.connect import Store

PREFIXES = ("client", "brand", "period", "previous")


class NoDataError(RunError):
    """The unit has nothing this notebook could say something about: listed as `no_data`, no failure."""


def columns_of(name: str) -> tuple[str, ...]:
    """Return the columns a table of this name must have; empty if it is free."""
    if name.endswith("_estimates"):
        return vocab.ESTIMATE_COLUMNS
    fixed = {
        "forecasts": vocab.FORECAST_COLUMNS,
        "findings": vocab.FINDING_COLUMNS,
        "readiness": vocab.READINESS_COLUMNS,
    }
    return fixed.get(name, ())


@dataclass(frozen=True)
class UnitData:
    """The canonical tables as this unit may see them: its brand, nothing later than its period."""

    store: Store
    brand: str | None
    until: str

    def tables(self) -> list[str]:
        """Names of the tables, those without rows included."""
        return self.store.tables()

    def table(self, name: str, *, since: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Rows of a canonical table."""
        wanted = list(columns) if columns is not None else None
        return self.store.table(name, brand=self.brand, until=self.until, since=since, columns=wanted)

    def sql(self, query: str, *, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pd.DataFrame:
        """Answer a DuckDB query over views that are already restricted to the unit; bind ``$name`` or ``?``."""
        return self.store.sql(query, brand=self.brand, until=self.until, params=params)

    def cells(
        self,
        item: str,
        *,
        factors: Sequence[str],
        since: str | None = None,
        weighting: Literal["none", "survey"] = "none",
    ) -> pd.DataFrame:
        """Counts by factors, period and code: what an aggregated model needs (see `connect.Store.cells`)."""
        return self.store.cells(
            item, factors=list(factors), brand=self.brand, until=self.until, since=since, weighting=weighting
        )

    def items(self) -> pd.DataFrame:
        """Items with role, scale, touchpoint and n per period."""
        return self.store.items(self.brand, self.until)

    def factors(self, item: str) -> pd.DataFrame:
        """Candidate factors of an item with their number of groups."""
        return self.store.factors(item, self.brand, self.until)

    def base(self, factors: Sequence[str], *, periods: Sequence[str]) -> pd.DataFrame:
        """Customers by the segments among these factors at the end of each period (`connect.customer_base`)."""
        return customer_base(self.store, list(factors), periods=periods, brand=self.brand, until=self.until)

    def invited(self, factors: Sequence[str]) -> pd.DataFrame:
        """Who was asked and who answered, by these factors and period (`connect.invited`)."""
        return invited(self.store, list(factors), brand=self.brand, until=self.until)


@dataclass(frozen=True)
class Run:
    """A unit's run as its notebooks see it; made by `cxlab.runs.open`.

    Attributes
    ----------
    params : Params
        The resolved params.
    unit : str
        `brand_period`, `brand`, `period` or `client`.
    brand : Brand or None
        None if the unit spans all brands.
    period : str
        Last period the unit may know; for units that span periods the last of the params.
    periods : tuple of str
        Labels from ``history_from`` up to `period`.
    previous : str
        The period before, if it is one of `periods`; else empty.
    data : UnitData
    notebook : str
        Id of the notebook that runs; empty in an analyst's session.
    """

    params: Params
    unit: str
    brand: Brand | None
    period: str
    periods: tuple[str, ...]
    previous: str
    data: UnitData
    folder: Folder
    places: Mapping[str, str] = field(default_factory=dict)  # prefix -> folder of that run
    writers: Mapping[str, str] = field(default_factory=dict)  # artefact -> notebook that writes it
    writes: tuple[str, ...] = ()  # what this notebook may write; empty: anything
    notebook: str = ""
    scratch: bool = True  # an analyst's session sees what it has written itself

    @property
    def run_id(self) -> str:
        """UTC time and short hash, or `interactive`."""
        return self.folder.run_id

    @property
    def next_period(self) -> str:
        """Label of the period after this one: what forecasts are about."""
        return parse(self.period, self.params.periods.grain).next().label

    @property
    def languages(self) -> tuple[vocab.Language, ...]:
        """Languages of the report, the first one first."""
        return tuple(self.params.languages)

    @property
    def kept(self) -> Path:
        """Folder of the client for what is dear to make; no result may depend on what lies there."""
        return self.folder.kept

    def seed(self, name: str) -> int:
        """Return the random seed for `name` in this unit: the same in every run with the same ``model.seed``."""
        brand = self.brand.id if self.brand else vocab.ALL
        text = json.dumps([self.params.model.seed, self.params.client, brand, self.period, name])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1

    def no_data(self, reason: str) -> None:
        """Stop this notebook without failing: the unit is listed as `no_data` with the reason."""
        raise NoDataError(reason)

    # reading -----------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether `read` or `read_posterior` would find something."""
        try:
            return bool(self._found(name))
        except RunError:
            return False

    def read(self, name: str) -> pd.DataFrame:
        """Return a table that a notebook of this unit, or of another one, has written.

        Parameters
        ----------
        name : str
            ``satisfaction_estimates`` of this unit, ``client:topics`` of the unit that spans all (also ``brand:``,
            ``period:``), ``previous:forecasts`` of the period before.

        Raises
        ------
        RunError
            If it was not written; names the notebook that writes it. Where there is no period before, a table of
            `previous:` is empty instead.
        """
        paths = self._found(name)
        plain = name.rpartition(":")[2]
        if not paths:
            if name.startswith("previous:") and not self.places.get("previous"):
                return pd.DataFrame(columns=list(columns_of(plain)))
            raise self._missing(name)
        # Empty parts would turn columns of the others into objects.
        frames = [f for f in map(pd.read_parquet, paths) if len(f)] or [pd.read_parquet(paths[0])]
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def read_posterior(self, name: str) -> xr.Dataset:
        """Return draws written by `write_posterior`, loaded into memory."""
        import xarray as xr

        prefix, _, plain = name.rpartition(":")
        found = self._found(f"{prefix}:posterior/{plain}" if prefix else f"posterior/{plain}")
        if not found:
            raise self._missing(name, artefact=f"posterior/{plain}")
        with xr.open_dataset(found[0], engine="h5netcdf") as draws:
            return draws.load()

    def _found(self, name: str) -> list[Path]:
        prefix, _, plain = name.rpartition(":")
        if prefix and prefix not in PREFIXES:
            hint = nearest(prefix, PREFIXES)
            raise RunError(Problem("no such prefix", value=prefix, allowed=", ".join(PREFIXES), nearest=hint))
        place = self.places.get(prefix, "") if prefix else str(self.folder.path)
        if not place:
            return []
        candidates = [Folder(Path(place))]
        if not prefix and self.places.get(
            "latest"
        ):  # an analyst's session: its own tables, unless the batch's are newer
            own, batch = candidates[0], Folder(Path(self.places["latest"]))
            candidates = [own, batch] if self.scratch and not _older(own, batch, plain) else [batch]
            candidates += [own] if self.scratch and candidates == [batch] else []
        for candidate in candidates:
            if plain.startswith("posterior/"):
                paths = [candidate.posterior(plain.removeprefix("posterior/"))]
            else:
                paths = candidate.parts(plain) if plain in SHARED else []
                paths = paths or [candidate.table(plain)]
            if found := [p for p in paths if p.is_file()]:
                return found
        return []

    def _missing(self, name: str, *, artefact: str = "") -> RunError:
        plain = artefact or name.rpartition(":")[2]
        writer = self.writers.get(plain, "")
        if writer:
            todo = f"notebook {writer} writes it: run that first"
            return RunError(Problem("this artefact has not been written", value=name, todo=todo))
        legal = [w.removeprefix("posterior/") for w in self.writers]
        hint = nearest(plain.removeprefix("posterior/"), legal)
        todo = "no notebook of notebooks/suite.yaml writes it"
        return RunError(Problem("there is no such artefact", value=name, nearest=hint, todo=todo))

    # writing -----------------------------------------------------------------------------------------------------

    def write(self, name: str, table: pd.DataFrame, *, model: str = "") -> pd.DataFrame:
        """Write a tidy table and return it as it was written: use only the returned one for figures and sentences.

        ``run_id``, ``brand``, ``period`` and ``model`` are filled in where the table's contract has them; rows
        resting on fewer than ``limits.min_n`` answers are suppressed.

        Raises
        ------
        RunError
            If the name is illegal or not among this notebook's ``writes``, a column is missing, or the run is closed.
        """
        folders.legal_name(name)
        self._may_write(name)
        out = table.reset_index(drop=True)
        contract = columns_of(name)
        if contract:
            out = self._complete(name, out, contract, model)
        out = suppress(out, self.params.limits.min_n)
        self.folder.require_open()
        path = self.folder.artefact(name, self.notebook or folders.INTERACTIVE)
        folders.write_atomic(path, lambda p: out.to_parquet(p, index=False))
        return out

    def write_findings(self, findings: pd.DataFrame) -> pd.DataFrame:
        """Write this notebook's findings; all notebooks of the unit share one table."""
        return self.write("findings", findings)

    def write_posterior(self, name: str, draws: xr.Dataset) -> None:
        """Write posterior draws (named dims, ``chain`` and ``draw`` first) for later notebooks."""
        folders.legal_name(name)
        self._may_write(f"posterior/{name}")
        if "draw" not in draws.dims:
            dims = ", ".join(map(str, draws.dims))
            raise RunError(Problem("these are no posterior draws", value=name, allowed="a dim `draw`", where=dims))
        self.folder.require_open()
        packed = {v: {"zlib": True, "complevel": 1} for v in draws.data_vars if draws[v].dtype.kind == "f"}
        folders.write_atomic(
            self.folder.posterior(name), lambda p: draws.to_netcdf(p, engine="h5netcdf", encoding=packed)
        )

    def _may_write(self, name: str) -> None:
        if self.writes and name not in self.writes:
            raise RunError(
                Problem(
                    f"notebook {self.notebook} may not write this",
                    value=name,
                    allowed=", ".join(self.writes),
                    nearest=nearest(name, self.writes),
                    todo="add it to `writes` of the notebook in notebooks/suite.yaml",
                )
            )

    def _complete(self, name: str, table: pd.DataFrame, contract: tuple[str, ...], model: str) -> pd.DataFrame:
        out = table.copy()
        if "run_id" in contract:
            out["run_id"] = self.run_id
        given = {"brand": self.brand.id if self.brand else vocab.ALL, "period": self.period, "model": model}
        given |= {"notebook": self.notebook}
        for column, value in given.items():
            if column in contract and column not in out.columns and value:
                out.insert(0, column, value)
        missing = [c for c in contract if c not in out.columns]
        if missing:
            raise RunError(
                [
                    Problem("the table lacks a column", where=name, value=c, nearest=nearest(c, list(out.columns)))
                    for c in missing
                ]
            )
        return out[[*contract, *(c for c in out.columns if c not in contract)]]

    # notes for the manifest --------------------------------------------------------------------------------------

    def note_diagnostics(self, name: str, *, passed: bool, verdict: Mapping[str, Any]) -> None:
        """Record the convergence verdict of a fit; one that did not pass marks the notebook `withheld`."""
        plain = json.loads(json.dumps(dict(verdict), default=_plain), parse_constant=lambda _: None)
        self._note("diagnostics", name, {"passed": bool(passed), **plain})

    def note_sensitivity(self, name: str, text: str) -> None:
        """Record what one would have to believe for the conclusion to change."""
        self._note("sensitivity", name, text)

    def note_resource(self, path: str | Path) -> str:
        """Record a file the result depends on (weights, word lists) with its SHA-256; returns the hash."""
        digest = folders.sha256(Path(path))
        self._note("resources", Path(path).name, digest)
        return digest

    def _note(self, section: str, name: str, value: object) -> None:
        self.folder.require_open()
        path = self.folder.notes(self.notebook or folders.INTERACTIVE)
        notes = folders.read_json(path) if path.exists() else {}
        notes.setdefault(section, {})[re.sub(r"[\x00-\x1f]", " ", name)] = value
        folders.write_json(path, notes)


def _older(own: Folder, batch: Folder, name: str) -> bool:
    """Tell whether a session's artefact was written before the batch's newest run was closed."""
    plain = name.removeprefix("posterior/")
    path = own.posterior(plain) if name.startswith("posterior/") else own.table(plain)
    manifest = batch.path / "manifest.json"
    return path.exists() and manifest.is_file() and path.stat().st_mtime < manifest.stat().st_mtime


def _plain(value: object) -> object:
    """Numpy scalars and arrays as JSON."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
