"""What the values of a params file are made of: ids, texts, codes, and what a shorthand may be written as."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as F

from cxlab.vocab import Language

Scalar = str | int | float | bool
_ID = re.compile(r"[^\W\d_][\w\-]*|\d[\w\-]*")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


def _identifier(value: Any) -> Any:
    """Ids become columns, path slugs and anchors: letters, digits, ``_`` and ``-`` only."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise ValueError("an id has letters, digits, _ and - only, and does not start with a sign")
    return value


def one_line(value: Any) -> Any:
    """Text of one line, without control characters."""
    if isinstance(value, str) and any(ord(c) < 32 or ord(c) in (0x7F, 0x2028, 0x2029) for c in value):
        raise ValueError("text may not hold line breaks or control characters")
    return value


def as_list(value: Any) -> Any:
    """One value or a list of them."""
    return value if isinstance(value, list) or value is None else [value]


def texts(value: Any) -> Any:
    """One text or a list; numbers are written as text, since client files are read as text."""
    if value is None:
        return value
    return [as_text(x) for x in (value if isinstance(value, list) else [value])]


def as_text(value: Any) -> Any:
    """Numbers and truth values as the text of a client file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _code(value: Any) -> Any:
    """A code as a key: ``6`` and ``"6"`` are one code, also after a trip through JSON, whose keys are text."""
    value = one_line(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        if _WHOLE.fullmatch(value):
            return int(value)
        if _DECIMAL.fullmatch(value) and str(float(value)) == value:
            return float(value)
    return value


OneOrMany = Scalar | list[Scalar]  # what a shorthand may be written as; for the JSON schema
Id = Annotated[str, BeforeValidator(_identifier, json_schema_input_type=str | int), F(min_length=1, max_length=80)]
Text = Annotated[str, BeforeValidator(one_line), F(min_length=1, max_length=200)]
Label = Text | dict[Language, Text]
Names = Annotated[list[Text], BeforeValidator(texts, json_schema_input_type=OneOrMany)]
Ids = Annotated[list[Id], BeforeValidator(as_list, json_schema_input_type=OneOrMany)]
Code = Annotated[int | float | str, BeforeValidator(_code)]


class Strict(BaseModel):
    """Unknown keys are errors; a loaded params object never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
