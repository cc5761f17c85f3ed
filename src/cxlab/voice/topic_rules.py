"""What analysts say about topics, obeyed by the next run: ban, seed, split as topics are found, merge, name after.

The rules stand in a YAML file beside the params (``voice: {topics: demo.topics.yaml}``) and are read with them, so that
an error has its line and a change runs the topics again.

=========  ============================================================================================================
rule       what it does
=========  ============================================================================================================
``topics`` a label in every language with keywords of every language: found topics that one of its keywords names are
           joined under it; ``seed: true`` makes such a topic even where none was found
``merge``  topics that are one, each told by its id or one of its keywords
``split``  a topic, told so, and in how many parts; a label stays with the part its keywords name best
``ban``    a topic to leave out, told by its id, its label or the words of its id: its clauses have no topic then and
           count as banned; a single word that no topic is called by may name none
``name``   a topic, told so, and its label
=========  ============================================================================================================

A rule that meets nothing is reported with the nearest keyword; it is no error, as texts change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from cxlab.errors import nearest
from cxlab.voice import clusters, keywords, words

if TYPE_CHECKING:
    from cxlab.params.fields import Label
    from cxlab.params.models import TopicRules
    from cxlab.voice.clusters import Rows
    from cxlab.voice.keywords import Counts

REPORT_COLUMNS: Final = ("rule", "entry", "met", "found", "nearest")
TABLE_COLUMNS: Final = (
    "topic_id", "label_en", "label_zh", "named", "keywords", "size", "share", "stability", "npmi", "language",
)  # fmt: skip
_ANCHOR: Final = 3  # clauses that must hold a seed's keyword before it makes a topic


@dataclass(frozen=True)
class Rules:
    """Rules of a params file.

    Attributes
    ----------
    spec : TopicRules
    """

    spec: TopicRules

    def banned_words(self) -> frozenset[str]:
        """Return words that may name no topic; a label of the file and an id of several words are a topic, no word."""
        return frozenset(w for entry in self.spec.ban for w in self.banned_by(entry))

    def banned_by(self, entry: str) -> frozenset[str]:
        """Return the words that an entry of `ban` bans."""
        labels = [topic.label for topic in self.spec.topics] + list(self.spec.name.values())
        if any(entry.casefold() in _called(label) for label in labels):
            return frozenset()
        said = _tokens(entry)
        return frozenset([entry.casefold(), *(said if len(said) == 1 else [])])

    def keywords_of(self, name: str) -> list[str]:
        """Return the keywords of the label of this text or id, else the name itself."""
        found = [w for entry in self.spec.topics if name.casefold() in _called(entry.label) for w in entry.keywords]
        return found or [name]

    def anchors(self, counts: Counts, labels: np.ndarray) -> list[np.ndarray]:
        """Return, for each seed that names no topic, the rows of the clauses with its keywords, if there are enough."""
        found = []
        by_topic = keywords.by_topic(counts, labels, int(labels.max(initial=-1)) + 1)
        named = [_flat(n) for n in keywords.keywords(counts, by_topic)] if any(t.seed for t in self.spec.topics) else []
        for entry in self.spec.topics:
            if any(meets(entry.keywords, own) for own in named):
                continue
            wanted = {w for word in entry.keywords for w in _parts(word)} if entry.seed else set()
            ids = [i for i, w in enumerate(counts.words) if w in wanted]
            rows = np.flatnonzero(np.asarray(counts.matrix[:, ids].sum(1)).ravel())
            if len(rows) >= _ANCHOR:
                found.append(rows)
        return found

    def divided(self, labels: np.ndarray, rows: Rows, counts: Counts) -> tuple[np.ndarray, int]:
        """Return groups in which each topic to split is cut into its parts, and how many parts came by that."""
        first = labels.max() + 1
        for name, parts in self.spec.split.items():
            k = labels.max() + 1
            named = [_flat(n) for n in keywords.keywords(counts, keywords.by_topic(counts, labels, k))]
            value = [meets(self.keywords_of(name), own) for own in named]
            inside = np.flatnonzero(labels == int(np.argmax(value))) if any(value) else np.zeros(0, int)
            if len(inside) >= parts and rows.of(inside).different() >= parts:
                cut = clusters.best(rows.of(inside), parts).labels
                labels = labels.copy()
                labels[inside] = np.where(cut == 0, labels[inside], k - 1 + cut)
        return labels, int(labels.max() + 1 - first)


def _parts(name: str) -> list[str]:
    """Return a name as one word and as the words of an id (``parcel-late``)."""
    folded = name.casefold()
    return list(dict.fromkeys([folded, *folded.split("-")]))


def _tokens(name: str) -> list[str]:
    return words.tokens([name], "zh" if words.language_of(name) == "zh" else "en")[0]


def meets(names: Iterable[str], keywords: Sequence[str]) -> float:
    """Return how well names meet a topic's keywords: 1 for its first keyword, less for later ones; 0 not at all."""
    rank: dict[str, float] = {}
    for i, word in enumerate(keywords):
        rank.setdefault(word, 1 / (1 + i))
    return sum(max((rank.get(w, 0.0) for w in (*_parts(name), *_tokens(name))), default=0.0) for name in names)


def _flat(named: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the words of all languages in turn, the best first."""
    return _in_turn(list(named.values()))


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    longest = max((len(x) for x in lists), default=0)
    return list(dict.fromkeys(said[i] for i in range(longest) for said in lists if i < len(said)))


@dataclass(frozen=True)
class Joined:
    """Topics as the rules want them.

    Attributes
    ----------
    table : DataFrame
        `TABLE_COLUMNS`: labels are keywords where nobody gave one, ``named`` says whether somebody did; ``keywords``
        (list), ``size`` and ``share`` of clauses, ``language`` codes joined by ``+``; the largest first.
    place : ndarray of int, shape (topics found,)
        Row of `table` of each topic found; -1 for one that is banned.
    report : DataFrame
        `REPORT_COLUMNS`: each rule, whether it met something, the topics (their first keywords) or words it met, the
        nearest legal name if none.
    """

    table: pd.DataFrame
    place: np.ndarray
    report: pd.DataFrame


class _Joining:
    """Topics found, which of them are one, what they are called, and what each rule met."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self.ids = [str(t) for t in table["topic_id"]]
        self.named = [_flat(n) for n in table["keywords"]]
        self.head = list(range(len(table)))  # the topic that speaks for it
        self.label: dict[int, Label] = {}
        self.report: list[tuple[str, str, bool, str, str]] = []

    def unite(self, topics: Sequence[int]) -> None:
        """Make topics one; the label of the first that has one stays."""
        heads = list(dict.fromkeys(self.head[t] for t in topics))
        known = next((self.label[h] for h in heads if h in self.label), None)
        self.head = [heads[0] if h in heads else h for h in self.head]
        if known is not None:
            self.label[heads[0]] = known

    def meant(self, name: str) -> list[int]:
        """Return the topics of this id or label, else the one that the name is the best keyword of in each language."""
        heads = {h for h, text in self.label.items() if name.casefold() in _called(text)}
        folded = name.casefold()
        exact = [t for t, known in enumerate(self.ids) if known.casefold() == folded or self.head[t] in heads]
        if exact or not self.ids:
            return exact
        value = [meets([name], own) for own in self.named]
        return [int(np.argmax(value))] if max(value) > 0 else []

    def tell(self, rule: str, entry: str, met: Sequence[int], also: str = "") -> None:
        """Note what a rule met."""
        shown = [" · ".join(self.named[t][:3]) or self.ids[t] for t in met]
        found = ", ".join(dict.fromkeys([*shown, *filter(None, [also])]))
        legal = [w for own in self.named for w in own] + self.ids
        self.report.append((rule, entry, bool(found), found, "" if found else nearest(entry, legal)))

    def joined(self, banned: frozenset[int] = frozenset()) -> Joined:
        """Return the topics as they are now."""
        rows = []
        used: set[str] = set()
        for head in dict.fromkeys(h for t, h in enumerate(self.head) if t not in banned):
            mine = [t for t, h in enumerate(self.head) if h == head and t not in banned]
            each = self.table.iloc[mine]
            spoken = list(dict.fromkeys(code for own in each["keywords"] for code in own))
            by_language = {c: _in_turn([own[c] for own in each["keywords"] if c in own]) for c in spoken}
            text = self.label.get(head)
            given = {code: (text.get(code) if isinstance(text, dict) else text) for code in ("en", "zh")}
            either = given["en"] or given["zh"]
            first = {c: " · ".join(by_language.get(c, _flat(by_language))[:3]) or self.ids[mine[0]] for c in given}
            weight = np.maximum(each["size"].to_numpy(float), 1e-9)
            rows.append(
                {
                    "topic_id": _slug(either, self.ids[mine[0]], used),
                    "label_en": given["en"] or either or first["en"],
                    "label_zh": given["zh"] or either or first["zh"],
                    "named": text is not None,
                    "keywords": _in_turn([own[: keywords.TOP] for own in by_language.values()]),
                    "size": int(each["size"].sum()),
                    "stability": _mean(each["stability"], weight),
                    "npmi": _mean(each["npmi"], weight),
                    "language": "+".join(spoken),
                    "members": mine,
                }
            )
        frame = pd.DataFrame(rows, columns=[*(c for c in TABLE_COLUMNS if c != "share"), "members"])
        frame = frame.sort_values("size", ascending=False, kind="stable", ignore_index=True)
        frame["share"] = frame["size"] / max(frame["size"].sum(), 1)
        place = np.full(len(self.ids), -1)
        for row, mine in enumerate(frame["members"]):
            place[mine] = row
        return Joined(frame[list(TABLE_COLUMNS)], place, pd.DataFrame(self.report, columns=list(REPORT_COLUMNS)))


def join(table: pd.DataFrame, counts: Counts, rules: Rules | None) -> Joined:
    """Join and name topics as the rules say; without rules each stays for itself.

    Parameters
    ----------
    table : DataFrame
        ``Topics.table``.
    counts : Counts
        Which banned words were met.
    rules : Rules, optional
    """
    now = _Joining(table)
    if rules is None:
        return now.joined()
    spec = rules.spec
    apart = {name.casefold() for name in spec.split}
    members: dict[int, list[int]] = {i: [] for i in range(len(spec.topics))}
    for topic, own in enumerate(now.named):
        value = [meets(entry.keywords, own) for entry in spec.topics]
        if value and max(value) > 0:
            members[int(np.argmax(value))].append(topic)
    for number, mine in members.items():
        entry = spec.topics[number]
        if mine and apart & (_called(entry.label) | {w.casefold() for w in entry.keywords}):
            mine = [max(mine, key=lambda t: meets(entry.keywords, now.named[t]))]  # other parts stay for themselves
        if mine:
            now.unite(mine)
            now.label[now.head[mine[0]]] = entry.label
        now.tell("topics", entry.keywords[0], mine)
    for group in spec.merge:
        each = [now.meant(name) for name in group]
        for name, found in zip(group, each, strict=True):
            now.tell("merge", name, found)
        now.unite([topic for found in each for topic in found])
    for name in spec.split:
        names = rules.keywords_of(name)
        now.tell("split", name, [t for t, own in enumerate(now.named) if meets(names, own)][:1])
    for name, text in spec.name.items():
        found = now.meant(name)
        now.tell("name", name, found)
        for topic in found:
            now.label[now.head[topic]] = text
    shown = now.joined()  # a topic to leave out is told as the page would call it, were it not left out
    banned: set[int] = set()
    for name in spec.ban:
        found = [
            t for t in range(len(now.ids)) if _is(name, shown.table.iloc[shown.place[t]], now.ids[t], now.named[t])
        ]
        banned.update(found)
        met = sorted(rules.banned_by(name) & counts.banned)
        now.tell("ban", name, found, ", ".join(met) if not found else "")
    return now.joined(frozenset(banned))


def _is(name: str, row: pd.Series, own_id: str, named: Sequence[str]) -> bool:
    """Return whether a name is this topic's id or label, or the words of its id in another order."""
    called = {str(row["topic_id"]).casefold(), own_id.casefold(), *_called(row["label_en"]), *_called(row["label_zh"])}
    parts = [part for part in name.casefold().split("-") if part]
    return name.casefold() in called or (len(parts) > 1 and set(parts) == set(named[: len(parts)]))


def _called(label: Label) -> set[str]:
    """Return what a label may be called in a rule: its texts, and the ids made of them."""
    texts = [t for t in (label.values() if isinstance(label, dict) else [label]) if t]
    return {t.casefold() for t in texts} | {_plain(t) for t in texts}


def _mean(values: pd.Series, weight: np.ndarray) -> float:
    known = values.notna().to_numpy()
    return float(np.average(values[known].to_numpy(float), weights=weight[known])) if known.any() else float("nan")


def _plain(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def _slug(label: str | None, topic_id: str, used: set[str]) -> str:
    plain = _plain(label or topic_id) or topic_id
    name, number = plain, 1
    while name in used:
        number += 1
        name = f"{plain}-{number}"
    used.add(name)
    return name
