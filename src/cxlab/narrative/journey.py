"""Findings on the journey: moments of truth, one bad experience, peak and end, paths, time to decision, age.

All take the tidy table ``journey_estimates`` as the writer returned it and what the data hold (`cxlab.journeys`); a
question that the data cannot answer gets one sentence that says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from cxlab import figures, tables
from cxlab.blocks import Block
from cxlab.catalogue import message
from cxlab.estimates import CI_PROB
from cxlab.figures import journey as drawing
from cxlab.journeys import RATING, Journeys
from cxlab.models.journey.experience import NOT
from cxlab.models.journey.names import BUY, END, START
from cxlab.models.journey.steps import OTHER
from cxlab.models.tenure import EDGES
from cxlab.narrative.finding import Finding, Number, Statement, build, listed, note, small_print, tally
from cxlab.params.models import Stage
from cxlab.vocab import LANGUAGES
from cxlab.wording import Labels, count, estimate, is_number, known, plain, probability

_NAN: Final = float("nan")
_PLAIN: Final = {START: "start", END: "end", OTHER: "rest"}  # states that are no touchpoints
_SURE: Final = 0.975  # probability from which peak and end are said to count, or not to


def moments(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "moments"
) -> Finding:
    """Say at which touchpoint a bad experience goes with most loss of satisfaction, and with leaving.

    Parameters
    ----------
    table : DataFrame
        Rows of ``journey_estimates``.
    found : Journeys
        What the data hold.
    labels : Labels
        The client's names.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    """
    lost, gone = (_of(table, e) for e in ("mot_satisfaction", "mot_leaving"))
    if lost.empty and gone.empty:
        return _missing(id, "moments", found.missing.get("satisfaction", "no_experience"), languages)
    blocked = _blocked(pd.concat([lost, gone]))
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    both = _both(lost, gone)
    statements: list[Statement] = []
    clear = lost[lost["verdict"] == "worse"].sort_values("mean")
    if len(clear):
        worst = clear.iloc[0]
        pair = _pair(table, worst, "satisfaction")
        own = {lang: {"name": _moment(worst, labels, lang)} for lang in languages}
        drawn = both.empty or _same(both, worst) is not None
        numbers = {"bad": pair[0], "good": pair[1], "span": _span(worst, drawn=drawn)}
        statements.append(Statement("journey_moments.lead", own, numbers))
        rest = [r for _, r in clear.iloc[1:].iterrows()]
        if rest:
            said = {lang: {"list": listed([_moment(r, labels, lang) for r in rest], lang)} for lang in languages}
            statements.append(Statement("journey_moments.others", said))
    elif len(lost):
        statements.append(Statement("journey_moments.none"))
    statements += _leaving_statements(table, gone, both, found, labels, languages)

    def draw(language: str) -> Figure:
        if len(both):
            return drawing.effect_map(both, [_moment(r, labels, language) for _, r in both.iterrows()],
                                      language=language)  # fmt: skip
        rows = (lost if len(lost) else gone).assign(estimand="difference")
        return figures.intervals(rows, [_moment(r, labels, language) for _, r in rows.iterrows()], language=language,
                                 reference=0.0)  # fmt: skip

    def tabulate(language: str) -> Block:
        heads = ("touchpoint", "satisfied_good", "satisfied_bad", "satisfied", "leave_good", "leave_bad", "leave", "n")
        body = []
        for _, row in _union(lost, gone).iterrows():
            cells = [_moment(row, labels, language)]
            for rows, ending in ((lost, "satisfaction"), (gone, "leaving")):
                own = _same(rows, row)
                pair = _pair(table, row, ending)
                cells += [pair[1].text(language), pair[0].text(language), _cell(own, language, signed=True)]
            body.append([*cells, count(row["n"])])
        return _table("journey_moments", heads, body, language)

    shown = pd.concat([lost, gone])
    return build(
        id, statements, languages, note=_noted(shown, "journey_moments.note", unit="experiences"),
        caption=lambda lang: message(lang, "journey_moments.legend" if len(both) else "figure.interval"),
        draw=draw if known(shown["mean"]).any() else None, tabulate=tabulate,
    )  # fmt: skip


def one_bad(
    table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "one_bad"
) -> Finding:
    """Say what one bad experience goes with in leaving, adjusted, beside the folk figure. Parameters: see `moments`."""
    rows = {e: _of(table, e) for e in ("one_bad", "one_bad_raw", "one_bad_folk", "one_bad_after", "one_bad_without")}
    if rows["one_bad"].empty or found.horizon is None:
        return _missing(id, "one_bad", found.missing.get("one_bad", "no_bad"), languages)
    blocked = _blocked(rows["one_bad"])
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    basis = str(rows["one_bad"][known(rows["one_bad"]["mean"])]["basis"].iloc[-1])  # outcomes before ratings
    own = {e: r[r["basis"] == basis].iloc[0] for e, r in rows.items()}
    adjusted, raw = own["one_bad"], own["one_bad_raw"]
    weeks = {"weeks": tally(round(found.horizon.days / 7))}
    verdict = str(adjusted["verdict"])
    levels = {k: _share(own[e]) for k, e in (("after", "one_bad_after"), ("without", "one_bad_without"))}
    plain_numbers = {"folk": _share(own["one_bad_folk"]), "raw_span": _span(raw)}
    statements = [
        Statement(f"journey_one_bad.{verdict}", {}, weeks | levels | {"span": _span(adjusted)}),
        Statement("journey_one_bad.folk", {}, plain_numbers),
        Statement(f"journey_one_bad.{found.horizon.kind}", {}, weeks),
    ]
    both = pd.DataFrame([raw, adjusted]).assign(estimand="difference")

    def heads(language: str) -> list[str]:
        return [message(language, f"journey_one_bad.{k}") for k in ("raw", "adjusted")]

    def draw(language: str) -> Figure:
        return figures.intervals(both, heads(language), language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        ends = [("one_bad_folk", None), ("one_bad_after", "one_bad_without")]
        body = []
        for name, row, (bad, good) in zip(heads(language), (raw, adjusted), ends, strict=True):
            cells = [_share(own[bad]).text(language), "" if good is None else _share(own[good]).text(language)]
            chance = probability(float(row["prob_gt_ref"]), language=language)
            body.append([name, *cells, _cell(row, language, signed=True), chance, count(row["n_all"])])
        return _table("journey_one_bad", ("figure", "bad", "good", "difference", "more", "n"), body, language)

    return build(
        id, statements, languages, verdict=verdict,
        note=_noted(both, f"journey_one_bad.{_word(basis)}", unit="experiences"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def peak_end(
    table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "peak_end"
) -> Finding:
    """Say whether the worst, best and last experience count beyond the average. Parameters: see `moments`."""
    parts, over, gain = (_of(table, e) for e in ("peak_end", "peak_end_over_mean", "peak_end_gain"))
    if parts.empty or gain.empty:
        return _missing(id, "peak_end", found.missing.get("peak_end", "no_three"), languages)
    blocked = _blocked(parts)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    by = {str(r["group"]): r for _, r in parts.iterrows()}
    chance = float(gain["prob_gt_ref"].iloc[0])
    key = "yes" if chance > _SURE else "no" if chance < 1 - _SURE else "cannot_tell"
    numbers = {"p": Number(chance, "probability", drawn=False, tabled=False)}
    levels = {k: Number(float(by[k]["mean"]), "share", signed=True) for k in ("mean", "last", "worst")}
    levels |= {f"{k}_span": _span(by[k]) for k in ("last", "worst")}
    statements = [Statement(f"journey_peak_end.{key}", {}, numbers), Statement("journey_peak_end.parts", {}, levels)]

    def names(language: str) -> list[str]:
        return [message(language, f"journey_peak_end.{p}") for p in parts["group"]]

    def draw(language: str) -> Figure:
        return figures.intervals(parts.assign(estimand="difference"), names(language), language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        more = over.set_index("group")["prob_gt_ref"]
        body = [
            [
                name,
                _cell(row, language, signed=True),
                probability(float(more.get(row["group"], _NAN)), language=language),
            ]
            for name, (_, row) in zip(names(language), parts.iterrows(), strict=True)
        ]
        return _table("journey_peak_end", ("part", "effect", "over"), body, language)

    return build(
        id, statements, languages, verdict="cannot_tell" if key == "cannot_tell" else "",
        note=_noted(parts, "journey_peak_end.note", unit="answers"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def flow(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "flow"
) -> Finding:
    """Say how journeys begin and which touchpoints lead to a purchase. Parameters: see `moments`."""
    steps, first, bought = (_of(table, e) for e in ("flow", "transition", "purchase"))
    if found.paths is None or first.empty:
        return _missing(id, "flow", found.missing.get("paths", "no_steps"), languages)
    blocked = _blocked(first)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    begin = first[(first["touchpoint"] == START) & known(first["mean"])].sort_values("mean", ascending=False)
    states = found.paths.states
    statements = []
    if len(begin):
        own = {lang: {"name": _state(str(begin["to"].iloc[0]), labels, lang)} for lang in languages}
        numbers = {"total": tally(begin["n"].iloc[0]), "gap": tally(found.gap), "value": _share(begin.iloc[0])}
        statements.append(Statement("journey_flow.lead", own, numbers))
    reach = bought[known(bought["mean"])].sort_values("mean", ascending=False)
    if len(reach):
        ends = reach.iloc[0], reach.iloc[-1]
        said = {
            lang: {k: _state(str(r["touchpoint"]), labels, lang) for k, r in zip(("best", "worst"), ends, strict=True)}
            for lang in languages
        }
        numbers = {"value": _share(ends[0]), "span": _span(ends[0], signed=False, drawn=False)}
        if len(reach) > 1:
            numbers |= {"worst_value": _share(ends[1])}
        numbers = {f"buy_{k}": v for k, v in numbers.items()}
        statements.append(Statement(f"journey_flow.{'buy' if len(reach) > 1 else 'buy_one'}", said, numbers))
    drawn = steps.assign(step=steps["group"].astype(int))

    def draw(language: str) -> Figure:
        names = {s: _state(s, labels, language) for s in (*states, END)}
        return drawing.flow(drawn, names, order=states, end=END, language=language)

    def tabulate(language: str) -> Block:
        to = [*states, END]
        body = []
        for origin in (START, *states):
            own = first[first["touchpoint"] == origin]
            cells = [_cell(_first(own[own["to"] == t]), language) for t in to]
            chance = reach[reach["touchpoint"] == origin]
            n = float(own["n"].iloc[0]) if len(own) else _NAN
            body.append([_state(origin, labels, language), *cells, _cell(_first(chance), language), count(n)])
        heads = [message(language, "journey_flow.head_from"), *(_state(t, labels, language) for t in to)]
        heads += [message(language, f"journey_flow.head_{k}") for k in ("purchase", "n")]
        caption = message(language, "journey_flow.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=CSV)

    return build(
        id, statements, languages, note=_noted(first, "journey_flow.note"),
        caption=lambda lang: message(lang, "journey_flow.legend"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def drop_off(
    table: pd.DataFrame,
    *,
    found: Journeys,
    labels: Labels,
    stages: Sequence[Stage] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "drop_off",
) -> Finding:
    """Say at which touchpoint journeys end most often.

    Parameters are those of `moments`, and `stages`: ``params.journey.stages``. The sentence speaks of the touchpoints
    of the first stage, where an end is a loss; the figure shows all.
    """
    rows = _of(table, "transition")
    rows = rows[(rows["to"] == END) & ~rows["touchpoint"].str.startswith(BUY) & (rows["touchpoint"] != OTHER)]
    if found.paths is None or rows.empty:
        return _missing(id, "drop_off", found.missing.get("paths", "no_steps"), languages)
    blocked = _blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    rows = rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    before = [t for stage in stages[:1] for t in stage.touchpoints]
    early = shown["touchpoint"].isin(before) & any(s.startswith(BUY) for s in found.paths.states)
    shown = shown[early] if early.any() else shown
    ends = shown.iloc[0], shown.iloc[-1]
    names = {
        lang: {k: _state(str(r["touchpoint"]), labels, lang) for k, r in zip(("most", "least"), ends, strict=True)}
        for lang in languages
    }
    numbers = {"value": _share(ends[0]), "span": _span(ends[0], signed=False)}
    statements = [Statement(f"journey_drop_off.{'before' if early.any() else 'lead'}", names, numbers)]
    if len(shown) > 1:
        least = {"least_value": _share(ends[1]), "least_span": _span(ends[1], signed=False)}
        statements.append(Statement("journey_drop_off.least", names, least))

    def draw(language: str) -> Figure:
        return figures.intervals(rows, [_state(t, labels, language) for t in rows["touchpoint"]], language=language)

    def tabulate(language: str) -> Block:
        body = [
            [_state(str(r["touchpoint"]), labels, language), _cell(r, language), count(r["n"])]
            for _, r in rows.iterrows()
        ]
        return _table("journey_drop_off", ("touchpoint", "share", "n"), body, language)

    return build(
        id, statements, languages, note=_noted(rows, "journey_drop_off.note"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


def decision(
    table: pd.DataFrame, *, found: Journeys, labels: Labels, languages: Sequence[str] = LANGUAGES, id: str = "decision"
) -> Finding:
    """Say how long customers take to buy again after a touchpoint. Parameters: see `moments`."""
    rows, weeks = (_of(table, e) for e in ("decided", "decision_weeks"))
    if found.decision is None or rows.empty:
        return _missing(id, "decision", found.missing.get("decision", "no_spells"), languages)
    blocked = _blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    rows = rows.assign(week=rows["group"].astype(int), key=rows["touchpoint"] + "|" + rows["basis"])
    weeks = weeks.assign(key=weeks["touchpoint"] + "|" + weeks["basis"])
    seen = rows[known(rows["mean"])]
    last = seen[seen["week"] == seen["week"].max()]
    columns = sorted({4, 13, int(last["week"].iloc[0])} & set(seen["week"]))
    whole = last[last["basis"] == ""].sort_values("mean", ascending=False)
    chosen = whole.sort_values("n", ascending=False).head(4)["key"].tolist()
    chosen = [k for k in whole["key"] if k in chosen]
    ends = (whole[whole["key"].isin(chosen)] if chosen else last).iloc[[0, -1]]
    statements = []
    for place, (_, row) in zip(("fast", "slow"), ends.iterrows(), strict=True):
        if place == "slow" and len(chosen) < 2:
            continue
        own = {lang: {"name": _moment(row, labels, lang)} for lang in languages}
        half = weeks[weeks["key"] == row["key"]]
        numbers = {f"{place}_share": _share(row), f"{place}_weeks": tally(row["week"])}
        if len(half) and is_number(half["mean"].iloc[0]):
            numbers |= {f"{place}_half": Number(float(half["median"].iloc[0]), "count", drawn=False)}
            weeks_half = float(half["median"].iloc[0])
            statements.append(Statement(f"journey_decision.{place}_half", own, numbers, quantity=weeks_half))
        else:
            statements.append(Statement(f"journey_decision.{place}", own, numbers))

    def draw(language: str) -> Figure:
        shown = rows[rows["key"].isin(chosen)]
        names = {k: _moment(shown[shown["key"] == k].iloc[0], labels, language) for k in chosen}
        return drawing.curves(shown, names, language=language)

    def tabulate(language: str) -> Block:
        body = []
        for key, own in rows.groupby("key", sort=False):
            half = _first(weeks[weeks["key"] == key])
            middle = "—"
            if half is not None and is_number(half["mean"]):
                middle = estimate(*(float(half[c]) for c in ("median", "ci_low", "ci_high")), metric="count",
                                  language=language)  # fmt: skip
            cells = [_cell(_first(own[own["week"] == w]), language) for w in columns]
            body.append([_moment(own.iloc[0], labels, language), middle, *cells, count(own["n"].iloc[0])])
        heads = [message(language, f"journey_decision.head_{k}") for k in ("touchpoint", "half", "n")]
        heads[2:2] = [message(language, "journey_decision.head_week", {"n": str(w)}) for w in columns]
        caption = message(language, "journey_decision.caption")
        return tables.counts_table(heads, body, language=language, caption=caption, csv=CSV)

    return build(
        id, statements, languages, note=_noted(rows, "journey_decision.note"),
        caption=lambda lang: message(lang, "journey_decision.legend"), draw=draw if chosen else None, tabulate=tabulate,
    )  # fmt: skip


def age(table: pd.DataFrame, *, found: Journeys, languages: Sequence[str] = LANGUAGES, id: str = "age") -> Finding:
    """Say whether old relationships are more satisfied than young ones. Parameters: see `moments`."""
    rows, over = (_of(table, e) for e in ("tenure", "tenure_change"))
    if rows.empty or len(rows) < 2:
        return _missing(id, "age", found.missing.get("tenure", "no_since"), languages)
    blocked = _blocked(rows)
    if blocked:
        return build(id, [Statement(f"journey_blocked.{blocked}")], languages, verdict=blocked)
    order = rows["group"].astype(int).sort_values(kind="stable").index
    rows = rows.loc[order].reset_index(drop=True)
    shown = rows[known(rows["mean"])]
    if len(shown) < 2:
        return _missing(id, "age", "one_age", languages)
    first, last = shown.iloc[0], shown.iloc[-1]
    change = _first(over[over["group"] == last["group"]])
    names = {lang: {"young": _age(str(first["group"]), lang), "old": _age(str(last["group"]), lang)}
             for lang in languages}  # fmt: skip
    verdict = "" if change is None else str(change["verdict"])
    numbers = {"first": _share(first), "last": _share(last)}
    statements = [Statement(f"journey_age.{verdict or 'plain'}", names, numbers)]
    if change is not None and is_number(change["mean"]) and str(first["group"]) == str(rows["group"].iloc[0]):
        span = Number(float(change["ci_low"]), "share", float(change["ci_high"]), signed=True, drawn=False)
        statements.append(Statement("journey_age.difference", names, {"span": span}))

    def draw(language: str) -> Figure:
        return drawing.ages(rows, [_age(str(g), language) for g in rows["group"]], language=language)

    def tabulate(language: str) -> Block:
        body = []
        for _, row in rows.iterrows():
            own = _first(over[over["group"] == row["group"]])
            cells = [_age(str(row["group"]), language), _cell(row, language), _cell(own, language, signed=True)]
            body.append([*cells, count(row["n"])])
        return _table("journey_age", ("age", "share", "difference", "n"), body, language)

    return build(
        id, statements, languages, verdict=verdict, note=_noted(rows, "journey_age.note"),
        caption=lambda lang: message(lang, "figure.interval"), draw=draw, tabulate=tabulate,
    )  # fmt: skip


CSV: Final = "journey_estimates.csv"


def _leaving_statements(
    table: pd.DataFrame,
    gone: pd.DataFrame,
    both: pd.DataFrame,
    found: Journeys,
    labels: Labels,
    languages: Sequence[str],
) -> list[Statement]:
    if gone.empty or found.horizon is None:
        reason = found.missing.get("leaving", "no_followed")
        said = {lang: {"reason": message(lang, f"journey_reason.{reason}")} for lang in languages}
        return [Statement("journey_missing.leaving", said)]
    weeks = {"weeks": tally(round(found.horizon.days / 7))}
    clear = gone[gone["verdict"] == "worse"].sort_values("mean", ascending=False)
    if clear.empty:
        return [Statement("journey_moments.leaving_none", {}, weeks)]
    worst = clear.iloc[0]
    pair = _pair(table, worst, "leaving")
    own = {lang: {"name": _moment(worst, labels, lang)} for lang in languages}
    span = _span(worst, drawn=len(both) > 0 and _same(both, worst) is not None)
    numbers = weeks | {"leave_bad": pair[0], "leave_good": pair[1], "leave_span": span}
    return [Statement("journey_moments.leaving", own, numbers)]


def _of(table: pd.DataFrame, estimand: str) -> pd.DataFrame:
    return table[table["estimand"] == estimand].reset_index(drop=True)


def _first(rows: pd.DataFrame) -> pd.Series | None:
    return rows.iloc[0] if len(rows) else None


def _same(rows: pd.DataFrame, row: pd.Series) -> pd.Series | None:
    return _first(rows[(rows["touchpoint"] == row["touchpoint"]) & (rows["basis"] == row["basis"])])


def _union(lost: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([lost, gone]).drop_duplicates(["touchpoint", "basis"]).reset_index(drop=True)


def _both(lost: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """Places whose effects on satisfaction and on leaving are both known, as the map wants them."""
    keys = ["touchpoint", "basis"]
    pairs = lost[known(lost["mean"])].merge(gone[known(gone["mean"])], on=keys, suffixes=("_s", "_l"))
    wanted = {f"{c}_{side}": f"{axis}{end}" for side, axis in (("s", "x"), ("l", "y"))
              for c, end in (("mean", ""), ("ci_low", "_low"), ("ci_high", "_high"))}  # fmt: skip
    return pairs.rename(columns=wanted)[[*keys, *wanted.values()]]


def _pair(table: pd.DataFrame, row: pd.Series, ending: str) -> tuple[Number, Number]:
    """The standardised shares after a bad and after a good experience."""
    found = [_same(_of(table, f"after_{k}_{ending}"), row) for k in ("bad", "good")]
    bad, good = (Number(_NAN, "share", drawn=False) if r is None else _share(r, drawn=False) for r in found)
    return bad, good


def _share(row: pd.Series, *, drawn: bool = False) -> Number:
    return Number(float(row["mean"]), "share", drawn=drawn)


def _span(row: pd.Series, *, signed: bool = True, drawn: bool = True) -> Number:
    return Number(float(row["ci_low"]), "share", float(row["ci_high"]), signed=signed, drawn=drawn)


def _cell(row: pd.Series | None, language: str, *, signed: bool = False) -> str:
    if row is None:
        return "—"
    if not is_number(row["mean"]):
        verdict = str(row["verdict"] or "")
        return message(language, f"verdict.{verdict}") if verdict in ("withheld", "suppressed") else "—"
    return estimate(
        *(float(row[c]) for c in ("mean", "ci_low", "ci_high")), metric="share", language=language, signed=signed
    )


def _blocked(rows: pd.DataFrame) -> str:
    """Why none of the rows has a number; empty if one has."""
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def _missing(id: str, question: str, reason: str, languages: Sequence[str]) -> Finding:
    said = {lang: {"reason": message(lang, f"journey_reason.{reason}")} for lang in languages}
    return build(id, [Statement(f"journey_missing.{question}", said)], languages)


def _noted(rows: pd.DataFrame, key: str, *, unit: str = "") -> Callable[[str], str]:
    """Return the small print: how many of a `unit`, the interval, what the numbers are, that it proves no cause."""
    column = "n_all" if known(rows["n_all"]).any() else "n"
    total = float(rows[column].astype(float).max()) if unit and len(rows) else _NAN

    def say(language: str) -> str:
        parts = [message(language, f"journey_note.{unit}", {"n": count(total)}, quantity=total)] if unit else []
        parts += [
            note(language, n=_NAN, ci_prob=CI_PROB),
            message(language, key),
            message(language, "note.association"),
        ]
        return small_print(language, parts)

    return say


def _table(page: str, heads: Sequence[str], body: Sequence[Sequence[str]], language: str) -> Block:
    named = [message(language, f"{page}.head_{h}") for h in heads]
    return tables.counts_table(named, body, language=language, caption=message(language, f"{page}.caption"), csv=CSV)


def _state(state: str, labels: Labels, language: str) -> str:
    if state.startswith(BUY):
        channel = state.removeprefix(BUY)
        if not channel:
            return message(language, "journey_state.buy")
        return message(language, "journey_state.buy_by", {"channel": labels.group("channel", channel, language)})
    if state in _PLAIN:
        return message(language, f"journey_state.{_PLAIN[state]}")
    return labels.group("touchpoint", state, language)


def _moment(row: pd.Series, labels: Labels, language: str) -> str:
    touchpoint, basis = str(row["touchpoint"]), str(row["basis"])
    name = labels.group("touchpoint", touchpoint, language)
    if basis in ("", RATING):
        return name
    if basis in labels.groups.get("outcome", {}):
        said = labels.group("outcome", basis, language)
    else:
        said = plain(labels.group("outcome", basis.removeprefix(NOT), language).replace("_", " "))
        said = message(language, "journey_state.not", {"outcome": said}) if basis.startswith(NOT) else said
    return message(language, "journey_state.outcome", {"touchpoint": name, "outcome": said})


def _age(days: str, language: str) -> str:
    return message(language, f"journey_age.step_{EDGES.index(int(days))}")


def _word(basis: str) -> str:
    return "by_rating" if basis == RATING else "by_outcome"
