"""Loading: presets and files merged, environment, overrides, all problems at once with their places."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.errors import ParamsError, Problem
from cxlab.params import desugar, dumps, expand, from_dict, items, load, place

Write = Callable[..., Path]
Problems = Callable[[str], list[Problem]]


def test_a_small_file_loads(write: Write, small: str, tmp_path: Path) -> None:
    params = load(write(small))
    assert params.data_root == str(tmp_path.resolve())
    assert params.tables.responses[0].from_ == "survey"
    assert params.tables.comments[0].text == ["comment"]
    assert list(params.inputs) == ["survey"]
    assert not params.sources
    assert list(items(params)) == ["overall", "price"]


def test_what_is_loaded_never_changes(write: Write, small: str) -> None:
    params = load(write(small))
    with pytest.raises(ValueError, match="frozen"):
        params.client = "other"  # type: ignore[misc]


def test_desugaring_twice_changes_nothing(write: Write, small: str) -> None:
    params = load(write(small))
    assert desugar(params) == params


def test_params_survive_json(write: Write, small: str) -> None:
    scales = "{codes: [1, 2, 3, 4, 5], missing: {0: blank, 6: not_used, '07': refused, Blank: blank, 2.5: blank}}"
    params = load(write(small.replace("{codes: [1, 2, 3, 4, 5], satisfied_from: 4}", scales)))
    again = from_dict(json.loads(json.dumps(dumps(params))))
    assert again == params
    assert again.scales["five"].missing == {0: "blank", 6: "not_used", "07": "refused", "Blank": "blank", 2.5: "blank"}


def test_presets_are_implied(write: Write, small: str) -> None:
    params = load(write(small + "industry: airport\n"))
    assert params.scales["nps11"].codes == list(range(11))
    assert [s.id for s in params.journey.stages] == ["arrive", "depart", "dwell", "land"]
    assert params.journey.labels["security"] == {"en": "Security screening", "zh": "安检"}
    assert params.journey.labels["delivery"] == {"en": "Delivery", "zh": "配送"}  # of the profile below


def test_later_layers_win_key_by_key_and_lists_replace(write: Write, small: str) -> None:
    write(
        "limits: {min_n: 7, practical_change: {nps: 9}}\nlanguages: [zh]\nscales: {csat5: {missing: {9: refused}}}\n",
        "base.yaml",
    )
    params = load(write(small + "extends: base.yaml\nlimits: {practical_change: {nps: 4}}\nlanguages: [en]\n"))
    assert params.limits.min_n == 7
    assert params.limits.practical_change.nps == 4
    assert params.languages == ["en"]
    assert params.scales["csat5"].missing == {9: "refused"}
    assert params.scales["csat5"].codes == [1, 2, 3, 4, 5]  # of the preset
    assert params.extends == ["base.yaml"]


def test_a_preset_beside_the_file_comes_first(write: Write, small: str) -> None:
    write("limits: {min_n: 3}\n", "presets/industry/museum.yaml")
    assert load(write(small + "industry: museum\n")).limits.min_n == 3


def test_a_file_extended_twice_is_read_once(write: Write, small: str) -> None:
    write("limits: {min_n: 3}\n", "core.yaml")
    write("extends: core.yaml\n", "x.yaml")
    write("extends: core.yaml\n", "y.yaml")
    assert load(write(small + "extends: [x.yaml, y.yaml]\n")).limits.min_n == 3


def test_circles_are_named(write: Write, problems: Problems, small: str) -> None:
    write("extends: p.yaml\n", "q.yaml")
    (problem,) = problems(small + "extends: q.yaml\n")
    assert problem.what == "files extend each other in a circle"
    assert "p.yaml -> q.yaml -> p.yaml" in problem.todo
    assert problem.file.endswith("q.yaml")


def test_what_is_extended_must_exist(write: Write, problems: Problems, small: str) -> None:
    write("a: 1\n", "base.yaml")
    found = problems(small + "industry: airprt\nextends: [profile/custmer, bas.yaml, ../core]\n")
    assert [(p.where, p.nearest) for p in found] == [
        ("industry", "airport"), ("extends", "profile/customer"), ("extends", "base.yaml"), ("extends", "core"),
    ]  # fmt: skip
    assert found[0].line == 15


def test_problems_of_all_files_come_together(write: Write, problems: Problems, small: str) -> None:
    write("limts: {min_n: 3}\nlimits: {min_n: 0}\n", "base.yaml")
    found = problems(small.replace("scale: five, role: overall", "scale: fife, role: overal") + "extends: base.yaml\n")
    assert {(Path(p.file).name, p.line, p.where) for p in found} == {
        ("base.yaml", 1, "limts"),
        ("base.yaml", 2, "limits.min_n"),
        ("p.yaml", 13, "sources.survey.items.overall.role"),
    } | {(Path(p.file).name, p.line, p.where) for p in found if p.where.endswith("scale")}


def test_grammar_and_cross_references_are_told_together(
    problems: Problems, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXLAB_NOT_SET", raising=False)
    text = (
        small.replace("2026Q1", "2026Q7")
        .replace("price, scale", "price, sclae")
        .replace("{column: Q2, scale", "{column: Q2, scal")
    )
    found = problems(text + "langauges: [en]\ndata_root: ${CXLAB_NOT_SET}/x\nheadline: {item: nps}\n")
    assert {p.where for p in found} >= {
        "langauges", "periods.first", "data_root", "sources.survey.items.price.scal", "headline.item",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("client: me", "client: me\nclinet: x", "clinet", "unknown key"),
        ("client: me", "client: ../evil", "client", "an id has letters"),
        ("client: me", 'client: "a\\nb"', "client", "an id has letters"),
        ("client: me", "client: {a: b}", "client", "text"),
        ("client: me\n", "", "client", "a required key is missing"),
        ("{id: a, label: A}", "{id: ../a, label: A}", "brands[0].id", "an id has letters"),
        ("{id: a, label: A}", "{id: a}", "brands[0].label", "a required key is missing"),
        ("{id: a, label: A}", "{id: a, label: [x]}", "brands[0].label", "text"),
        ("[{id: a, label: A}]", "[]", "brands", "at least 1"),
        ("grain: quarter", "grain: quater", "periods.grain", "did you mean 'quarter'"),
        ("column: Q2,", "", "sources.survey.items.price.column", "a required key is missing"),
        ("column: Q2", 'column: "Q\\n2"', "sources.survey.items.price.column", "line breaks"),
        ("role: overall", "role: overal", "sources.survey.items.overall.role", "did you mean 'overall'"),
        ("date: date", "date: {column: d, expr: e}", "sources.survey.date", "exactly one of"),
        ("date: date", "date: {}", "sources.survey.date", "exactly one of"),
        ("date: date", "date: 5", "sources.survey.date", "mapping"),
        ("date: date", "date: {column: d, factor: .nan}", "sources.survey.date.factor", "number"),
        ("codes: [1, 2, 3, 4, 5]", "codes: [1, x, 3]", "scales.five.codes[1]", "a whole number"),
        ("codes: [1, 2, 3, 4, 5]", "codes: [1, 1]", "scales.five", "listed twice"),
        ("satisfied_from: 4", "satisfied_from: 9", "scales.five", "satisfied_from must be one of"),
        ("satisfied_from: 4", "missing: {5: blank}", "scales.five", "both a score and missing"),
        ("satisfied_from: 4", "missing: {6: blnk}", "scales.five.missing[6]", "did you mean 'blank'"),
        ("path: survey.csv", "pth: survey.csv", "sources.survey.pth", "did you mean 'path'"),
        ("path: survey.csv", "path: 's_{wave}.csv'", "sources.survey", "needs waves"),
        ("text: comment", "text: comment\n    solicited: perhaps", "sources.survey.solicited", "true or false"),
    ],
)
def test_each_mistake_has_its_place(problems: Problems, small: str, old: str, new: str, where: str, words: str) -> None:
    assert old in small
    found = problems(small.replace(old, new, 1))
    hit = [p for p in found if p.where == where]
    assert hit, [str(p) for p in found]
    assert words in str(hit[0])
    assert hit[0].file.endswith("p.yaml")
    assert hit[0].line > 0 or hit[0].what == "a required key is missing"


def test_legal_keys_are_listed(problems: Problems, small: str) -> None:
    (problem,) = problems(small.replace("{column: Q1,", "{colum: x, column: Q1,"))
    assert problem.allowed == "column, label, map, role, scale, touchpoint"
    assert problem.line == 13


def test_environment_variables(write: Write, small: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXLAB_TEST_DIR", str(tmp_path / "d"))
    assert load(write(small + "data_root: ${CXLAB_TEST_DIR}/x\n")).data_root == str((tmp_path / "d" / "x").resolve())
    assert expand("${CXLAB_TEST_DIR}!") == f"{tmp_path / 'd'}!"


@pytest.mark.parametrize(
    ("text", "words"),
    [("${CXLAB_NOT_SET}/x", "CXLAB_NOT_SET is not set"), ("$HOME/x", "written ${NAME}"), ("${A B}", "written ${NAME}")],
)
def test_variables_that_are_not_set(problems: Problems, small: str, text: str, words: str) -> None:
    (problem,) = problems(f'{small}data_root: "{text}"\n')
    assert words in problem.what
    assert problem.line == 15


def test_secrets_stay_in_the_environment(write: Write, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXLAB_PW", "hunter2")
    inputs = 'inputs: {crm: {database: "postgresql://me:${CXLAB_PW}@host/db", table: t}}\n'
    assert "hunter2" not in json.dumps(dumps(load(write(small + inputs))))


def test_a_password_in_the_file_is_a_problem(problems: Problems, small: str) -> None:
    (problem,) = problems(small + 'inputs: {crm: {database: "postgresql://me:hunter2@host/db", table: t}}\n')
    assert problem.what == "a password stands in the params file"
    assert "hunter2" not in str(problem)


def test_data_root_is_relative_to_the_file_that_says_it(write: Write, small: str, tmp_path: Path) -> None:
    write("data_root: data\n", "deep/base.yaml")
    assert load(write(small + "extends: deep/base.yaml\n")).data_root == str((tmp_path / "deep" / "data").resolve())


def test_overrides(write: Write, small: str) -> None:
    params = load(write(small + "model: {draws: 300, tune: 200}\n"), overrides={"model": {"draws": 150}})
    assert (params.model.draws, params.model.tune) == (150, 200)
    with pytest.raises(ParamsError) as caught:
        load(write(small), overrides={"model": {"draws": 1}})
    assert caught.value.problems[0].file == "(given on the command line)"


def test_places_survive_desugaring(write: Write, small: str) -> None:
    params = load(write(small))
    assert place(params, "tables", "ratings", 0, "items", "price", "scale")[1] == 14
    assert place(params, "inputs", "survey", "path")[1] == 7
    assert place(params, "limits", "min_n")[0] == "preset core"
    assert place(from_dict(dumps(params)), "client") == ("", 0)


def test_an_empty_section_says_nothing(write: Write, small: str) -> None:
    assert load(write(small + "limits:\ntargets:\n")).limits.min_n == 30


def test_from_dict_refuses_other_data() -> None:
    with pytest.raises(ParamsError, match="brands"):
        from_dict({"client": "x"})


def test_a_mistyped_key_is_named_though_a_preset_gives_the_right_one(tmp_path: Path) -> None:
    file = tmp_path / "me.yaml"
    file.write_text("client: me\nbrands: [a]\nperiods: {grain: year, first: 2016, last: 2017}\nscalez: {}\n")
    with pytest.raises(ParamsError, match="did you mean 'scales'"):
        load(file)
