"""Names that nothing defines, circles, periods that do not exist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.errors import Problem
from cxlab.params import load

Write = Callable[..., Path]
Problems = Callable[[str], list[Problem]]

LONG = """\
client: me
brands: [a, {id: B, label: Bee, competitor: true}]
periods: {grain: year, first: 2024, last: 2026}
inputs:
  orders: {path: orders.csv}
  people: {path: people.csv}
  scores: {path: "s{wave}.csv", waves: [2024, 2025]}
lookups:
  one: {from: orders, to: people, on: id, take: region}
  two: {from: orders, to: people, on: id, take: {r2: region}, after: one, one: max date}
tables:
  customers: {from: people, customer: id, segments: {region: region}}
  transactions: {from: orders, customer: id, date: day, amount: total}
  responses: {from: scores, period: {from: wave}}
  ratings:
    from: scores
    items: {overall: {column: Q1, scale: csat5, role: overall}, nps: {column: Q2, scale: nps11, role: nps}}
headline: {item: nps, metric: nps}
targets: {overall: {csat: 0.8}}
model: {groupings: [segment:region, channel]}
segment_labels: {region: Region}
"""


def test_the_long_form_loads(write: Write) -> None:
    params = load(write(LONG))
    assert [b.label for b in params.brands] == ["a", "Bee"]
    assert params.tables.ratings[0].items["nps"].scale == "nps11"


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "near"),
    [
        ("brands: [a,", "brands: [a, A,", "brands[1]", "would share one folder", ""),
        ("brands: [a,", "brands: [a, a,", "brands[1]", "listed twice", ""),
        ("brands: [a, ", "brands: [", "brands", "every brand is a competitor", ""),
        ("model: {", "drivers: {by: segment:regoin}\nmodel: {", "drivers.by", "no such grouping", "segment:region"),
        ("model: {", "drivers: {attributes: [ovrall]}\nmodel: {", "drivers.attributes[0]", "no such item", "overall"),
        ("model: {", "drivers: {stated: {nps: overal}}\nmodel: {", "drivers.stated.nps", "no such item", "overall"),
        ("model: {", "voice: {embedding: corpsu}\nmodel: {", "voice.embedding", "no such way", "corpus"),
        ("first: 2024", "first: 2024Q1", "periods.first", "this is a quarter, the grain is year", ""),
        ("last: 2026", "last: 2026-02-30", "periods.last", "this is a day, the grain is year", ""),
        ("last: 2026", "last: soon", "periods.last", "this is no period", ""),
        ("last: 2026", "last: 2023", "periods.last", "the last period lies before the first", ""),
        ("last: 2026", "last: 2026, history_from: 2025", "periods.history_from", "lies after first", ""),
        ("{from: orders, to", "{from: order, to", "lookups.one.from", "no such input", "orders"),
        ("after: one,", "after: [two],", "lookups.two.after", "wait for each other: two after two", ""),
        ("take: region}", "take: region, after: two}", "lookups", "wait for each other", ""),
        ("after: one,", "after: [onne],", "lookups.two.after[0]", "no such lookup", "one"),
        ("one: max date", "one: biggest", "lookups.two.one", "which row to take", ""),
        ("one: max date", "one: last", "lookups.two.one", "which row to take", ""),
        ("{from: people, customer", "{from: peple, customer", "tables.customers[0].from", "no such input", "people"),
        ("{from: people, customer", "{customer", "tables.customers[0]", "which input is meant", ""),
        ("scale: csat5", "scale: csatt5", "tables.ratings[0].items.overall.scale", "no such scale", "csat5"),
        ("scale: nps11", "scale: csat10", "tables.ratings[0].items.nps.role", "codes 0 to 10", ""),
        ("role: overall}", "role: overall, map: {good: 9}}", "tables.ratings[0].items.overall.map", "9 is no code", ""),
        ("{item: nps, m", "{item: npss, m", "headline.item", "no such item", "nps"),
        ("metric: nps", "metric: ces", "headline.metric", "the headline is ces", ""),
        ("{overall: {csat", "{overal: {csat", "targets.overal", "no such item or touchpoint", "overall"),
        ("{csat: 0.8}", "{csatt: 0.8}", "targets.overall.csatt", "no such metric", "csat"),
        ("segment:region, ", "segment:regon, ", "model.groupings[0]", "no such grouping", "segment:region"),
        ("segment_labels: {region", "segment_labels: {regoin", "segment_labels.regoin", "no such segm", "region"),
        ("period: {from: wave}", "period: {from: wave}, response_id: {column: x, prefix: wave}", "", "", ""),
        ("from: orders, customer", "from: orders, period: {from: wave}, customer", "tables.transactions[0].period",
         "has no waves", ""),
        ("waves: [2024, 2025]", "waves: [2024, 2025Q1]", "tables.responses[0].period", "cannot be the period", ""),
        ("waves: [2024, 2025]", "waves: [2024, 2024]", "inputs.scores.waves", "listed twice", ""),
        ('"s{wave}.csv"', "s.csv", "inputs.scores.waves", "no path holds {wave}", ""),
        ("path: orders.csv", "path: ../orders.csv", "inputs.orders.path", "must lie below data_root", ""),
        ("path: orders.csv", "path: /etc/passwd", "inputs.orders.path", "must lie below data_root", ""),
        ("path: orders.csv", 'path: "C:\\\\x.csv"', "inputs.orders.path", "must lie below data_root", ""),
        ("path: orders.csv", "path: orders.csv, encoding: utf-9", "inputs.orders.encoding", "no such enc", "utf-8"),
        ("path: orders.csv", "path: orders.csv, delimiter: ab", "inputs.orders.delimiter", "one character", ""),
    ],
)  # fmt: skip
def test_each_reference_is_checked(
    write: Write, problems: Problems, old: str, new: str, where: str, what: str, near: str
) -> None:
    assert old in LONG
    text = LONG.replace(old, new, 1)
    if not what:  # a legal variant: the check must not cry wolf
        assert load(write(text))
        return
    found = problems(text)
    hit = [p for p in found if p.where.startswith(where) and what in p.what]
    assert hit, [str(p) for p in found]
    assert hit[0].nearest == near
    assert hit[0].line > 0


def test_one_mistake_is_told_once(problems: Problems) -> None:
    assert len(problems(LONG.replace("scale: csat5", "scale: csatt5"))) == 1


def test_nothing_to_read(problems: Problems) -> None:
    text = "client: me\nbrands: [a]\nperiods: {grain: year, first: 2024, last: 2026}\n"
    assert "nothing to read" in problems(text)[0].what
    assert "no table is filled" in problems(text + "inputs: {x: {path: x.csv}}\n")[0].what


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("to: [responses, ratings, comments]", "to: [responses, comments]", "`items` fills ratings"),
        ("to: [responses, ratings, comments]", "to: [responses, ratings]", "`text` fills comments"),
        ("to: [responses, ratings, comments]", "to: [ratings, comments]", "`segments` fills responses"),
        ("    text: comment\n", "", "comments need `text`"),
        ("    date: date\n", "    date: date\n    shape: long\n", "long ratings need `item`"),
        ("    date: date\n", "    date: date\n    item: q\n", "`item` belongs to long ratings"),
        ("client: me", "client: me\ninputs: {survey: {path: x.csv}}", "the same name"),
        ("client: me", "client: me\ngroup_labels: {aeg: {1: x}}", "no such segment"),
        ("client: me", "client: me\nitem_labels: {prise: Price}", "no such item"),
        ("client: me", "client: me\njourney: {labels: {pricee: Price}}", "no such touchpoint"),
    ],
)
def test_sources_are_consistent(problems: Problems, small: str, old: str, new: str, what: str) -> None:
    assert old in small
    assert any(what in p.what for p in problems(small.replace(old, new, 1)))


def test_presets_may_name_more_than_a_client_has(write: Write, small: str) -> None:
    params = load(write(small))
    assert "nps" in params.item_labels  # of the core preset; this client never asked it


@pytest.mark.parametrize(
    ("text", "what"),
    [("labels: {9: x}", "9 is no code of this scale"), ("map: {bad: 0}", "0 is no code of this scale")],
)
def test_scales_speak_of_their_own_codes(problems: Problems, small: str, text: str, what: str) -> None:
    assert problems(small.replace("satisfied_from: 4", text))[0].what == what
