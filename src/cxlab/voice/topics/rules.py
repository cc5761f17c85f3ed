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
from cxlab.voice.text import words
from cxlab.voice.topics import clusters, counts
from cxlab.voice.topics.counts import Counts

if TYPE_CHECKING:
    from cxlab.params.models import Label, TopicRules
    from cxlab.voice.topics.topics import Topics

REPORT_COLUMNS: Final = ("rule", "entry", "met", "found", "nearest")
_ANCHOR: Final = 3  # clauses that must hold a seed's keyword before it makes a topic
_WORDS: Final = 10  # keywords of each of two languages

Node = tuple[str, int]  # language and row of its table


@dataclass(frozen=True)
class Rules:
    """Rules of a params file.

    Attributes
    ----------
    spec : TopicRules
    """

    spec: TopicRules

    def banned_words(self, language: str) -> frozenset[str]:
        """Return words that may name no topic; a label of the file and an id of several words are a topic, no word."""
        return frozenset(w for entry in self.spec.ban for w in self.banned_by(entry, language))

    def banned_by(self, entry: str, language: str) -> frozenset[str]:
        """Return the words that an entry of `ban` bans."""
        labels = [topic.label for topic in self.spec.topics] + list(self.spec.name.values())
        if any(entry.casefold() in _called(label) for label in labels):
            return frozenset()
        said = _tokens(entry, language)
        return frozenset([entry.casefold(), *(said if len(said) == 1 else [])])

    def keywords_of(self, name: str) -> list[str]:
        """Return the keywords of the label of this text or id, else the name itself."""
        found = [w for entry in self.spec.topics if name.casefold() in _called(entry.label) for w in entry.keywords]
        return found or [name]

    def anchors(self, said: Counts) -> list[np.ndarray]:
        """Return, for each seed whose keywords enough clauses hold, the rows of those clauses."""
        place = {w: i for i, w in enumerate(said.words)}
        found = []
        for entry in self.spec.topics:
            ids = sorted({place[w] for word in entry.keywords for w in _parts(word) if w in place})
            if not entry.seed or not ids:
                continue
            rows = np.flatnonzero(np.asarray(said.matrix[:, ids].sum(1)).ravel())
            if len(rows) >= _ANCHOR:
                found.append(rows)
        return found

    def divided(
        self, labels: np.ndarray, rows: np.ndarray, said: Counts, mass: np.ndarray, language: str
    ) -> np.ndarray:
        """Return groups in which each topic to split is cut into its parts."""
        for name, parts in self.spec.split.items():
            names = self.keywords_of(name)
            k = labels.max() + 1
            named = counts.keywords(said, counts.by_topic(said, labels, k, mass), language)
            best = max(range(k), key=lambda j: _meets(names, named[j], language), default=-1)
            if best < 0 or not _meets(names, named[best], language):
                continue
            inside = np.flatnonzero(labels == best)
            if len(inside) < parts or len(np.unique(np.round(rows[inside], 4), axis=0)) < parts:
                continue
            cut = clusters.best(rows[inside], parts, weights=mass[inside]).labels
            labels = labels.copy()
            labels[inside] = np.where(cut == 0, best, k - 1 + cut)
        return labels


def _parts(name: str) -> list[str]:
    """Return a name as one word and as the words of an id (``parcel-late``)."""
    folded = name.casefold()
    return list(dict.fromkeys([folded, *folded.split("-")]))


def _tokens(name: str, language: str) -> list[str]:
    return words.tokens([name], language)[0]


def _meets(names: Iterable[str], keywords: Sequence[str], language: str) -> float:
    """Return how well names meet a topic's keywords: 1 for its first keyword, less for later ones; 0 not at all."""
    rank = {w: 1 / (1 + i) for i, w in enumerate(keywords)}
    total = 0.0
    for name in names:
        said = _parts(name)
        total += max((rank.get(w, 0.0) for w in (*said, *_tokens(name, language))), default=0.0)
    return total


@dataclass(frozen=True)
class Joined:
    """Topics of all languages as one list.

    Attributes
    ----------
    table : DataFrame
        ``topic_id``, ``label_en``, ``label_zh`` (keywords where nobody gave one), ``named`` (whether somebody did),
        ``keywords`` (list), ``size`` and ``share`` of clauses, ``stability``, ``npmi``, ``language`` (joined by ``+``);
        the largest first.
    place : dict
        (language, row of its own table) -> row of `table`; -1 for a topic that is banned.
    report : DataFrame
        `REPORT_COLUMNS`: each rule, whether it met something, the topics (their first keywords) or words it met, the
        nearest legal name if none.
    """

    table: pd.DataFrame
    place: dict[Node, int]
    report: pd.DataFrame


def join(fits: Mapping[str, Topics], rules: Rules | None) -> Joined:
    """Join the topics of several languages as the rules say; without rules each stays for itself.

    Parameters
    ----------
    fits : mapping of str to Topics
        By language.
    rules : Rules, optional
    """
    nodes = [(language, row) for language, fit in fits.items() for row in range(fit.k)]
    named = {node: list(fits[node[0]].table["keywords"].iloc[node[1]]) for node in nodes}
    ids = {node: str(fits[node[0]].table["topic_id"].iloc[node[1]]) for node in nodes}
    legal = [w for node in nodes for w in named[node]] + list(ids.values())
    report: list[tuple[str, str, bool, str, str]] = []
    root = {node: node for node in nodes}
    label: dict[Node, Label] = {}
    banned: set[Node] = set()

    def top(node: Node) -> Node:
        while root[node] != node:
            node = root[node]
        return node

    def meant(name: str) -> list[Node]:
        """Return the topics with this id, or under a label of this text or id."""
        heads = {head for head, text in label.items() if name.casefold() in _called(text)}
        return [node for node in nodes if ids[node].casefold() == name.casefold() or top(node) in heads]

    def told(name: str) -> list[Node]:
        """Return the topics that a name means: by id, else in each language the one it is the best keyword of."""
        exact = meant(name)
        if exact:
            return exact
        found = []
        for language in fits:
            mine = [node for node in nodes if node[0] == language]
            best = max(mine, key=lambda node: _meets([name], named[node], language), default=None)
            if best is not None and _meets([name], named[best], language):
                found.append(best)
        return found

    def tell(rule: str, entry: str, met: Sequence[Node], said: str = "") -> None:
        found = ", ".join(
            dict.fromkeys([*(" · ".join(named[node][:3]) or ids[node] for node in met), *filter(None, [said])])
        )
        report.append((rule, entry, bool(found), found, "" if found else nearest(entry, legal)))

    if rules is not None:
        apart = {name.casefold() for name in rules.spec.split}
        for entry, members in _by_entry(rules.spec, nodes, named).items():
            said = rules.spec.topics[entry]
            if apart & (_called(said.label) | {w.casefold() for w in said.keywords}):
                members = _firsts(members, said.keywords, named)  # the other parts stay for themselves
            for node in members:
                root[top(node)] = top(members[0])
            if members:
                label[top(members[0])] = said.label
            tell("topics", said.keywords[0], members)
        for group in rules.spec.merge:
            each = [told(name) for name in group]
            for name, found in zip(group, each, strict=True):
                tell("merge", name, found)
            flat = [node for found in each for node in found]
            for node in flat[1:]:
                _keep_label(label, top(node), top(flat[0]))
                root[top(node)] = top(flat[0])
        for name in rules.spec.split:
            names = rules.keywords_of(name)
            tell("split", name, [node for node in nodes if _meets(names, named[node], node[0])][:1])
        for name, text in rules.spec.name.items():
            found = told(name)
            tell("name", name, found)
            for node in found:
                label[top(node)] = text
        # A topic to leave out is told as the page would call it, were it not left out.
        shown = (
            _table(fits, nodes, named, ids, {node: top(node) for node in nodes}, label, set(), [])
            if rules.spec.ban
            else None
        )
        for name in rules.spec.ban:
            found = [node for node in nodes if shown is not None and _is(name, shown, node, ids, named)]
            banned.update(found)
            words_of = {w for fit in fits.values() for w in rules.banned_by(name, fit.language) & fit.counts.banned}
            tell("ban", name, found, ", ".join(sorted(words_of)) if not found else "")
    return _table(fits, nodes, named, ids, {node: top(node) for node in nodes}, label, banned, report)


def _is(name: str, shown: Joined, node: Node, ids: Mapping[Node, str], named: Mapping[Node, Sequence[str]]) -> bool:
    """Return whether a name is this topic's id or label, or the words of its id in another order."""
    row = shown.table.iloc[shown.place[node]]
    called = {str(row["topic_id"]).casefold(), ids[node].casefold()}
    called |= {form for text in (row["label_en"], row["label_zh"]) for form in _called(text)}
    if name.casefold() in called:
        return True
    parts = [part for part in name.casefold().split("-") if part]
    return len(parts) > 1 and set(parts) == set(named[node][: len(parts)])


def _called(label: Label) -> set[str]:
    """Return what a label may be called in a rule: its texts, and the ids made of them."""
    texts = [t for t in (label.values() if isinstance(label, dict) else [label]) if t]
    return {t.casefold() for t in texts} | {_plain(t) for t in texts}


def _keep_label(label: dict[Node, Label], old: Node, new: Node) -> None:
    if old in label and new not in label:
        label[new] = label[old]


def _by_entry(spec: TopicRules, nodes: Sequence[Node], named: Mapping[Node, Sequence[str]]) -> dict[int, list[Node]]:
    """Return the topics of each entry: each topic goes to the entry whose keywords name it best."""
    found: dict[int, list[Node]] = {i: [] for i in range(len(spec.topics))}
    for node in nodes:
        value = [_meets(entry.keywords, named[node], node[0]) for entry in spec.topics]
        if value and max(value) > 0:
            found[int(np.argmax(value))].append(node)
    return found


def _firsts(members: Sequence[Node], keywords: Sequence[str], named: Mapping[Node, Sequence[str]]) -> list[Node]:
    """Return the topic of each language that keywords name best."""
    best: dict[str, Node] = {}
    for node in members:
        old = best.get(node[0])
        if old is None or _meets(keywords, named[node], node[0]) > _meets(keywords, named[old], node[0]):
            best[node[0]] = node
    return list(best.values())


def _table(
    fits: Mapping[str, Topics], nodes: Sequence[Node], named: Mapping[Node, Sequence[str]], ids: Mapping[Node, str],
    root: Mapping[Node, Node], label: Mapping[Node, Label], banned: set[Node],
    report: list[tuple[str, str, bool, str, str]],
) -> Joined:  # fmt: skip
    members: dict[Node, list[Node]] = {}
    for node in nodes:
        if node not in banned:
            members.setdefault(root[node], []).append(node)
    rows = []
    used: set[str] = set()
    size = {node: float(fits[node[0]].table["size"].iloc[node[1]]) for node in nodes}
    for head, mine in members.items():
        mine = sorted(mine, key=lambda node: -size[node])
        text = label.get(head)
        own = _shared([named[node] for node in mine], _WORDS)
        plain = " · ".join(own[:3]) or ids[mine[0]]
        told = {code: (text.get(code) if isinstance(text, dict) else text) for code in ("en", "zh")}
        either = told["en"] or told["zh"]
        each = pd.concat([fits[node[0]].table.iloc[[node[1]]] for node in mine])
        weight = np.maximum(each["size"].to_numpy(float), 1e-9)
        rows.append(
            {
                "topic_id": _slug(either, ids[mine[0]], used),
                "label_en": told["en"] or either or plain,
                "label_zh": told["zh"] or either or plain,
                "named": text is not None,
                "keywords": own,
                "size": int(each["size"].sum()),
                "stability": _mean(each["stability"], weight),
                "npmi": _mean(each["npmi"], weight),
                "language": "+".join(dict.fromkeys(node[0] for node in mine)),
                "members": mine,
            }
        )
    columns = [
        "topic_id",
        "label_en",
        "label_zh",
        "named",
        "keywords",
        "size",
        "share",
        "stability",
        "npmi",
        "language",
    ]
    frame = pd.DataFrame(rows, columns=[*columns[:6], *columns[7:], "members"])
    frame = frame.sort_values("size", ascending=False, kind="stable", ignore_index=True)
    frame["share"] = frame["size"] / max(frame["size"].sum(), 1)
    place = {node: i for i, mine in enumerate(frame["members"]) for node in mine}
    place |= dict.fromkeys(banned, -1)
    return Joined(frame[columns], place, pd.DataFrame(report, columns=list(REPORT_COLUMNS)))


def _shared(lists: Sequence[Sequence[str]], most: int) -> list[str]:
    """Return words of all lists in turn, the best first."""
    longest = max((len(x) for x in lists), default=0)
    turned = [said[i] for i in range(longest) for said in lists if i < len(said)]
    return list(dict.fromkeys(turned))[: most * max(len(lists[:2]), 1)]


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
