"""Rules of analysts: read with their lines, obeyed by the next fit, reported where they meet nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cxlab import params
from cxlab.batch import keys
from cxlab.errors import ParamsError
from cxlab.params.models import TopicRules, Voice
from cxlab.voice.text import clauses
from cxlab.voice.topics import clusters, per_language, rules, topics
from cxlab.voice.topics.rules import Rules
from tests.topic_world import word, world

KEYWORDS = [word(0, 1), word(0, 2), "zh" + word(0, 1), "zh" + word(0, 2)]

FILE = """
client: small
brands: [one]
periods: {grain: quarter, first: 2026Q1, last: 2026Q1}
voice: {topics: small.topics.yaml}
sources: {s: {path: s.csv, to: comments, date: d, text: t}}
"""


def fits(seed: int = 0, spec: dict[str, object] | None = None) -> dict[str, topics.Topics]:
    """Three English topics and, of the same vectors, three Chinese ones."""
    vectors, said, *_ = world(300, 3, seed=seed)
    told = Rules(TopicRules.model_validate(spec)) if spec else None
    tone = {"excellent": "不错", "terrible": "垃圾"}
    chinese = [[tone.get(w, f"zh{w}") for w in s] for s in said]
    return {
        "en": topics.fit(vectors, said, language="en", seeds=2, rules=told),
        "zh": topics.fit(vectors, chinese, language="zh", seeds=2, rules=told),
    }


@pytest.fixture(scope="module")
def found() -> dict[str, topics.Topics]:
    return fits()


def join(found: dict[str, topics.Topics], spec: dict[str, object]) -> rules.Joined:
    return rules.join(found, Rules(TopicRules.model_validate(spec)))


def test_without_rules_each_language_keeps_its_topics(found):
    joined_ = rules.join(found, None)
    assert len(joined_.table) == 6
    assert joined_.table["topic_id"].is_unique
    assert joined_.table["share"].sum() == pytest.approx(1)
    assert (joined_.table["label_en"].str.count("·") == 2).all()
    assert not joined_.table["named"].any()


def test_a_label_joins_topics_of_all_languages(found):
    spec = {"topics": [{"label": {"en": "First thing", "zh": "第一"}, "keywords": KEYWORDS}]}
    result = join(found, spec)
    row = result.table[result.table["named"]].iloc[0]
    assert (row["topic_id"], row["label_en"], row["label_zh"]) == ("first-thing", "First thing", "第一")
    assert set(row["language"].split("+")) == {"en", "zh"}
    assert len(result.table) == 5
    mine = [(lang, i) for (lang, i), at in result.place.items() if result.table["topic_id"].iloc[at] == "first-thing"]
    assert row["size"] == sum(found[lang].table["size"].iloc[i] for lang, i in mine)
    assert result.report["met"].all()


def test_merge_name_and_ban_are_obeyed(found):
    first = found["en"].table["topic_id"].iloc[0]
    result = join(
        found,
        {"merge": [[word(1, 1), "zh" + word(1, 1)]], "name": {word(0, 3): {"en": "Second"}}, "ban": [first.upper()]},
    )
    assert result.place["en", 0] == -1
    assert result.report["met"].all()
    assert {"en+zh", "zh+en"} & set(result.table["language"])
    assert "Second" in set(result.table["label_zh"])  # one label serves both languages


def test_a_topic_is_told_by_its_label_and_the_id_made_of_it(found):
    spec = {"topics": [{"label": {"en": "First thing", "zh": "第一"}, "keywords": KEYWORDS}]}
    banned = join(found, {**spec, "ban": ["first-thing"]})
    assert "first-thing" not in set(banned.table["topic_id"])
    assert list(banned.place.values()).count(-1) == 2
    merged = join(found, {**spec, "merge": [["第一", word(1, 1)]], "split": {"First thing": 2}})
    assert merged.report["met"].all()
    assert merged.table.loc[merged.table["topic_id"] == "first-thing", "language"].iloc[0] in ("en+zh", "zh+en")
    assert len(merged.table) == 4
    renamed = join(found, {**spec, "name": {"first-thing": {"en": "Other name"}}})
    assert "other-name" in set(renamed.table["topic_id"])


def test_a_rule_that_meets_nothing_says_the_nearest(found):
    keyword = found["en"].table["keywords"].iloc[0][0]
    result = join(found, {"name": {f"{keyword}x": "Typo"}, "ban": ["zzzzzz"], "merge": [["nowhere", "elsewhere"]]})
    report = result.report.set_index("entry")
    assert not report["met"].any()
    assert report.loc[f"{keyword}x", "nearest"] == keyword
    assert report.loc["zzzzzz", "nearest"] == ""


def test_a_banned_word_names_no_topic():
    word = fits()["en"].table["keywords"].iloc[0][0]
    banned = fits(spec={"ban": [word]})
    assert word not in {w for said in banned["en"].table["keywords"] for w in said}
    assert join(banned, {"ban": [word]}).report["met"].all()


def test_a_banned_topic_goes_and_its_words_stay(found):
    table = found["en"].table
    first, said = table["topic_id"].iloc[0], table["keywords"].iloc[0]
    spec: dict[str, object] = {"ban": ["-".join(said[1::-1])]}  # told by both words of its id, in whatever order
    again = fits(spec=spec)
    assert list(again["en"].table["topic_id"]) == list(table["topic_id"])  # the topics are those found without it
    result = join(again, spec)
    assert first not in set(result.table["topic_id"])
    assert [node for node, at in result.place.items() if at < 0] == [("en", 0)]
    row = result.report.iloc[0]
    assert (row["met"], row["found"]) == (True, " · ".join(said[:3]))


def test_a_topic_that_only_speaks_of_the_same_words_is_not_banned(found):
    said = found["en"].table["keywords"].iloc[0]
    result = join(found, {"ban": ["-".join(said[1:3])]})
    assert not result.report["met"].any()
    assert -1 not in result.place.values()


def test_a_merged_topic_is_banned_whole(found):
    spec: dict[str, object] = {"merge": [[word(1, 1), "zh" + word(1, 1)]]}
    both = join(found, spec).table
    name = both.loc[both["language"].str.contains("+", regex=False), "topic_id"].iloc[0]
    result = join(found, {**spec, "ban": [name]})
    assert len(result.table) == len(both) - 1
    assert sum(at < 0 for at in result.place.values()) == 2


def test_a_topic_is_split_into_its_parts(found):
    word = found["en"].table["keywords"].iloc[0][0]
    split = fits(spec={"split": {word: 2}})["en"]
    assert split.k == found["en"].k + 1


def test_a_seed_makes_a_topic_that_was_not_found():
    vectors, said, true, _ = world(400, 4, seed=4)
    rare = np.flatnonzero(true == 0)[8:]
    vectors, said, true = (
        np.delete(vectors, rare, 0),
        [s for i, s in enumerate(said) if i not in set(rare)],
        np.delete(true, rare),
    )
    spec = {"topics": [{"label": "Rare", "keywords": [word(0, i) for i in range(5)], "seed": True}]}
    plain = topics.fit(vectors, said, language="en", k=3)
    guided = topics.fit(vectors, said, language="en", k=3, rules=Rules(TopicRules.model_validate(spec)))
    assert guided.k == 4
    names = [any(w.startswith("aaword") for w in said[:3]) for said in guided.table["keywords"]]
    assert sum(names) == 1
    assert clusters.agreement(true, guided.assignment) > clusters.agreement(true, plain.assignment)


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


def test_all_clauses_of_all_languages_get_one_list_of_topics(models: Path):
    said = ["The parcel was late.", "Parcel came late again.", "The website is slow.", "A slow website."] * 3
    said += ["快递太慢了。", "网站很好用。"]
    texts = clauses.split(pd.DataFrame({"comment_id": [f"c{i}" for i in range(len(said))], "text": said}))
    space = per_language.fit_all(texts, voice=Voice(seeds=2), tone={"c0": -1.0})
    assert len(space.topic_id) == len(texts.clauses) == len(space.group)
    assert set(space.topic_id) - {None} <= set(space.table["topic_id"])
    assert set(space.fits) == {"en", "zh"}
    assert space.embeddings["zh"][0] == "corpus"
    nothing = per_language.fit_all(clauses.split(pd.DataFrame({"comment_id": ["a"], "text": [""]})), voice=Voice())
    assert nothing.table.empty
    assert not len(nothing.topic_id)


def test_the_parts_of_a_split_are_not_joined_again_by_their_label(found):
    spec = {"topics": [{"label": {"en": "First thing", "zh": "第一"}, "keywords": [*KEYWORDS, word(1, 9)]}]}
    spec["topics"][0]["keywords"] += found["en"].table["keywords"].iloc[1][-1:]
    whole, cut = join(found, spec), join(found, {**spec, "split": {"first-thing": 2}})
    size = [int(r.table.loc[r.table["topic_id"] == "first-thing", "size"].iloc[0]) for r in (whole, cut)]
    assert (len(whole.table), len(cut.table)) == (4, 5)
    assert size[1] < size[0]
    assert set(cut.table["language"]) >= {"en", "zh"}


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


def test_names_leave_the_topics_as_they_were_found_and_seeds_are_counted(found):
    names: dict[str, object] = {"topics": [{"label": {"en": "First thing"}, "keywords": KEYWORDS}]}
    named = fits(spec=names)
    for language, plain in found.items():
        assert np.array_equal(named[language].assignment, plain.assignment)
        assert (named[language].stability, named[language].guided) == (plain.stability, 0)
    seeded = fits(spec={"topics": [{"label": {"en": "First thing"}, "keywords": KEYWORDS, "seed": True}]})
    assert [one.guided for one in seeded.values()] == [1, 1]
