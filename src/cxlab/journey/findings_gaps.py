"""Findings on expectation and experience: where we miss, meet, exceed; how many; managers' view; what sets it.

All take the tidy table of the journey (`cxlab.journey.estimates_gaps.table`): ``vocab.ESTIMATE_COLUMNS`` and the
coords ``touchpoint``
and ``event``. A gap's verdict reads worse: misses, better: exceeds, no_real_change: meets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from cxlab.journey.figures_gaps import dumbbell, met
from cxlab.params.models import Stage
from cxlab.report import charts, tables
from cxlab.report.blocks import Block, table
from cxlab.report.finding import Finding, Number, Statement, build, listed, note, small_print
from cxlab.report.format import Labels, count, estimate, is_number, known, number, period_name, pick, plain, probability
from cxlab.report.messages import message
from cxlab.vocab import LANGUAGES

_SURE = 0.975  # probability from which a difference has a direction, as `estimates.SURE`
_MOST = 3  # events told in words
_ROWS = 12  # of a figure of events: the clearest; the table has all


def profile(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    stages: Sequence[Stage] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "gaps",
    csv: str = "",
) -> Finding:
    """Say where experience misses, meets, exceeds expectation, in points of the scale.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `cxlab.journey.estimates_gaps.table` as `Run.write` returned them.
    labels : Labels
        The client's names.
    period : str
        What to speak of.
    stages : sequence of Stage
        ``params.journey.stages``: the order and headings of the touchpoints.
    languages : sequence of str
        Primary language first.
    id : str
        Name of the finding on its page.
    csv : str
        Name of the site's CSV file with these rows.
    """
    expected, lived, gap = (_rows(estimates, e, period=period) for e in ("expectation", "experience", "gap"))
    keys = _order(pd.concat([lived, expected]), stages)
    lived, expected, gap = (_aligned(r, keys) for r in (lived, expected, gap))
    moved = _aligned(_rows(estimates, "gap_change", period=period), keys)
    shown, judged = gap[known(gap["mean"])], {}
    for verdict in ("worse", "better", "no_real_change", "cannot_tell"):
        judged[verdict] = [k for k, v in zip(keys, gap["verdict"], strict=True) if v == verdict]
    names = {lang: {"period": period_name(period, language=lang)} for lang in languages}
    statements: list[Statement] = []
    if not keys:
        statements.append(Statement("gaps_profile.nobody", names))
    elif gap["estimand"].isna().all():
        statements.append(Statement("gaps_profile.unasked", names))
    elif shown.empty:
        state = "withheld" if (gap["verdict"] == "withheld").any() else "suppressed"
        statements.append(Statement(f"gaps_profile.{state}", names))
    else:
        for verdict, key in _WORDS.items():
            if judged[verdict]:
                statements.append(_list(f"gaps_profile.{key}", judged[verdict], keys, labels, names))
        worst = shown.iloc[int(shown["mean"].astype(float).argmin())]
        best = shown.iloc[int(shown["mean"].astype(float).argmax())]
        if judged["worse"]:
            statements.append(_extreme("gaps_profile.worst", worst, keys, expected, lived, labels, names))
        elif judged["better"]:
            statements.append(_extreme("gaps_profile.best", best, keys, expected, lived, labels, names))
        for verdict, key in (("worse", "lost"), ("better", "gained")):
            changed = [k for k, v in zip(keys, moved["verdict"], strict=True) if v == verdict]
            if changed:
                statements.append(_list(f"gaps_profile.{key}", changed, keys, labels, names))

    def draw(language: str) -> Figure:
        values = [
            number(g, metric="mean", language=language, signed=True)
            if is_number(g)
            else message(language, "gaps_profile.not_asked")
            if len(shown) and not str(verdict)
            else _side(x, language)
            for g, verdict, (_, x) in zip(gap["mean"], gap["verdict"].fillna(""), lived.iterrows(), strict=True)
        ]
        return dumbbell(
            expected.fillna({"metric": "mean"}), lived, [_name(k, keys, labels, language) for k in keys], values,
            language=language, verdicts=list(gap["verdict"].fillna("")), headings=_headings(keys, stages, language),
        )  # fmt: skip

    def tabulate(language: str) -> Block:
        heads = ["touchpoint", "expected", "experienced", "gap", "verdict", "change", "n"]
        body = []
        for i, key in enumerate(keys):
            sides = [_cell(r.iloc[i], language) for r in (expected, lived)]
            word = _WORDS.get(str(gap["verdict"].iloc[i]), "")
            verdict = message(language, f"gaps_word.{word}") if word else _state(gap.iloc[i], language)
            change = _cell(moved.iloc[i], language, signed=True)
            n = lived["n"].iloc[i] if is_number(lived["n"].iloc[i]) else expected["n"].iloc[i]
            row = [
                _name(key, keys, labels, language),
                *sides,
                _cell(gap.iloc[i], language, signed=True),
                verdict,
                change,
            ]
            body.append([*row, count(n)])
        return _table(heads, body, language, "gaps_profile.caption", names[language], csv)

    drawn = bool(keys) and bool(known(pd.concat([lived["mean"], expected["mean"]])).any())
    pairs = len(_rows(estimates, "p_below", period=period, metric="share")) > 0
    small = "note" if pairs else "note_apart" if len(shown) else "note_alone"
    return build(
        id, statements, languages, verdict="withheld" if statements[0].key.endswith("withheld") else "",
        note=lambda lang: _note(lang, shown if len(shown) else lived, f"gaps_profile.{small}"),
        caption=lambda lang: message(lang, "gaps_profile.legend"),
        draw=draw if drawn else None, tabulate=tabulate if keys else None,
    )  # fmt: skip


def shares(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    stages: Sequence[Stage] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "met",
    csv: str = "",
) -> Finding:
    """Say how many customers experienced less than, as much as, more than they expected. Parameters: see `profile`."""
    below, same, above = (
        _rows(estimates, e, period=period, metric="share") for e in ("p_below", "p_met", "p_exceeded")
    )
    targets = _rows(estimates, "p_target", period=period, metric="")
    keys = _order(below, stages)
    below, same, above = (_aligned(r, keys) for r in (below, same, above))
    names = {lang: {"period": period_name(period, language=lang)} for lang in languages}
    fine = known(below["mean"])
    statements: list[Statement] = []
    if not fine.any():
        verdicts = set(below["verdict"])
        key = next((v for v in ("withheld", "suppressed") if v in verdicts), "none")
        statements.append(Statement(f"gaps_met.{key}", names))
    else:
        i = int(below.loc[fine, "mean"].astype(float).idxmax())
        for lang in languages:
            names[lang]["name"] = _name(keys[i], keys, labels, lang)
        told = {
            "value": Number(float(below["mean"][i]), "share"),
            "span": Number(float(below["ci_low"][i]), "share", high=float(below["ci_high"][i])),
            "above": Number(float(above["mean"][i]), "share", drawn=False),
        }
        statements.append(Statement("gaps_met.most", names, told))
        if len(targets) and known(targets["mean"]).any():
            statements += _targets(targets, labels, languages)

    def draw(language: str) -> Figure:
        rows = pd.DataFrame({"p_below": below["mean"], "p_met": same["mean"], "p_exceeded": above["mean"],
                             "low": below["ci_low"], "high": below["ci_high"]})[fine].astype(float)  # fmt: skip
        return met(
            rows, [_name(k, keys, labels, language) for k, f in zip(keys, fine, strict=True) if f], language=language
        )

    def tabulate(language: str) -> Block:
        chance = {_key(r): float(r["mean"]) for _, r in targets.iterrows() if is_number(r["mean"])}
        body = [
            [
                _name(key, keys, labels, language),
                *(_cell(r.iloc[i], language, metric="share") for r in (below, same, above)),
                probability(chance.get(key, float("nan")), language=language),
                count(below["n"].iloc[i]),
            ]
            for i, key in enumerate(keys)
        ]
        heads = ["touchpoint", "below", "met", "above", "target", "pairs"]
        return _table(heads, body, language, "gaps_met.caption", names[language], csv)

    return build(
        id, statements, languages, verdict="withheld" if statements[0].key.endswith("withheld") else "",
        note=lambda lang: _note(lang, below[fine], "gaps_met.note") if fine.any() else "",
        caption=lambda lang: message(lang, "gaps_met.legend"),
        draw=draw if fine.any() else None, tabulate=tabulate if keys else None,
    )  # fmt: skip


def managers(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    stages: Sequence[Stage] = (),
    languages: Sequence[str] = LANGUAGES,
    id: str = "managers",
    csv: str = "",
) -> Finding:
    """Say what managers believe that customers experience, beside what customers say. Parameters: see `profile`."""
    gap = _rows(estimates, "experience_gap", period=period)
    keys = _order(gap, stages)
    gap = _aligned(gap, keys)
    theirs, customers = (_aligned(_rows(estimates, e, period=period), keys) for e in ("managers", "experience"))
    names = {lang: {"period": period_name(period, language=lang)} for lang in languages}
    fine = known(gap["mean"])
    statements: list[Statement] = []
    if not fine.any():
        verdicts = set(gap["verdict"])
        key = next((v for v in ("withheld", "suppressed") if v in verdicts), "none")
        statements.append(Statement(f"gaps_managers.{key}", names))
    else:
        sides = [_direction(row) for _, row in gap.iterrows()]
        for side in ("over", "under"):
            chosen = [i for i, s in enumerate(sides) if s == side]
            if chosen:
                i = max(chosen, key=lambda k: abs(float(gap["mean"][k])))
                own = {lang: names[lang] | {"name": _name(keys[i], keys, labels, lang)} for lang in languages}
                low, high = float(gap["ci_low"][i]), float(gap["ci_high"][i])
                told = {
                    f"{side}_managers": Number(float(theirs["mean"][i]), "mean"),
                    f"{side}_customers": Number(float(customers["mean"][i]), "mean"),
                    f"{side}_span": Number(low, "mean", high=high, signed=True, drawn=False),
                }
                statements.append(Statement(f"gaps_managers.{side}", own, told))
                if len(chosen) > 1:
                    others = [keys[k] for k in chosen if k != i]
                    statements.append(_list(f"gaps_managers.{side}_too", others, keys, labels, names))
        for side in ("same", "open"):
            chosen = [i for i, s in enumerate(sides) if s == side]
            if chosen:
                statements.append(_list(f"gaps_managers.{side}", [keys[i] for i in chosen], keys, labels, names))

    def draw(language: str) -> Figure:
        values = [number(g, metric="mean", language=language, signed=True) for g in gap["mean"][fine]]
        shown = [_name(k, keys, labels, language) for k, f in zip(keys, fine, strict=True) if f]
        mine, others = (r[fine].reset_index(drop=True) for r in (theirs, customers))
        return dumbbell(mine, others, shown, values, language=language)

    def tabulate(language: str) -> Block:
        body = []
        for i, key in enumerate(keys):
            cells = [_cell(r.iloc[i], language) for r in (theirs, customers)]
            chance = probability(gap["prob_gt_ref"].iloc[i], language=language)
            gap_cell = _cell(gap.iloc[i], language, signed=True)
            body.append([_name(key, keys, labels, language), *cells, gap_cell, chance, count(theirs["n"].iloc[i])])
        heads = ["touchpoint", "managers", "customers", "difference", "over", "managers_n"]
        return _table(heads, body, language, "gaps_managers.caption", names[language], csv)

    return build(
        id, statements, languages, verdict="withheld" if statements[0].key.endswith("withheld") else "",
        note=lambda lang: _note(lang, theirs[fine], "gaps_managers.note") if fine.any() else "",
        caption=lambda lang: message(lang, "gaps_managers.legend"),
        draw=draw if fine.any() else None, tabulate=tabulate if keys else None,
    )  # fmt: skip


def events(
    estimates: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "events",
    csv: str = "",
) -> Finding:
    """Say which campaign, price change or competitor's move went with other expectations. Parameters: see `profile`."""
    rows = estimates[(estimates["estimand"] == "expectation_shift") & (estimates["metric"] == "mean")]
    first = {event: i for i, event in enumerate(dict.fromkeys(rows["event"]))}
    rows = rows.iloc[sorted(range(len(rows)), key=lambda i: first[rows["event"].iloc[i]])].reset_index(drop=True)
    gap = estimates[(estimates["estimand"] == "gap_shift") & (estimates["metric"] == "mean")]
    gaps = {(_key(r), str(r["event"])): r for _, r in gap.iterrows()}
    keys = list(dict.fromkeys(_key(r) for _, r in rows.iterrows()))
    names: dict[str, dict[str, str]] = {lang: {} for lang in languages}
    fine = known(rows["mean"])
    statements: list[Statement] = []
    if not fine.any():
        asked = (estimates["estimand"] == "expectation").any()
        verdicts = set(rows["verdict"])
        key = next((v for v in ("withheld", "suppressed") if v in verdicts), "none" if asked else "unasked")
        statements.append(Statement(f"gaps_events.{key}", names))
    else:
        sides = [_direction(r) for _, r in rows.iterrows()]
        clear = [i for i, s in enumerate(sides) if s in ("over", "under") and fine[i]]
        clear.sort(key=lambda i: -abs(float(rows["mean"][i])))
        for place, i in enumerate(clear[:_MOST]):
            statements.append(_event(rows.iloc[i], sides[i], place, keys, labels, languages))
        if not clear:
            statements.append(Statement("gaps_events.nothing", names))
        for side in ("same", "open"):
            found = list(dict.fromkeys(str(rows["event"][i]) for i, s in enumerate(sides) if s == side and fine[i]))
            clearly = {str(rows["event"][i]) for i in clear}
            found = [e for e in found if e not in clearly and not (side == "same" and _open(rows, sides, e))]
            if found:
                own = {lang: {"list": listed([_quoted(e, lang) for e in found], lang)} for lang in languages}
                statements.append(Statement(f"gaps_events.{side}", own))
        statements += _lost_ground(gap, keys, labels, languages)
    thin = list(dict.fromkeys(str(e) for e in rows.loc[rows["verdict"] == "suppressed", "event"]))
    if thin and fine.any():
        own = {lang: {"list": listed([_quoted(e, lang) for e in thin], lang)} for lang in languages}
        statements.append(Statement("gaps_events.thin", own))

    def say(language: str) -> str:
        many = message(language, "gaps_events.many", {"n": count(fine.sum())}) if fine.sum() > 1 else ""
        return small_print(language, [_note(language, rows[fine], "gaps_events.note", n=False), many])

    def named(row: pd.Series, language: str) -> str:
        both = {"event": plain(row["event"]), "name": _name(_key(row), keys, labels, language)}
        return message(language, "gaps_events.row", both)

    def draw(language: str) -> Figure:
        clearest = (rows["mean"] / rows["sd"]).abs().where(fine).sort_values(ascending=False).index[:_ROWS]
        shown = rows[fine & rows.index.isin(clearest)].assign(estimand="difference")
        return charts.intervals(
            shown, [named(r, language) for _, r in shown.iterrows()], language=language, reference=0.0
        )

    def tabulate(language: str) -> Block:
        body = []
        for _, row in rows.iterrows():
            beside = gaps.get((_key(row), str(row["event"])))
            cells = [named(row, language), _cell(row, language, signed=True)]
            cells += [probability(_toward(row), language=language)]
            cells += ["—" if beside is None else _cell(beside, language, signed=True), count(row["n"])]
            body.append(cells)
        heads = ["event", "shift", "direction", "gap_shift", "n_fewer"]
        return _table(heads, body, language, "gaps_events.caption", {}, csv)

    return build(
        id, statements, languages, verdict="withheld" if statements[0].key.endswith("withheld") else "",
        note=say if fine.any() else None,
        caption=lambda lang: message(lang, "gaps_events.legend"),
        draw=draw if fine.any() else None, tabulate=tabulate if len(rows) else None,
    )  # fmt: skip


def agreement(
    predictive: pd.DataFrame,
    *,
    labels: Labels,
    period: str,
    languages: Sequence[str] = LANGUAGES,
    id: str = "agreement",
) -> Finding:
    """Show whether the model foretells how far experience lies from expectation.

    Parameters
    ----------
    predictive : DataFrame
        From `cxlab.journey.estimates_gaps.predictive`.
    labels, period, languages, id
        As in `profile`.
    """
    outside = (predictive["observed"] < predictive["ci_low"]) | (predictive["observed"] > predictive["ci_high"])
    names = {lang: {"period": period_name(period, language=lang)} for lang in languages}
    if len(predictive):
        for lang in languages:
            names[lang]["name"] = labels.group("touchpoint", str(predictive["touchpoint"].iloc[0]), lang)
    fine = int(outside.sum()) <= max(1, round(0.3 * len(predictive)))  # one of ten lies outside by chance
    key = "none" if predictive.empty else "agrees" if fine else "differs"

    def draw(language: str) -> Figure:
        figure = charts.check(predictive, language=language)
        figure.axes[0].set_xlabel(message(language, "gaps_head.steps"))
        return figure

    def tabulate(language: str) -> Block:
        body = [
            [
                number(r["code"], metric="count", language=language, signed=True),
                number(r["observed"], metric="rate", language=language),
                tables.share_cell(r, language=language),
            ]
            for r in predictive.to_dict("records")
        ]
        return _table(["steps", "seen", "foretold"], body, language, "gaps_check.caption", names[language], "")

    shown = len(predictive) > 0
    return build(
        id, [Statement(f"gaps_check.{key}", names)], languages,
        note=lambda lang: note(lang, n=float(predictive["n"].iloc[0])) if shown else "",
        caption=lambda lang: message(lang, "gaps_check.legend"),
        draw=draw if shown else None, tabulate=tabulate if shown else None,
    )  # fmt: skip


_WORDS = {"worse": "misses", "better": "exceeds", "no_real_change": "meets", "cannot_tell": "cannot_tell"}
_Key = tuple[str, str]  # touchpoint and item


def _key(row: pd.Series) -> _Key:
    return str(row["touchpoint"]), str(row["item"])


def _rows(estimates: pd.DataFrame, estimand: str, *, period: str, metric: str = "mean") -> pd.DataFrame:
    rows = estimates[(estimates["estimand"] == estimand) & (estimates["period"] == period)]
    return rows[rows["metric"] == metric] if metric else rows


def _order(rows: pd.DataFrame, stages: Sequence[Stage]) -> list[_Key]:
    """The keys of rows in the order of the journey."""
    order = {t: i for i, t in enumerate(t for stage in stages for t in stage.touchpoints)}
    keys = list(dict.fromkeys(_key(r) for _, r in rows.iterrows()))
    return sorted(keys, key=lambda k: order.get(k[0], len(order)))


def _aligned(rows: pd.DataFrame, keys: Sequence[_Key]) -> pd.DataFrame:
    """One row a key; empty where there is none."""
    frame = rows.drop_duplicates(["touchpoint", "item"]).set_index(["touchpoint", "item"])
    index = pd.MultiIndex.from_tuples(list(keys), names=["touchpoint", "item"])
    return frame.reindex(index).reset_index() if len(keys) else rows.iloc[:0].reset_index(drop=True)


def _name(key: _Key, keys: Sequence[_Key], labels: Labels, language: str) -> str:
    """The touchpoint's name; with the question's where the touchpoint has several."""
    name = labels.group("touchpoint", key[0], language)
    if sum(k[0] == key[0] for k in keys) < 2:
        return name
    return message(language, "gaps_profile.item", {"touchpoint": name, "item": labels.item(key[1], language)})


def _headings(keys: Sequence[_Key], stages: Sequence[Stage], language: str) -> list[str]:
    named = {t: pick(_stage(s), language) for s in stages for t in s.touchpoints}
    return [named.get(touchpoint, "") for touchpoint, _ in keys]


def _stage(stage: Stage) -> str | Mapping[str, str]:
    label = stage.label if stage.label is not None else stage.id.replace("_", " ")
    return label if isinstance(label, str) else {str(k): str(v) for k, v in label.items()}


def _list(
    key: str, chosen: Sequence[_Key], keys: Sequence[_Key], labels: Labels, names: Mapping[str, Mapping[str, str]]
) -> Statement:
    own = {
        lang: dict(fields) | {"list": listed([_name(k, keys, labels, lang) for k in chosen], lang)}
        for lang, fields in names.items()
    }
    return Statement(key, own)


def _extreme(
    key: str,
    row: pd.Series,
    keys: Sequence[_Key],
    expected: pd.DataFrame,
    lived: pd.DataFrame,
    labels: Labels,
    names: Mapping[str, Mapping[str, str]],
) -> Statement:
    i = list(keys).index(_key(row))
    own = {lang: dict(fields) | {"name": _name(keys[i], keys, labels, lang)} for lang, fields in names.items()}
    told = {
        "expected": Number(float(expected["mean"].iloc[i]), "mean"),
        "value": Number(float(lived["mean"].iloc[i]), "mean"),
        "span": Number(float(row["ci_low"]), "mean", high=float(row["ci_high"]), signed=True, drawn=False),
    }
    return Statement(key, own, told)


def _targets(targets: pd.DataFrame, labels: Labels, languages: Sequence[str]) -> list[Statement]:
    keys = [_key(r) for _, r in targets.iterrows()]
    missed = [k for k, p in zip(keys, targets["mean"], strict=True) if is_number(p) and float(p) < 1 - _SURE]
    hit = [k for k, p in zip(keys, targets["mean"], strict=True) if is_number(p) and float(p) > _SURE]
    blank: dict[str, dict[str, str]] = {lang: {} for lang in languages}
    found = []
    for key, chosen in (("gaps_met.target_missed", missed), ("gaps_met.target_hit", hit)):
        if chosen:
            found.append(_list(key, chosen, keys, labels, blank))
    return found


def _direction(row: pd.Series) -> str:
    """Which way a difference points: over, under, same (within the practical limit) or open."""
    if row["verdict"] == "no_real_change":
        return "same"
    if not is_number(row["prob_gt_ref"]) or row["verdict"] == "cannot_tell":
        return "open"
    chance = float(row["prob_gt_ref"])
    return "over" if chance > _SURE else "under" if chance < 1 - _SURE else "open"


def _toward(row: pd.Series) -> float:
    if not (is_number(row["mean"]) and is_number(row["prob_gt_ref"])):
        return float("nan")
    return tables.direction(float(row["prob_gt_ref"]), float(row["mean"]))


def _open(rows: pd.DataFrame, sides: Sequence[str], event: str) -> bool:
    return any(s == "open" for s, e in zip(sides, rows["event"], strict=True) if e == event)


def _event(
    row: pd.Series, side: str, place: int, keys: Sequence[_Key], labels: Labels, languages: Sequence[str]
) -> Statement:
    own = {
        lang: {"event": _quoted(str(row["event"]), lang), "name": _name(_key(row), keys, labels, lang)}
        for lang in languages
    }
    told = {
        f"shift_{place}": Number(float(row["mean"]), "mean", signed=True),
        f"span_{place}": Number(float(row["ci_low"]), "mean", high=float(row["ci_high"]), signed=True),
        f"p_{place}": Number(_toward(row), "probability", drawn=False),
    }
    return Statement(f"gaps_events.{'raised' if side == 'over' else 'lowered'}_{place}", own, told)


def _lost_ground(gap: pd.DataFrame, keys: Sequence[_Key], labels: Labels, languages: Sequence[str]) -> list[Statement]:
    """The event with which the gap moved most clearly, if any did."""
    clear = gap[[_direction(r) in ("over", "under") for _, r in gap.iterrows()]]
    if clear.empty:
        return []
    row = clear.iloc[int((clear["mean"] / clear["sd"]).astype(float).abs().argmax())]
    own = {
        lang: {"event": _quoted(str(row["event"]), lang), "name": _name(_key(row), keys, labels, lang)}
        for lang in languages
    }
    told = {
        "ground": Number(float(row["mean"]), "mean", signed=True, drawn=False),
        "ground_span": Number(float(row["ci_low"]), "mean", high=float(row["ci_high"]), signed=True, drawn=False),
    }
    return [Statement(f"gaps_events.{'gained' if row['mean'] > 0 else 'lost'}", own, told)]


def _quoted(name: str, language: str) -> str:
    return message(language, "gaps_events.quoted", {"event": plain(name)})


def _cell(row: pd.Series, language: str, *, signed: bool = False, metric: str = "mean") -> str:
    """One estimate with its interval, or why there is none."""
    if not is_number(row["mean"]):
        return _state(row, language)
    mid, low, high = (float(row[c]) for c in ("mean", "ci_low", "ci_high"))
    return estimate(mid, low, high, metric=metric, language=language, signed=signed)


def _state(row: pd.Series, language: str) -> str:
    verdict = str(row["verdict"])
    return message(language, f"verdict.{verdict}") if verdict in ("withheld", "suppressed") else "—"


def _side(row: pd.Series, language: str) -> str:
    return number(row["mean"], metric="mean", language=language) if is_number(row["mean"]) else _state(row, language)


def _note(language: str, rows: pd.DataFrame, key: str, *, n: bool = True) -> str:
    total = float(pd.to_numeric(rows["n"], errors="coerce").sum()) if n and len(rows) else float("nan")
    prob = pd.to_numeric(rows["ci_prob"], errors="coerce").dropna()
    text = note(language, n=total, ci_prob=float(prob.iloc[0]) if len(prob) else float("nan"))
    return small_print(language, [text, message(language, key)])


def _table(
    heads: Sequence[str],
    body: list[list[str]],
    language: str,
    caption: str,
    fields: Mapping[str, str],
    csv: str,
) -> Block:
    columns = [(message(language, f"gaps_head.{head}"), "right" if i else "left") for i, head in enumerate(heads)]
    return table(columns, body, caption=message(language, caption, dict(fields)), open=False, csv=csv)
