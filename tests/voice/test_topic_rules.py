"""Rules of analysts: read with their lines, obeyed by the next fit, reported where they meet nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from cxlab import params
from cxlab.batch import keys
from cxlab.errors import ParamsError
from cxlab.params.models import TopicRules
from cxlab.voice import topic_rules
from cxlab.voice.topic_rules import Rules
from cxlab.voice.topics import Topics
from tests.topic_world import fitted, word, world

KEYWORDS = [word(0, 1), word(0, 2), "zh" + word(0, 1), "zh" + word(0, 2)]

FILE = """
client: small
brands: [one]
periods: {grain: quarter, first: 2026Q1, last: 2026Q1}
voice: {topics: small.topics.yaml}
sources: {s: {path: s.csv, to: comments, date: d, text: t}}
"""


def fit(spec: dict[str, object] | None = None, seed: int = 0) -> Topics:
    """Three topics of English and Chinese clauses."""
    vectors, said, *_ = world(400, 3, seed=seed)
    language = np.where(np.arange(400) % 2, "zh", "en")
    tone = {"excellent": "不错", "terrible": "垃圾"}
    mixed = [[tone.get(w, f"zh{w}") for w in s] if c == "zh" else s for s, c in zip(said, language, strict=True)]
    told = Rules(TopicRules.model_validate(spec)) if spec else None
    return fitted(vectors, mixed, language, refits=2, rules=told)


@pytest.fixture(scope="module")
def found() -> Topics:
    return fit()


def join(found: Topics, spec: dict[str, object]) -> topic_rules.Joined:
    return topic_rules.join(found.table, found.counts, Rules(TopicRules.model_validate(spec)))


def first_words(found: Topics, row: int = 0) -> list[str]:
    return list(found.table["keywords"].iloc[row]["en"])


def test_without_rules_topics_stay_as_they_are(found):
    joined = topic_rules.join(found.table, found.counts, None)
    assert len(joined.table) == 3
    assert joined.table["topic_id"].is_unique
    assert joined.table["share"].sum() == pytest.approx(1)
    assert (joined.table["label_en"].str.count("·") == 2).all()
    assert joined.table["label_zh"].str.startswith("zh").all()  # words of its own language
    assert not joined.table["named"].any()


def test_a_label_names_and_joins_topics(found):
    spec = {"topics": [{"label": {"en": "First thing", "zh": "第一"}, "keywords": [*KEYWORDS, word(1, 1)]}]}
    result = join(found, spec)
    row = result.table[result.table["named"]].iloc[0]
    assert (row["topic_id"], row["label_en"], row["label_zh"]) == ("first-thing", "First thing", "第一")
    assert set(row["language"].split("+")) == {"en", "zh"}
    assert len(result.table) == 2
    mine = result.place == result.table.index[result.table["named"]][0]
    assert row["size"] == found.table["size"][mine].sum()
    assert result.report["met"].all()


def test_merge_name_and_ban_are_obeyed(found):
    words = [first_words(found, row)[0] for row in range(3)]
    result = join(
        found, {"merge": [words[:2]], "name": {words[0]: {"en": "Second"}}, "ban": [found.table["topic_id"][2].upper()]}
    )
    assert result.place.tolist() == [0, 0, -1]
    assert result.report["met"].all()
    assert list(result.table["label_zh"]) == ["Second"]  # one label serves both languages


def test_a_topic_is_told_by_its_label_and_the_id_made_of_it(found):
    spec = {"topics": [{"label": {"en": "First thing", "zh": "第一"}, "keywords": KEYWORDS}]}
    banned = join(found, {**spec, "ban": ["first-thing"]})
    assert "first-thing" not in set(banned.table["topic_id"])
    assert list(banned.place).count(-1) == 1
    merged = join(found, {**spec, "merge": [["第一", word(1, 1)]], "split": {"First thing": 2}})
    assert merged.report["met"].all()
    assert len(merged.table) == 2
    renamed = join(found, {**spec, "name": {"first-thing": {"en": "Other name"}}})
    assert "other-name" in set(renamed.table["topic_id"])


def test_a_rule_that_meets_nothing_says_the_nearest(found):
    keyword = first_words(found)[0]
    result = join(found, {"name": {f"{keyword}x": "Typo"}, "ban": ["zzzzzz"], "merge": [["nowhere", "elsewhere"]]})
    report = result.report.set_index("entry")
    assert not report["met"].any()
    assert report.loc[f"{keyword}x", "nearest"] == keyword
    assert report.loc["zzzzzz", "nearest"] == ""


def test_a_banned_word_names_no_topic(found):
    banned = fit({"ban": [first_words(found)[0]]})
    assert first_words(found)[0] not in {w for named in banned.table["keywords"] for own in named.values() for w in own}
    assert join(banned, {"ban": [first_words(found)[0]]}).report["met"].all()


def test_a_banned_topic_goes_and_its_words_stay(found):
    said = topic_rules._flat(found.table["keywords"].iloc[0])
    spec: dict[str, object] = {"ban": ["-".join(said[1::-1])]}  # told by both words of its id, in whatever order
    again = fit(spec)
    assert list(again.table["topic_id"]) == list(found.table["topic_id"])  # the topics are those found without it
    result = join(again, spec)
    assert result.place[0] == -1
    assert not join(found, {"ban": ["-".join(said[1:3])]}).report["met"].any()  # only speaks of the same words


def test_a_topic_is_split_into_its_parts(found):
    split = fit({"split": {first_words(found)[0]: 2}})
    assert split.k == found.k + 1
    assert split.guided == 1


def test_a_seed_makes_a_topic_that_was_not_found(found):
    vectors, said, *_ = world(400, 3)
    rare = [[*own, "wurst"] if i % 40 == 0 else own for i, own in enumerate(said)]  # in a few clauses of every topic
    spec = {"topics": [{"label": "Rare", "keywords": ["wurst"], "seed": True}]}
    plain = fitted(vectors, rare, refits=2)
    guided = fitted(vectors, rare, refits=2, rules=Rules(TopicRules.model_validate(spec)))
    assert (guided.k, guided.guided) == (plain.k + 1, 1)
    assert any("wurst" in named["en"][:3] for named in guided.table["keywords"])


def test_names_leave_the_topics_as_they_were_found(found):
    named = fit({"topics": [{"label": {"en": "First thing"}, "keywords": KEYWORDS}]})
    assert np.array_equal(named.assignment, found.assignment)
    assert (named.stability, named.guided) == (found.stability, 0)
    seeded = fit({"topics": [{"label": {"en": "First thing"}, "keywords": [*KEYWORDS, word(0, 0)], "seed": True}]})
    assert (seeded.k, seeded.guided) == (found.k, 0)  # it was there already


def test_the_file_beside_the_params_is_read_with_them_and_enters_the_content_key(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(FILE)
    (tmp_path / "small.topics.yaml").write_text("ban: [hello]\ntopics:\n  - {label: {en: A, zh: 甲}, keywords: a}\n")
    one = params.load(tmp_path / "p.yaml")
    assert one.voice.topics is not None
    assert one.voice.topics.ban == ["hello"]
    assert params.from_dict(params.dumps(one)).voice == one.voice
    (tmp_path / "small.topics.yaml").write_text("ban: [hello, bye]\n")
    two = params.load(tmp_path / "p.yaml")
    assert keys.visible_params(one, brand="", period="") != keys.visible_params(two, brand="", period="")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ban: [a]\nmerg: [[a, b]]\n", ("small.topics.yaml:2", "merg", "merge")),
        ("split: {a: 1}\n", ("small.topics.yaml:1", "voice.topics.split.a", "2")),
        ("topics:\n  - {keywords: [a]}\n", ("small.topics.yaml:2", "label", "")),
        ("merge: [[a]]\n", ("small.topics.yaml:1", "nothing to merge", "two topics")),
        ("ban: [B]\ntopics: [{label: x, keywords: b}]\n", ("small.topics.yaml:2", "banned", "'b'")),
        (
            "topics:\n  - {label: x, keywords: [b]}\n  - {label: y, keywords: [B]}\n",
            ("small.topics.yaml:3", "another topic has this keyword too", "'b'"),
        ),
        ("name: {a: {fr: x}}\n", ("small.topics.yaml:1", "voice.topics.name.a", "")),
    ],
)
def test_an_error_in_the_file_has_its_line(tmp_path: Path, text: str, said: tuple[str, ...]):
    (tmp_path / "p.yaml").write_text(FILE)
    (tmp_path / "small.topics.yaml").write_text(text)
    with pytest.raises(ParamsError) as error:
        params.load(tmp_path / "p.yaml")
    assert all(part in str(error.value) for part in said)


def test_a_file_that_is_not_there_is_told_with_the_nearest(tmp_path: Path):
    (tmp_path / "p.yaml").write_text(FILE)
    (tmp_path / "smal.topics.yaml").write_text("")
    with pytest.raises(ParamsError, match=r"p\.yaml:5: voice\.topics: there is no such file.*smal\.topics\.yaml"):
        params.load(tmp_path / "p.yaml")


@pytest.mark.parametrize("place", ["README.md", "notebooks/templates/15_topics.ipynb"])
def test_the_lines_shown_to_readers_are_legal(place: str) -> None:
    text = (Path(__file__).parents[2] / place).read_text()
    if place.endswith("ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(c["source"]) + "\n" + c["metadata"].get("cxlab", {}).get("zh", "") for c in cells)
    shown = [part for part in re.findall(r"```yaml\n(.*?)```", text, re.S) if "ban:" in part]
    assert shown
    for part in shown:
        assert TopicRules.model_validate(yaml.safe_load(part)).merge
