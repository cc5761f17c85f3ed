"""Findings on drivers: what goes with satisfaction, pains and wows, what to work on, what if, and who is heard in it.

All take the tables that `run.write` returned, so what was suppressed or withheld there is neither drawn nor told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxlab import tables
from cxlab.blocks import Block, table
from cxlab.catalogue import catalogue, message
from cxlab.figures import drivers as figures
from cxlab.figures import intervals
from cxlab.narrative.finding import Finding, Number, Statement, build, listed, note, small_print, tally
from cxlab.vocab import LANGUAGES
from cxlab.wording import Labels, count, estimate, is_number, known, number, probability, subject

_LITTLE = 0.03  # upper end of R2 below which nothing is ranked
_CLEAR = 1.645  # difference of two groups in its sds from which it is told
_SURE = 0.9  # probability from which an attribute is named
_PROBABLE = 0.8  # ... as one to work on
_KINDS = ("must_be", "delighter", "linear", "indifferent")


@dataclass(frozen=True)
class About:
    """What the findings of one outcome share.

    Attributes
    ----------
    labels : Labels
    outcome : str
        Id of the outcome.
    metric : str
        Metric of its effects.
    n : float
        Respondents with an outcome.
    weighting : str
    languages : sequence of str
        Primary language first.
    """

    labels: Labels
    outcome: str
    metric: str
    n: float
    weighting: str = "none"
    languages: Sequence[str] = LANGUAGES

    def outcome_name(self, language: str) -> str:
        """Return the name of the outcome: that of the question or of the behaviour."""
        return outcome_name(self.outcome, labels=self.labels, language=language)

    def subject(self, language: str) -> str:
        """Return what effects are about: "the net promoter score"."""
        if f"metric.{self.metric}.subject" in catalogue(language):
            return subject(self.metric, self.outcome, labels=self.labels, language=language)
        return message(language, f"driver_metric.{self.metric}")

    def name(self, attribute: str, language: str) -> str:
        """Return the name of an attribute."""
        return self.labels.item(attribute, language)

    def names(self, attributes: Sequence[str], language: str) -> str:
        """Return the names of attributes as one text."""
        return listed([self.name(a, language) for a in attributes], language)

    def note(self, language: str, *more: str) -> str:
        """Return the small print: answers, interval, weighting and `more`."""
        return small_print(language, [note(language, n=self.n, ci_prob=0.9, weighting=self.weighting), *more])


def outcome_name(outcome: str, *, labels: Labels, language: str) -> str:
    """Return the name of an outcome: a question's, or the word for a behaviour."""
    key = f"driver_outcome.{outcome}"
    return (
        message(language, key)
        if key in catalogue(language) and outcome not in labels.items
        else labels.item(outcome, language)
    )


def importance(
    estimates: pd.DataFrame,
    explained: np.ndarray,
    *,
    about: About,
    mc_error: float = 0.0,
    id: str = "importance",
    csv: str = "",
) -> Finding:
    """Say which attributes account for most of the differences in an outcome.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    explained : array (draw,)
        R2 of all attributes together.
    about : About
    mc_error : float
        Largest error of sampled orders of entry; 0 where all subsets were visited.
    id, csv : str
        Name of the finding on its page; of the site's CSV file with these rows.
    """
    rows = _sorted(estimates, about, "importance_share")
    state = _state(rows)
    named = {lang: {"outcome": about.outcome_name(lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_share.{state}", named)], about.languages, verdict=state)
    weights, top = (_values(estimates, about, e) for e in ("johnson_share", "p_top3"))
    low, high = (float(np.quantile(explained, q)) for q in (0.05, 0.95))
    whole = {
        "r2": Number(float(explained.mean()), "share", drawn=False),
        "r2_span": Number(low, "share", high=high, drawn=False),
    }
    statements: list[Statement]
    if high < _LITTLE:
        statements = [Statement("driver_share.little", named, whole)]
    else:
        first = rows[known(rows["mean"])].iloc[0]
        sure = [str(a) for a in rows["attribute"] if top.get(a, 0) >= _SURE]
        for lang in about.languages:
            named[lang] |= {"best": about.name(str(first["attribute"]), lang), "list": about.names(sure, lang)}
        statements = [
            Statement("driver_share.lead", named, _estimate(first)),
            Statement("driver_share.all", named, whole | {"n": tally(len(rows))}),
        ]
        if len(rows) > 3:
            statements.append(Statement("driver_share.top" if sure else "driver_share.top_open", named))

    def draw(language: str) -> Figure:
        return intervals(rows, [about.name(str(a), language) for a in rows["attribute"]], language=language)

    def tabulate(language: str) -> Block:
        heads = ["attribute", "lmg", "johnson", "top"]
        body = [
            [
                about.name(str(r["attribute"]), language),
                tables.estimate_cell(r, language=language),
                number(weights.get(r["attribute"], np.nan), metric="share", language=language),
                probability(top.get(r["attribute"], np.nan), language=language),
                count(r["n"]),
            ]
            for _, r in rows.iterrows()
        ]
        together = estimate(float(explained.mean()), low, high, metric="share", language=language)
        body.append([message(language, "driver_table.all"), together, "", "", count(about.n)])
        return _table(heads, body, language, message(language, "driver_share.caption", named[language]), csv)

    def say(language: str) -> str:
        error = number(mc_error, metric="rate", language=language)
        sampled = message(language, "driver_share.sampled", {"error": error}) if mc_error > 0 else ""
        return about.note(
            language, message(language, "driver_share.note"), sampled, message(language, "note.association")
        )

    return build(id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=_bars)


def pains(estimates: pd.DataFrame, *, about: About, id: str = "pains", csv: str = "") -> Finding:
    """Say which attributes are pains and which are wows; parameters are those of `importance`."""
    rows = _sorted(estimates, about, "importance_share")
    costs, gains = (_known(estimates, about, e).set_index("attribute") for e in ("penalty", "reward"))
    state = _state(rows)
    if state or not len(costs):
        return build(id, [Statement(f"driver_pain.{state or 'suppressed'}")], about.languages, verdict=state)
    likely = {k: _values(estimates, about, f"p_{k}") for k in _KINDS}
    kinds = {a: next((k for k in _KINDS if likely[k][a] >= _SURE), "") for a in likely["linear"]}
    rows = rows[rows["attribute"].isin(costs.index) & known(rows["mean"])].reset_index(drop=True)
    size = costs["mean"].abs() + gains["mean"].abs()
    rows = rows.assign(size=rows["attribute"].map(size)).sort_values("size", ascending=False, kind="stable")
    order = [str(a) for a in rows["attribute"]]
    drawn = pd.DataFrame(
        {
            "penalty": -costs["mean"],  # drawn and told as what the worst answer costs
            "penalty_low": -costs["ci_high"],
            "penalty_high": -costs["ci_low"],
            "reward": gains["mean"],
            "reward_low": gains["ci_low"],
            "reward_high": gains["ci_high"],
        }
    ).reindex(order)
    groups = {k: [a for a in order if kinds.get(a) == k] for k in (*_KINDS, "")}
    named = {
        lang: {"subject": about.subject(lang)} | {k: about.names(found, lang) for k, found in groups.items() if k}
        for lang in about.languages
    }
    statements = _pain_lead(groups, drawn, named, about)
    for kind, found in groups.items():
        if found:
            key = f"driver_pain.{kind or 'open'}"
            statements.append(Statement(key, {lang: {"list": about.names(found, lang)} for lang in about.languages}))

    def word(attribute: str, language: str) -> str:
        return message(language, f"driver_kind.{kinds.get(attribute) or 'open'}")

    def draw(language: str) -> Figure:
        return figures.dumbbell(
            drawn,
            [about.name(a, language) for a in order],
            [word(a, language) for a in order],
            metric=_format(about.metric),
            language=language,
        )

    def tabulate(language: str) -> Block:
        heads = ["attribute", "penalty", "reward", "kind"]
        body, mids = [], drawn.to_dict()
        for a in order:
            cells = [
                estimate(
                    *(float(mids[c][a]) for c in (s, f"{s}_low", f"{s}_high")),
                    metric=_format(about.metric),
                    language=language,
                    signed=True,
                )
                for s in ("penalty", "reward")
            ]
            chances = [probability(likely[k][a], language=language) for k in _KINDS]
            body.append([about.name(a, language), *cells, word(a, language), *chances])
        more = [f"P ({message(language, f'driver_kind.{k}')})" for k in _KINDS]
        caption = message(language, "driver_pain.caption", {"subject": about.subject(language)})
        return _table(heads, body, language, caption, csv, more=more)

    def say(language: str) -> str:
        return about.note(language, message(language, "driver_pain.rule"), message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_pain.note"),
    )  # fmt: skip


def priorities(
    estimates: pd.DataFrame,
    clouds: Mapping[str, np.ndarray],
    *,
    about: About,
    stated: Mapping[str, float] | None = None,
    id: str = "priorities",
    csv: str = "",
) -> Finding:
    """Say what matters more than the average and is rated lower; with `stated`, what customers say matters.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    clouds : mapping of attribute -> array (draw, 2)
        Performance and importance share, draw by draw.
    about : About
    stated : mapping of attribute -> float, optional
        Mean of how important customers call an attribute.
    id, csv
        As in `importance`.
    """
    rows = _sorted(estimates, about, "importance_share")
    done = _known(estimates, about, "performance")
    state = _state(rows)
    shown = [
        str(a)
        for a, m in zip(rows["attribute"], rows["mean"], strict=True)
        if is_number(m) and a in clouds and a in set(done["attribute"])
    ]
    if state or len(shown) < 2:
        state = state or "suppressed"
        return build(id, [Statement(f"driver_map.{state}")], about.languages, verdict=state)
    chances = {str(k): v.to_dict() for k, v in quadrants({a: clouds[a] for a in shown}).items()}
    first = [a for a in shown if chances["first"][a] >= _PROBABLE]
    keep = [a for a in shown if chances["keep"][a] >= _PROBABLE]
    nearest = max(shown, key=lambda a: chances["first"][a])
    named = {
        lang: {"best": about.name(nearest, lang), "list": about.names(first, lang), "keep": about.names(keep, lang)}
        for lang in about.languages
    }
    chance = {"p": Number(chances["first"][nearest], "probability", drawn=False)}
    statements = [Statement("driver_map.first", named) if first else Statement("driver_map.first_open", named, chance)]
    if keep:
        statements.append(
            Statement("driver_map.keep", {lang: {"list": named[lang]["keep"]} for lang in about.languages})
        )
    said = {a: float(v) for a, v in (stated or {}).items() if a in shown and is_number(v)}
    if len(said) > 1:
        loudest, strongest = max(said, key=lambda a: said[a]), next(a for a in shown if a in said)
        both = {
            lang: {"said": about.name(loudest, lang), "derived": about.name(strongest, lang)}
            for lang in about.languages
        }
        statements.append(Statement("driver_map.stated_same" if loudest == strongest else "driver_map.stated", both))
    place = {a: str(1 + sorted(said, key=lambda x: -said[x]).index(a)) for a in said}

    def draw(language: str) -> Figure:
        corners = [message(language, f"driver_map.corner_{c}") for c in ("first", "keep", "later", "fine")]
        titles = (message(language, "driver_map.performance"), message(language, "driver_map.importance"))
        labelled = {about.name(a, language): clouds[a] for a in shown}
        marked = [about.name(a, language) for a in first]
        return figures.clouds(labelled, corners=corners, marked=marked, titles=titles, language=language)

    def tabulate(language: str) -> Block:
        heads = ["attribute", "performance", "importance", "first", "keep", *(["stated", "derived"] if place else [])]
        body = []
        for k, a in enumerate(shown):
            row = [
                about.name(a, language),
                tables.estimate_cell(done[done["attribute"] == a].iloc[0], language=language),
                tables.estimate_cell(rows[rows["attribute"] == a].iloc[0], language=language),
                *(probability(chances[c][a], language=language) for c in ("first", "keep")),
            ]
            body.append(row + ([place.get(a, "—"), str(k + 1)] if place else []))
        return _table(heads, body, language, message(language, "driver_map.caption"), csv)

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_map.note"),
    )  # fmt: skip


def quadrants(clouds: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return P(quadrant) of each attribute against the averages of all, draw by draw.

    Returns
    -------
    DataFrame
        Columns ``first`` (matters more, rated lower), ``keep`` (more, higher), ``later`` (less, lower), ``fine``; they
        add up to one.
    """
    values = np.stack(list(clouds.values()))
    good, strong = values[..., 0], values[..., 1]
    above, more = good >= good.mean(axis=0), strong >= strong.mean(axis=0)
    found = {"first": more & ~above, "keep": more & above, "later": ~more & ~above, "fine": ~more & above}
    return pd.DataFrame({k: v.mean(axis=1) for k, v in found.items()}, index=list(clouds))


def what_if(outlook: pd.DataFrame, *, about: About, practical: float, id: str = "what-if", csv: str = "") -> Finding:
    """Say what would go with better ratings.

    Parameters
    ----------
    outlook : DataFrame
        ``whatif_estimates``: a row a scenario and metric.
    about : About
    practical : float
        Smallest change of the metric worth acting on.
    id, csv
        As in `importance`.
    """
    own = outlook[outlook["item"] == about.outcome]
    lead = own[own["metric"] == about.metric].reset_index(drop=True)
    state = _state(lead)
    if state:
        return build(id, [Statement(f"driver_whatif.{state}")], about.languages, verdict=state)
    lifts = lead[lead["scenario"].str.startswith("lift:") & known(lead["mean"])]
    best = lifts.iloc[int(lifts["mean"].abs().to_numpy(float).argmax())]
    together = lead[lead["scenario"] == "together"]
    named = {
        lang: {"subject": about.subject(lang), "best": about.name(_attribute(best), lang)} for lang in about.languages
    }
    metric = _format(about.metric)
    statements = []
    if abs(float(best["mean"])) < practical:
        statements.append(Statement("driver_whatif.none", named))
    ends = {"value": Number(float(best["mean"]), metric, signed=True)}
    ends["span"] = Number(float(best["ci_low"]), metric, high=float(best["ci_high"]), signed=True)
    statements.append(Statement("driver_whatif.lead", named, ends))
    if len(together) and is_number(together["mean"].iloc[0]):
        both = together.iloc[0]
        numbers = {"together_value": Number(float(both["mean"]), metric, signed=True)}
        numbers["together_span"] = Number(float(both["ci_low"]), metric, high=float(both["ci_high"]), signed=True)
        statements.append(Statement("driver_whatif.together", named, numbers))

    def scenario(row: pd.Series, language: str) -> str:
        kind, _, what = str(row["scenario"]).partition(":")
        if kind == "together":
            return message(language, "driver_whatif.together_name")
        groups = about.labels.groups.get("touchpoint", {})
        name = (
            about.labels.group("touchpoint", what, language)
            if what in groups and kind == "target"
            else about.name(what, language)
        )
        return message(language, f"driver_whatif.{kind}", {"name": name})

    def draw(language: str) -> Figure:
        named = [
            about.name(_attribute(r), language) if str(r["scenario"]).startswith("lift:") else scenario(r, language)
            for _, r in lead.iterrows()
        ]
        return intervals(lead.assign(metric=metric), named, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        metrics = [str(m) for m in own["metric"].unique()]
        body = []
        for _, row in lead.iterrows():
            cells = [scenario(row, language), number(row["moved"], metric="share", language=language)]
            for m in metrics:
                found = own[(own["scenario"] == row["scenario"]) & (own["metric"] == m)].iloc[0]
                cells.append(tables.estimate_cell(_as(found, m), language=language))
            body.append(cells)
        return _table(["scenario", "moved", *metrics], body, language, message(language, "driver_whatif.caption"), csv)

    def say(language: str) -> str:
        return about.note(language, message(language, "driver_whatif.note"))

    return build(id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=_bars)


def halo(plain: pd.DataFrame, bare: pd.DataFrame, *, about: About, id: str = "halo") -> Finding:
    """Say how the order changes when the respondents' general mood is taken out.

    Parameters
    ----------
    plain, bare : DataFrame
        ``importance_share`` rows with and without the mood, of the same attributes in the same order.
    about : About
    id : str
        Name of the finding on its page.
    """
    rows = plain.sort_values("mean", ascending=False, kind="stable")
    other = bare.set_index("attribute").reindex(rows["attribute"]).reset_index()
    rows = rows.reset_index(drop=True)
    state = _state(rows)
    named = {lang: {"outcome": about.outcome_name(lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_share.{state}", named)], about.languages, verdict=state)
    first, best = str(rows["attribute"].iloc[0]), _strongest(other)
    for lang in about.languages:
        named[lang] |= {"best": about.name(first, lang), "other": about.name(best, lang)}
    numbers = {
        "plain": Number(float(rows["mean"].iloc[0]), "share"),
        "bare": Number(float(other["mean"].iloc[0]), "share"),
    }
    key = "driver_halo.same" if first == best else "driver_halo.changed"
    statements = [Statement(key, named, numbers), Statement("driver_halo.why")]
    return _paired(id, statements, rows, other, about, "driver_halo")


def outcomes(
    estimates: pd.DataFrame,
    explained: Mapping[str, np.ndarray],
    *,
    about: About,
    second: str,
    id: str = "outcomes",
    inside: Sequence[Finding] = (),
) -> Finding:
    """Say whether the same attributes go with what customers say and with what they do.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates`` of both outcomes.
    explained : mapping of outcome -> array (draw,)
        R2 of all attributes together.
    about : About
        Of the first outcome.
    second : str
        Id of the second one.
    id : str
        Name of the finding on its page.
    inside : sequence of Finding
        Told within this one.
    """
    rows = _sorted(estimates, about, "importance_share")
    both = (estimates["item"] == second) & (estimates["estimand"] == "importance_share")
    other = (
        estimates[both & (estimates["level"] == "total")]
        .set_index("attribute")
        .reindex(rows["attribute"])
        .reset_index()
    )
    named = {
        lang: {"first": about.outcome_name(lang), "second": outcome_name(second, labels=about.labels, language=lang)}
        for lang in about.languages
    }
    state = _state(rows) or _state(other)
    if state:
        blank = {lang: {"outcome": named[lang]["second"]} for lang in about.languages}
        return build(id, [Statement(f"driver_share.{state}", blank)], about.languages, verdict=state, inside=inside)
    first, best = str(rows["attribute"].iloc[0]), _strongest(other)
    for lang in about.languages:
        named[lang] |= {"best": about.name(first, lang), "other": about.name(best, lang)}
    low, high = (float(np.quantile(explained[second], q)) for q in (0.05, 0.95))
    whole = {
        "r2": Number(float(explained[second].mean()), "rate", drawn=False, tabled=False),
        "r2_span": Number(low, "rate", high=high, drawn=False, tabled=False),
    }
    if high < _LITTLE:
        statements = [Statement("driver_outcomes.open", named, whole)]
    else:
        statements = [Statement("driver_outcomes.same" if first == best else "driver_outcomes.differ", named)]
    return _paired(
        id, statements, rows, other, about, "driver_outcomes", heads=("first", "second"), named=named, inside=inside
    )


def others(
    estimates: pd.DataFrame, explained: Mapping[str, np.ndarray], *, about: About, id: str = "outcomes"
) -> Finding:
    """Set every other outcome beside the first, what customers do before what else they say; see `outcomes`."""
    names = [name for name in explained if name != about.outcome]
    if not names:
        return build(id, [Statement("driver_outcomes.only")], about.languages)
    *rest, last = (name for name in names)
    inside = [outcomes(estimates, explained, about=about, second=name, id=f"{id}-{name}") for name in rest]
    return outcomes(estimates, explained, about=about, second=last, id=id, inside=inside)


def groups(estimates: pd.DataFrame, *, by: str, about: About, id: str = "groups", csv: str = "") -> Finding:
    """Say which attribute matters more to one group than to another.

    Parameters
    ----------
    estimates : DataFrame
        ``driver_estimates``.
    by : str
        Level whose groups are compared; empty if effects are the same for all.
    about : About
    id, csv
        As in `importance`.
    """
    rows = estimates[
        (estimates["item"] == about.outcome) & (estimates["estimand"] == "effect") & (estimates["level"] == by)
    ]
    if not by or by == "total" or rows.empty:
        return build(id, [Statement("driver_groups.alike")], about.languages)
    state = _state(rows)
    level = {lang: {"level": about.labels.level(by, lang)} for lang in about.languages}
    if state:
        return build(id, [Statement(f"driver_groups.{state}", level)], about.languages, verdict=state)
    seen = rows[known(rows["mean"])]
    order = list(
        seen.groupby("attribute", sort=False)["mean"]
        .agg(lambda m: m.max() - m.min())
        .sort_values(ascending=False)
        .index
    )
    gaps = {}
    for attribute, own in seen.groupby("attribute", sort=False):
        high, low = own.iloc[int(own["mean"].argmax())], own.iloc[int(own["mean"].argmin())]
        gaps[attribute] = float((high["mean"] - low["mean"]) / max(float(np.hypot(high["sd"], low["sd"])), 1e-12))
    best = max(gaps, key=lambda a: gaps[a])
    shown = seen[seen["attribute"] == best].sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)
    top, bottom = shown.iloc[0], shown.iloc[-1]
    metric = _format(about.metric)
    for lang in about.languages:
        level[lang] |= {"best": about.name(str(best), lang)}
        level[lang] |= {
            "top": about.labels.group(by, str(top["group"]), lang),
            "bottom": about.labels.group(by, str(bottom["group"]), lang),
        }
    numbers = {
        "high": Number(float(top["mean"]), metric, signed=True),
        "low": Number(float(bottom["mean"]), metric, signed=True),
    }
    clear = gaps[best] > _CLEAR and len(shown) > 1
    statements = [Statement("driver_groups.some", level, numbers) if clear else Statement("driver_groups.none", level)]

    def draw(language: str) -> Figure:
        names = [about.labels.group(by, str(g), language) for g in shown["group"]]
        return intervals(shown.assign(metric=metric, estimand="change"), names, language=language, reference=0.0)

    def tabulate(language: str) -> Block:
        names = list(dict.fromkeys(rows["group"]))
        body = []
        for attribute in order:
            own = rows[rows["attribute"] == attribute].set_index("group").reindex(names).reset_index()
            cells = [
                tables.estimate_cell(_as(r, about.metric, signed=True), language=language) for _, r in own.iterrows()
            ]
            body.append([about.name(str(attribute), language), *cells])
        more = [about.labels.group(by, str(g), language) for g in names]
        return _table(
            ["attribute"], body, language, message(language, "driver_groups.caption", level[language]), csv, more=more
        )

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate,
        caption=lambda lang: message(lang, "driver_groups.figure", {"best": level[lang]["best"]}),
    )  # fmt: skip


def heard(counts: pd.DataFrame, *, about: About, id: str = "heard", csv: str = "") -> Finding:
    """Say who rated what, who did not use it and who left it blank.

    Parameters
    ----------
    counts : DataFrame
        ``attribute``, ``rated``, ``not_used``, ``blank``: numbers of respondents.
    about : About
    id, csv
        As in `importance`.
    """
    total = counts[["rated", "not_used", "blank"]].sum(axis=1)
    share = (counts["rated"] / total).to_numpy(float)
    least = int(share.argmin())
    named = {lang: {"least": about.name(str(counts["attribute"].iloc[least]), lang)} for lang in about.languages}
    numbers = {"share": Number(float(share[least]), "share", drawn=False), "n": tally(float(total.max()))}
    statements = [
        Statement("driver_heard.least" if share[least] < 0.5 else "driver_heard.all", named, numbers),
        Statement("driver_heard.how"),
    ]
    order = counts.assign(share=share).sort_values("share", kind="stable")

    def draw(language: str) -> Figure:
        from cxlab.figures import parts

        columns = ("rated", "not_used", "blank")
        legend = [message(language, f"driver_table.{c}") for c in columns]
        named = [about.name(str(a), language) for a in order["attribute"]]
        return parts(order.reset_index(drop=True), named, columns=columns, legend=legend, language=language)

    def tabulate(language: str) -> Block:
        heads = [message(language, f"driver_table.{k}") for k in ("attribute", "rated", "not_used", "blank")]
        body = [
            [
                about.name(str(r["attribute"]), language),
                *(count(r[c]) for c in ("rated", "not_used", "blank")),
                number(r["share"], metric="share", language=language),
            ]
            for r in order.to_dict("records")
        ]
        columns = [(h, "left" if k == 0 else "right") for k, h in enumerate([*heads, message(language, "table.share")])]
        return table(columns, body, caption=message(language, "driver_heard.caption"), open=False, csv=csv)

    return build(id, statements, about.languages, draw=draw, tabulate=tabulate)


def _paired(
    id: str,
    statements: Sequence[Statement],
    first: pd.DataFrame,
    second: pd.DataFrame,
    about: About,
    section: str,
    *,
    heads: tuple[str, str] = ("plain", "bare"),
    named: Mapping[str, Mapping[str, str]] | None = None,
    inside: Sequence[Finding] = (),
) -> Finding:
    def title(key: str, language: str) -> str:
        return named[language][key] if named else message(language, f"driver_halo.{key}")

    def draw(language: str) -> Figure:
        names = [about.name(str(a), language) for a in first["attribute"]]
        legend = (title(heads[0], language), title(heads[1], language))
        return figures.pairs(first, second, names, legend, language=language)

    def tabulate(language: str) -> Block:
        columns = [message(language, "driver_table.attribute"), *(title(h, language) for h in heads)]
        body = [
            [about.name(str(a["attribute"]), language), *(tables.estimate_cell(r, language=language) for r in (a, b))]
            for (_, a), (_, b) in zip(first.iterrows(), second.iterrows(), strict=True)
        ]
        aligned = [(c, "left" if k == 0 else "right") for k, c in enumerate(columns)]
        return table(aligned, body, caption=message(language, f"{section}.caption"), open=False)

    def say(language: str) -> str:
        return about.note(language, message(language, "note.association"))

    return build(
        id, statements, about.languages, note=say, draw=draw, tabulate=tabulate, caption=_bars, inside=inside
    )  # fmt: skip


def _pain_lead(
    groups: Mapping[str, list[str]], drawn: pd.DataFrame, named: Mapping[str, Mapping[str, str]], about: About
) -> list[Statement]:
    metric = _format(about.metric)
    kind = next((k for k in ("must_be", "delighter") if groups[k]), "")
    if not kind:
        return [Statement("driver_pain.none")]
    best = groups[kind][0]
    side = "penalty" if kind == "must_be" else "reward"
    row = drawn[drawn.index == best].iloc[0]
    numbers = {s: Number(float(row[s]), metric, signed=True) for s in ("penalty", "reward")}
    numbers["span"] = Number(float(row[f"{side}_low"]), metric, high=float(row[f"{side}_high"]), signed=True)
    fields = {lang: {"subject": named[lang]["subject"], "best": about.name(best, lang)} for lang in about.languages}
    return [Statement(f"driver_pain.lead_{kind}", fields, numbers)]


def _sorted(estimates: pd.DataFrame, about: About, estimand: str) -> pd.DataFrame:
    rows = estimates[(estimates["item"] == about.outcome) & (estimates["estimand"] == estimand)]
    rows = rows[rows["level"] == "total"]
    return rows.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def _known(estimates: pd.DataFrame, about: About, estimand: str) -> pd.DataFrame:
    rows = _sorted(estimates, about, estimand)
    return rows[known(rows["mean"])]


def _values(estimates: pd.DataFrame, about: About, estimand: str) -> dict[str, float]:
    rows = _known(estimates, about, estimand)
    return dict(zip(rows["attribute"].astype(str), rows["mean"].astype(float), strict=True))


def _state(rows: pd.DataFrame) -> str:
    """Return why there is nothing to say: ``withheld`` or ``suppressed``; empty if there are numbers."""
    if known(rows["mean"]).any():
        return ""
    return "withheld" if (rows["verdict"] == "withheld").any() else "suppressed"


def _strongest(rows: pd.DataFrame) -> str:
    return str(rows["attribute"].iloc[int(np.nanargmax(rows["mean"].to_numpy(float)))])


def _estimate(row: pd.Series) -> dict[str, Number]:
    metric = str(row["metric"])
    return {
        "value": Number(float(row["mean"]), metric),
        "span": Number(float(row["ci_low"]), metric, high=float(row["ci_high"])),
    }


def _attribute(row: pd.Series) -> str:
    return str(row["scenario"]).partition(":")[2]


def _as(row: pd.Series, metric: str, *, signed: bool = False) -> pd.Series:
    found = row.copy()
    found["metric"] = _format(metric)
    if signed:
        found["estimand"] = "change"
    return found


def _format(metric: str) -> str:
    """Return how numbers of a metric are written: what `cxlab.wording` does not know is a share."""
    return metric if metric in ("nps", "csat", "mean") else "share"


def _bars(language: str) -> str:
    return message(language, "figure.interval")


def _table(
    heads: Sequence[str],
    body: Sequence[Sequence[str]],
    language: str,
    caption: str,
    csv: str,
    *,
    more: Sequence[str] = (),
) -> Block:
    titles = [message(language, f"driver_table.{h}") for h in heads] + list(more)
    if body and len(body[0]) > len(titles):
        titles.append(message(language, "table.n"))
    columns = [
        (h, "left" if k == 0 or h == message(language, "driver_table.kind") else "right") for k, h in enumerate(titles)
    ]
    return table(columns, body, caption=caption, open=False, csv=csv)
