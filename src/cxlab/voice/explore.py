"""The widget of the voice workbench: what is said of a topic, and what would go with fewer mentions of it.

It reads the tables and draws of a finished run, samples nothing and answers at once.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import ipywidgets as widgets
import numpy as np
import pandas as pd
import xarray as xr

from cxlab.report import blocks
from cxlab.report.blocks import SCOPE
from cxlab.report.format import count, known, number, period_name, span
from cxlab.report.messages import message
from cxlab.report.style import css
from cxlab.report.tidy import About
from cxlab.voice.findings_said import quote
from cxlab.voice.names import LEVEL, Spoken, topic

_ENDS: Final = (0.05, 0.95)
_QUOTES: Final = 3
_ALL: Final = ""


class Topics(widgets.VBox):
    """A widget over what customers say.

    Parameters
    ----------
    said : DataFrame
        A row a clause: ``topic``, ``text`` (masked), ``language``, ``period``, ``touchpoint``, ``probability``,
        ``sentiment``; see `cxlab.voice.topic_space.said`.
    draws : Dataset
        ``posterior/voice`` of a finished run: ``effect`` and ``share`` (chain, draw, topic).
    about : About
        Names and the score.
    keywords : mapping of topic -> str, optional
        Typical words of each topic, joined by " · ": the topic file tells a topic by one of them.
    language : str
        Language of the words.

    Attributes
    ----------
    topic, touchpoint, period, spoken : Dropdown
    cut : FloatSlider
        Part of the mentions that would not be made.
    rules : Textarea
        Lines for the topic file about the topic shown.
    view : HTML
    answer : array (draw,)
        Change of the mean score shown now; empty where it cannot be told.
    """

    def __init__(
        self,
        said: pd.DataFrame,
        draws: xr.Dataset,
        *,
        about: About,
        keywords: Mapping[str, str] | None = None,
        language: str = "en",
    ) -> None:
        self._said, self._draws, self._about, self._language = said, draws, about, language
        self._write = about.writer(language)
        self._keywords = dict(keywords or {})
        self.answer = np.empty(0)
        say = {k: message(language, f"topic_explore.{k}") for k in ("topic", "touchpoint", "period", "language", "cut")}
        order = said["topic"].value_counts().index.astype(str).tolist()
        self.topic = widgets.Dropdown(description=say["topic"], options=[(self._write(topic(t)), t) for t in order])
        self.touchpoint = self._dropdown("touchpoint", lambda v: about.labels.group("touchpoint", v, language))
        self.period = self._dropdown("period", lambda v: period_name(v, language=language), last_first=True)
        self.spoken = self._dropdown("language", lambda v: self._write(Spoken(v)))
        self.cut = widgets.FloatSlider(
            description=say["cut"], value=0.5, min=0.0, max=1.0, step=0.05, readout_format=".0%"
        )
        self.rules = widgets.Textarea(layout=widgets.Layout(width="100%", height="9em"))
        self.view = widgets.HTML()
        controls = widgets.HBox([self.topic, self.touchpoint, self.period, self.spoken, self.cut])
        lines = widgets.Label(message(language, "topic_explore.rules"))
        super().__init__([controls, self.view, lines, self.rules])
        for control in (self.topic, self.touchpoint, self.period, self.spoken, self.cut):
            control.observe(self._changed, names="value")
        self._changed(None)

    def _dropdown(self, column: str, name: Callable[[str], str], *, last_first: bool = False) -> widgets.Dropdown:
        values = sorted({str(v) for v in self._said[column].dropna()}, reverse=last_first)
        every = message(self._language, "topic_explore.every")
        options = [(every, _ALL), *((name(v), v) for v in values)]
        return widgets.Dropdown(description=message(self._language, f"topic_explore.{column}"), options=options)

    def chosen(self) -> pd.DataFrame:
        """Return the clauses that fit the choice, the most typical first."""
        rows = self._said[self._said["topic"] == self.topic.value]
        for column, control in (("touchpoint", self.touchpoint), ("period", self.period), ("language", self.spoken)):
            if control.value:
                rows = rows[rows[column] == control.value]
        return rows.sort_values("probability", ascending=False, kind="stable")

    def _changed(self, _: object) -> None:
        language = self._language
        self.answer = np.empty(0)
        if self.topic.value is None:
            self._show([blocks.note(message(language, "topic_explore.idle"))])
            self.rules.value = ""
            return
        self.rules.value = lines_for(str(self.topic.value), self._about, self._told())
        self._show([*self._outlook(), *self._quotes()])

    def _told(self) -> dict[str, str]:
        """Return the word by which the topic file tells each topic: its first one, its id where it has none."""
        every = [str(v) for _, v in self.topic.options]
        return {name: self._keywords.get(name, "").split(" · ")[0] or name for name in every}

    def _outlook(self) -> list[blocks.Block]:
        language, name = self._language, str(self.topic.value)
        if "effect" not in self._draws or name not in self._draws["topic"].to_numpy():
            return [blocks.note(message(language, "topic_explore.open"))]
        own = self._draws.sel(topic=name)
        effect, share = (own[k].to_numpy().ravel() for k in ("effect", "share"))
        if not np.isfinite(effect).all():
            return [blocks.note(message(language, "topic_explore.open"))]
        self.answer = -float(self.cut.value) * effect * share

        def told(values: np.ndarray, metric: str, *, signed: bool) -> tuple[str, str]:
            low, high = np.quantile(values, _ENDS)
            return (
                number(float(values.mean()), metric=metric, language=language, signed=signed),
                span(float(low), float(high), metric=metric, language=language, signed=signed),
            )

        fields = {"name": self._write(topic(name)), "score": self._write(self._about.more.get("score"))}
        fields["cut"] = number(float(self.cut.value), metric="share", language=language)
        fields["value"], fields["span"] = told(self.answer, "mean", signed=True)
        fields["share"], fields["share_span"] = told(share, "share", signed=False)
        fields["effect"], fields["effect_span"] = told(effect, "mean", signed=True)
        lead = message(language, "topic_explore.answer", fields)
        both = [lead, message(language, "topic_explore.share", fields)]
        text = message(language, "list.join").join(both)
        return [blocks.finding(text, lead=lead, note=message(language, "topic_explore.note"))]

    def _quotes(self) -> list[blocks.Block]:
        language = self._language
        rows = self.chosen()
        if rows.empty:
            return [blocks.note(message(language, "topic_explore.none"))]
        kept = rows.drop_duplicates("text").head(_QUOTES)
        fields = {"shown": count(len(kept)), "n": count(rows["comment_id"].nunique())}
        shown = [quote(row, self._write) for _, row in kept.iterrows()]
        against = _otherwise(rows, kept)
        if against is not None:
            shown.append(quote(against, self._write))
        return [blocks.quotes(message(language, "topic_explore.quotes", fields), shown, open=True)]

    def _show(self, page: Sequence[blocks.Block]) -> None:
        body = "".join(blocks.to_html(block, self._language) for block in page)
        code, rules = html.escape(self._language), css(scope=f".{SCOPE}")
        self.view.value = f'<div class="{SCOPE}" lang="{code}"><style>{rules}</style>{body}</div>'


def _otherwise(rows: pd.DataFrame, kept: pd.DataFrame) -> pd.Series | None:
    """Return the clause whose tone is furthest on the other side of what was quoted, if there is one."""
    tone = rows["sentiment"].astype(float)
    usual = float(kept["sentiment"].astype(float).mean())
    if not known(tone).any() or not np.isfinite(usual):
        return None
    other = rows[(tone < 0.3) if usual >= 0.5 else (tone > 0.7)]  # only what is clear
    other = other[~other["text"].isin(kept["text"])]
    if other.empty:
        return None
    found = other.iloc[0].copy()
    found["other_side"] = True
    return found


def lines_for(name: str, about: About, told: Mapping[str, str]) -> str:
    """Return lines for the topic file that rename, merge, split or ban a topic, ready to be copied.

    Parameters
    ----------
    name : str
        Id of the topic.
    about : About
        Its names.
    told : mapping of topic -> str
        The word by which the topic file tells each topic; the first other one stands in the example of a merge.
    """
    names: Any = about.labels.groups.get(LEVEL, {}).get(name, {})
    called = {lang: names.get(lang) or next(iter(names.values()), name) for lang in about.languages}
    mine = json.dumps(told.get(name, name), ensure_ascii=False)
    other = json.dumps(next((word for t, word in told.items() if t != name), name), ensure_ascii=False)
    said = ", ".join(f"{lang}: {json.dumps(text, ensure_ascii=False)}" for lang, text in called.items())
    ident = json.dumps(name, ensure_ascii=False)
    return f"name:\n  {mine}: {{{said}}}\nmerge:\n  - [{mine}, {other}]\nsplit:\n  {mine}: 2\nban: [{ident}]\n"


def explore(
    said: pd.DataFrame,
    draws: xr.Dataset,
    *,
    about: About,
    keywords: Mapping[str, str] | None = None,
    language: str = "en",
) -> Topics:
    """Return the widget; the last line of a notebook cell shows it. Arguments as in `Topics`."""
    return Topics(said, draws, about=about, keywords=keywords, language=language)
