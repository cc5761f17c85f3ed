"""What can go wrong, said so that a reader can mend it: all problems of one kind at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_INVALID = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it stands and what to do about it.

    Attributes
    ----------
    what : str
        The problem in one sentence, without a trailing full stop.
    file : str
        Path of the file it stands in, as the user wrote it; empty if none.
    line : int
        One-based line (row number for Parquet); 0 if unknown.
    where : str
        Key (``scales.five.codes``) or column name.
    value : str
        The offending value as text; empty if none.
    allowed : str
        What would have been legal.
    nearest : str
        The nearest legal name, if one is near.
    todo : str
        What to do next.
    """

    what: str
    file: str = ""
    line: int = 0
    where: str = ""
    value: str = ""
    allowed: str = ""
    nearest: str = ""
    todo: str = ""

    def __str__(self) -> str:
        place = ":".join(p for p in (self.file, str(self.line) if self.line else "") if p)
        head = ": ".join(p for p in (place, self.where, self.what) if p)
        tail = []
        if self.value:
            tail.append(f"found {self.value}")
        if self.allowed:
            tail.append(f"allowed: {self.allowed}")
        if self.nearest:
            tail.append(f"did you mean {self.nearest!r}?")
        if self.todo:
            tail.append(self.todo)
        return head + ("" if not tail else " (" + "; ".join(tail) + ")")

    def as_dict(self) -> dict[str, str | int]:
        """Return the problem as plain JSON data."""
        return asdict(self)


class CxError(Exception):
    """Base of all errors a user can mend; carries every problem found, not only the first."""

    exit_code = EXIT_INVALID

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: list[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__(str(self))

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.problems)


class ParamsError(CxError):
    """A params file, a notebook parameter or a command-line value is not legal."""


class DataError(CxError):
    """A client file cannot be read or does not hold what the params file says."""


class RunError(CxError):
    """A run folder, an artefact or a contract between notebooks is not as promised."""


class ModelError(CxError):
    """Model data or settings from which no honest posterior can be computed."""


def nearest(name: str, legal: Sequence[str], *, cutoff: float = 0.6) -> str:
    """Return the legal name closest to `name`, or an empty string if none is near."""
    by_fold = {x.casefold(): x for x in legal}
    hit = difflib.get_close_matches(str(name).casefold(), list(by_fold), n=1, cutoff=cutoff)
    return by_fold[hit[0]] if hit else ""
