"""Reading a store: tables, counts and queries of one unit (a brand up to a period), never anything later."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd

from cxlab.connect.build import SUMMARY
from cxlab.connect.reconcile import TABLES as BOOKKEEPING
from cxlab.connect.rules import PERIODS
from cxlab.connect.sql import first, identifier, literal, query_tables
from cxlab.connect.stage import spill_folder
from cxlab.errors import DataError, Problem, nearest
from cxlab.vocab import ALL, SEGMENT, TABLES, UNKNOWN

_PLACES = ("file", "line")  # where a row stood says nothing about what it says


def open_store(path: str | Path) -> Store:
    """Open the store that `connect.build` wrote.

    Raises
    ------
    DataError
        If there is no finished store.
    """
    folder = Path(path)
    if not (folder / SUMMARY).is_file():
        raise DataError(Problem("is no finished store of tables", file=str(path), todo="build it from the params file"))
    return Store(folder)


class Store:
    """The canonical tables of a client, restricted on demand to what was known of a brand at the end of a period."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary: dict[str, Any] = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
        self._con = duckdb.connect(config={"python_enable_replacements": "false", "temp_directory": spill_folder()})
        self._con.execute(f"SET allowed_directories = [{literal(f'{path.resolve()}/')}]")
        self._con.execute("SET enable_external_access = false")
        self._columns: dict[str, list[str]] = {}
        for name in (*TABLES, *BOOKKEEPING):
            file = literal((path / f"{name}.parquet").resolve())
            self._con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({file})")
            self._columns[name] = [c for c, *_ in self._con.execute(f"DESCRIBE {name}").fetchall()]

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def tables(self) -> list[str]:
        """Return the names of the tables: the canonical ones, then the bookkeeping of the build."""
        return list(self._columns)

    def columns(self, name: str) -> list[str]:
        """Return the columns of a table."""
        return list(self._columns[self._known(name)])

    def table(
        self,
        name: str,
        *,
        brand: str | None = None,
        until: str | None = None,
        since: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return a table's rows of a brand, from period `since` to `until`, both inside.

        Customers are not of one brand: they are limited by `until` only, through the day they became one.
        """
        where = self._where(self._known(name), brand=brand, until=until, since=since)
        wrong = [c for c in columns or () if c not in self._columns[name]]
        if wrong:
            raise DataError(
                [
                    Problem(
                        f"table {name} has no such column",
                        value=c,
                        nearest=nearest(c, self._columns[name]),
                        allowed=", ".join(self._columns[name]),
                    )
                    for c in wrong
                ]
            )
        picks = ", ".join(map(identifier, columns)) if columns else "*"
        return self._frame(f"SELECT {picks} FROM {self._known_then(name, until)} WHERE {where}")

    def sql(
        self,
        query: str,
        *,
        brand: str | None = None,
        until: str | None = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
    ) -> pd.DataFrame:
        """Run one SELECT over the tables as they were known of `brand` at the end of `until`.

        Parameters
        ----------
        query : str
            DuckDB SQL; tables are named as in `tables`. Bind values as ``$name`` or ``?``.
        params : mapping or sequence, optional
            Values to bind.

        Raises
        ------
        DataError
            If it is not one SELECT over these tables, or fails.
        """
        cursor = self._con.cursor()
        try:
            try:
                used, own = query_tables(cursor, query)
            except ValueError as error:
                raise DataError(Problem(f"the query is not allowed: {error}", value=query[:200])) from None
            for name in {self._known(t) for t in used if t in self._columns or t not in own}:
                where = self._where(name, brand=brand, until=until, since=None)
                cursor.execute(
                    f"CREATE TEMP VIEW {name} AS SELECT * FROM {self._known_then(name, until)} WHERE {where}"
                )
            try:
                return cursor.execute(query, dict(params) if isinstance(params, Mapping) else params or []).df()
            except duckdb.Error as error:
                detail = str(error).splitlines()[0]
                raise DataError(Problem(f"the query fails: {detail}", value=query[:200])) from None
        finally:
            cursor.close()

    def cells(
        self,
        item: str,
        *,
        factors: Sequence[str],
        brand: str | None,
        until: str | None,
        since: str | None = None,
        weighting: Literal["none", "survey"] = "none",
    ) -> pd.DataFrame:
        """Count the answers to an item by groups, period and code: all that an ordinal model needs to see.

        Parameters
        ----------
        item : str
        factors : sequence of str
            ``segment:<name>``, ``touchpoint`` or ``channel`` of the response, or ``brand``.
        brand, until, since : str, optional
        weighting : {"none", "survey"}
            ``survey`` gives `n` as sums of weights, scaled within each brand and period to the effective sample size
            ``sum(w)**2 / sum(w**2)`` of the responses that answered (Kish), so that weighted counts never claim more
            answers than the design carries.

        Returns
        -------
        DataFrame
            ``[*factors, "period", "code", "n_raw", "n"]``, one row an observed cell and code; a missing group is
            `vocab.UNKNOWN`. Empty if nobody answered.

        References
        ----------
        Kish, L. (1965). Survey Sampling. Wiley.
        """
        groups = [f"coalesce({self._factor(f)}, {literal(UNKNOWN)}) AS {identifier(f)}" for f in factors]
        where = self._where("ratings", brand=brand, until=until, since=since, alias="t")
        names = ", ".join(map(identifier, factors))
        comma = ", " if factors else ""
        query = f"""
            WITH answers AS (
                SELECT {", ".join(groups)}{comma}t.brand AS _brand, t.period, t.value::INTEGER AS code, r.weight AS w
                FROM ratings t JOIN responses r USING (response_id)
                WHERE t.item = $item AND t.value IS NOT NULL AND {where}),
            scaled AS (
                SELECT *, w * sum(w) OVER p / nullif(sum(w * w) OVER p, 0) AS s
                FROM answers WINDOW p AS (PARTITION BY _brand, period))
            SELECT {names}{comma}period, code, count(*) AS n_raw,
                {"coalesce(sum(s), 0)" if weighting == "survey" else "count(*)"}::DOUBLE AS n
            FROM scaled GROUP BY ALL ORDER BY ALL"""
        return self._frame(query, {"item": item})

    def items(self, brand: str | None = None, until: str | None = None) -> pd.DataFrame:
        """Return the items somebody answered: item, role, scale, touchpoint, period, n (scored answers)."""
        where = self._where("ratings", brand=brand, until=until, since=None)
        return self._frame(
            f"""SELECT item, any_value(role) AS role, any_value(scale) AS scale,
                CASE WHEN count(DISTINCT touchpoint) = 1 THEN any_value(touchpoint) END AS touchpoint, period,
                count(*) AS n
            FROM ratings WHERE value IS NOT NULL AND {where} GROUP BY item, period ORDER BY item, period"""
        )

    def factors(self, item: str, brand: str | None = None, until: str | None = None) -> pd.DataFrame:
        """Return what the answers to an item can be split by: factor, groups (known ones), n (answers with a group).

        Only factors with two groups or more.
        """
        names = [c for c in self._columns["responses"] if c.startswith(SEGMENT)] + ["touchpoint", "channel"]
        where = self._where("ratings", brand=brand, until=until, since=None, alias="t")
        parts = " UNION ALL ".join(
            f"SELECT {i} AS nth, {literal(f)} AS factor, count(DISTINCT {self._factor(f)}) AS groups, "
            f"count({self._factor(f)}) AS n FROM answers r"
            for i, f in enumerate(names)
        )
        return self._frame(
            f"""WITH answers AS (SELECT r.* FROM ratings t JOIN responses r USING (response_id)
                WHERE t.item = $item AND t.value IS NOT NULL AND {where})
            SELECT factor, groups, n FROM ({parts}) WHERE groups > 1 ORDER BY nth""",
            {"item": item},
        )

    def units(self) -> pd.DataFrame:
        """Return what is observed: brand, period and the numbers of responses, comments, transactions, interactions."""
        tables = ("responses", "comments", "transactions", "interactions")
        parts = " UNION ALL ".join(
            f"SELECT brand, period, {', '.join(f'{int(t == name)} AS {t}' for t in tables)} FROM {name}"
            for name in tables
        )
        sums = ", ".join(f"sum({t})::BIGINT AS {t}" for t in tables)
        return self._frame(
            f"""SELECT brand, period, {sums} FROM ({parts}) WHERE brand IS NOT NULL
            GROUP BY brand, period ORDER BY brand, period"""
        )

    def partitions(self, tables: Iterable[str] | None = None) -> dict[tuple[str, str, str], str]:
        """Return a hash of the rows of each (table, brand, period), whatever their order.

        Rows of a later day change only their own period's hash; file and line do not count. Tables without a period
        (customers) have one entry with `vocab.ALL`.
        """
        out: dict[tuple[str, str, str], str] = {}
        for name in tables if tables is not None else TABLES:
            columns = self._columns[self._known(name)]
            timed = "period" in columns
            keys = ", ".join(f"coalesce({c}, {literal(ALL)})" if timed else literal(ALL) for c in ("brand", "period"))
            content = ", ".join(identifier(c) for c in columns if c not in _PLACES)
            rows = self._con.cursor().execute(
                f"""SELECT {keys}, count(*), sum(h), bit_xor(h) FROM (SELECT *, hash({content}) AS h FROM {name})
                GROUP BY 1, 2 ORDER BY 1, 2"""
            )
            for brand, period, n, total, mixed in rows.fetchall():
                out[(name, brand, period)] = f"{n:x}-{int(total):x}-{int(mixed):x}"
        return out

    def _known(self, name: str) -> str:
        if name not in self._columns:
            raise DataError(
                Problem(
                    "no such table",
                    value=name,
                    nearest=nearest(name, list(self._columns)),
                    allowed=", ".join(self._columns),
                )
            )
        return name

    def _where(
        self, name: str, *, brand: str | None, until: str | None, since: str | None, alias: str | None = None
    ) -> str:
        columns, at = self._columns[name], f"{alias}." if alias else ""
        parts = []
        if "period" in columns:
            if brand is not None:
                # market events of no brand concern every brand
                free = f" OR {at}brand IS NULL" if name == "events" else ""
                parts.append(f"({at}brand = {literal(brand)}{free})")
            parts += [f"{at}period <= {literal(until)}"] if until is not None else []
            parts += [f"{at}period >= {literal(since)}"] if since is not None else []
        elif name == "customers" and until is not None:
            parts.append(f"({at}since IS NULL OR {self._period(f'{at}since')} <= {literal(until)})")
        return " AND ".join(parts) or "true"

    @staticmethod
    def _known_then(name: str, until: str | None) -> str:
        """Return the table to read: an invitation answered after `until` had no answer then."""
        table = f"memory.main.{name}"
        if name != "invitations" or until is None:
            return table
        later = f"SELECT response_id FROM memory.main.responses WHERE period > {literal(until)}"
        return f"""(SELECT * EXCLUDE (late) REPLACE (answered AND NOT late AS answered,
                CASE WHEN NOT late THEN response_id END AS response_id)
            FROM (SELECT *, coalesce(response_id IN ({later}), false) AS late FROM {table}))"""

    def _period(self, day: str) -> str:
        return f"(SELECT {PERIODS[self.summary['grain']][1]} FROM (SELECT {day} AS d))"

    def _factor(self, name: str) -> str:
        legal = [*(c for c in self._columns["responses"] if c.startswith(SEGMENT)), "touchpoint", "channel", "brand"]
        if name not in legal:
            raise DataError(
                Problem("no such factor", value=name, nearest=nearest(name, legal), allowed=", ".join(legal))
            )
        return f"r.{identifier(name)}"

    def _frame(self, query: str, values: dict[str, Any] | None = None) -> pd.DataFrame:
        cursor = self._con.cursor()
        try:
            return cursor.execute(query, values or {}).df()
        finally:
            cursor.close()

    def count(self, name: str, *, brand: str | None = None, until: str | None = None) -> int:
        """Return the number of rows of a table."""
        where = self._where(self._known(name), brand=brand, until=until, since=None)
        return int(first(self._con.cursor(), f"SELECT count(*) FROM {name} WHERE {where}")[0])
