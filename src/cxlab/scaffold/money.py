"""The money of a purchase: which column it stands in, what is added up, which rows are no purchases."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cxlab.scaffold.columns import Column, bare, currencies

if TYPE_CHECKING:
    from cxlab.scaffold.guess import Input

_PART = re.compile(
    r"sub_?total|net|unit|compare|discount|shipping|tax|vat|fee|refund|tip|duty|每|单价|运费|税|折", re.IGNORECASE
)
_WHOLE = re.compile(r"(^|[\W_])(grand_?)?total($|[\W_])|amount|paid|实付|总额|合计|betrag|umsatz", re.IGNORECASE)
_UNIT = re.compile(r"(unit|line_?item|item|sales?)?[\W_]*price|单价|preis", re.IGNORECASE)
_QUANTITY = re.compile(r"quantity|qty|units|anzahl|menge|数量|件数", re.IGNORECASE)
_STATUS = re.compile(r"status|state$|状态", re.IGNORECASE)
_FAILED = re.compile(
    r"fail|cancel|void|refund|declin|expire|pending|trash|draft|test|chargeback|abandon|取消|退款|失败|未付|关闭",
    re.IGNORECASE,
)


def purchases(out: Input, amounts: list[Column]) -> None:
    """Choose the money of a purchase, and say which rows are none."""

    def rank(column: Column) -> tuple[bool, bool, int]:
        return bool(_PART.search(column.name)), not _WHOLE.search(column.name), out.columns.index(column)

    amounts = sorted((c for c in amounts if not _QUANTITY.search(c.name)), key=rank)
    units = [c for c in out.columns if _UNIT.search(c.name) and c.kind in ("amount", "other", "segment")]
    quantity = next((c for c in out.columns if _QUANTITY.search(c.name)), None)
    whole = [c for c in amounts if not _PART.search(c.name) and not _UNIT.search(c.name)]
    order = out.link or next((c for c in out.columns if c.name == "Name" and all(v[:1] == "#" for v in c.counts)), None)
    out.link = order
    if order is not None and not order.unique:
        out.basket = order
        out.doubts.append(f"{order.name} comes back: rows are lines of an order, and an order is one purchase")
    if not whole and units and quantity is not None:
        price, count = (f'"{c.name}"' for c in (units[0], quantity))
        out.amount_expr = f"{price} * {count}"
        out.amount = replace(
            units[0], sure=False, doubts=(f"unit price x quantity, since {units[0].name} is of one piece",)
        )
    else:
        out.amount = amounts[0] if amounts else None
        others = [c.name for c in amounts[1:4]]
        if out.amount is not None and others:
            out.amount = replace(
                out.amount, doubts=(f"or {', '.join(others)}: with or without tax, shipping, discounts?",)
            )
    signs = currencies(out.amount.counts) if out.amount is not None else Counter()
    if len(signs) > 1 and out.amount is not None:
        shown = ", ".join(f"{sign} ({n:,} rows)" for sign, n in signs.most_common(4))
        out.doubts.append(f"{out.amount.name} holds several currencies ({shown}), which cannot be added: mend the file")
    for column in out.columns:
        values = [v for v, _ in column.counts.most_common(30)]
        if re.search("currency|währung|币种", column.name, re.IGNORECASE) and len(values) > 1:
            converted = next(
                (c for c in out.columns if re.search("converted.*amount$|amount.*(eur|usd|base)$", c.name, re.I)), None
            )
            if converted is not None and not re.search("convert", column.name, re.I):
                out.amount = replace(
                    converted, doubts=(f"{column.name} has {len(values)} currencies: the converted amount",)
                )
            elif "convert" not in column.name.casefold():
                out.where[column.name] = values[:1]
                shown = ", ".join(values[:4])
                out.doubts.append(
                    f"{column.name} has {len(values)} currencies ({shown}), which cannot be added: only {values[0]} is"
                    " read; convert the others into a column of one currency to read them all"
                )
        elif _STATUS.search(column.name) and 1 < len(values) <= 20:
            failed = [v for v in values if _FAILED.search(v) and not re.search("partial", v, re.IGNORECASE)]
            if failed and len(failed) < len(values):
                out.exclude[column.name] = failed
                out.doubts.append(f"{column.name}: {', '.join(failed[:6])} are taken for no purchases")


def decimal_comma(column: Column) -> bool:
    """Tell whether 12,50 is meant, and not thousands: three digits behind every comma of an amount."""
    counts = Counter[str]()
    for value, n in column.counts.items():
        counts[bare(value)] += n
    commas = {v: n for v, n in counts.items() if re.fullmatch(r"-?\d{1,3}(\.\d{3})*,\d+|-?\d+,\d+", v)}
    thousands = column.kind == "amount" and all(re.fullmatch(r"-?\d{1,3}(,\d{3})+", v) for v in commas)
    return not thousands and sum(commas.values()) > 0.5 * column.filled
