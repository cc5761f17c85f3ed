from __future__ import annotations

import pytest

from cxlab.errors import ParamsError
from cxlab.params import declared_parameters, validate_notebook_parameters

CELL = '''\
"""What an operator may set."""
params_file: str = "params/demo.yaml"  # the client
brand: str = "alder"  # brand id
top: int = 5
share = 0.25  # of customers, # not all
dark: bool = False
only: list[str] = []
more: dict = {"a": 1}
low: float = -1
'''


def test_a_cell_declares_names_types_and_help() -> None:
    found = declared_parameters(CELL)
    assert {k: (v.type, v.default) for k, v in found.items()} == {
        "params_file": ("str", "params/demo.yaml"), "brand": ("str", "alder"), "top": ("int", 5),
        "share": ("float", 0.25),
        "dark": ("bool", False), "only": ("list", []), "more": ("dict", {"a": 1}), "low": ("float", -1),
    }  # fmt: skip
    assert found["brand"].help == "brand id"
    assert found["share"].help == "of customers, # not all"


@pytest.mark.parametrize(
    "line",
    ["import os", "x = open('f')", "x = __import__('os').system('id')", "x: str | None = None", "x = y = 1", "a.b = 1",
     "x: str", "x: int = 'a'", "if True: x = 1", "x = 1 +", "print(1)"],
)  # fmt: skip
def test_a_cell_is_data_and_nothing_is_run(line: str) -> None:
    with pytest.raises(ParamsError):
        declared_parameters(f"brand: str = 'a'\n{line}\n")


def test_legal_parameters_pass() -> None:
    given = {"brand": "birch", "top": 3, "share": 1, "only": ["a"], "more": {}, "dark": True}
    found = validate_notebook_parameters(declared_parameters(CELL), given)
    assert found == given
    assert isinstance(found["share"], float)


@pytest.mark.parametrize(
    "name",
    [
        "brand\nimport os",
        "brand = 1; x",
        "brand ",
        "",
        "1st",
        "a-b",
        "os.system",
        "brand\u2028",
        "b\x00",
        "ｂrand",
        "br and",
    ],
)
def test_names_that_could_run_code_are_refused(name: str) -> None:
    with pytest.raises(ParamsError) as caught:
        validate_notebook_parameters(declared_parameters(CELL), {name: "x"}, notebook="20_satisfaction")
    assert "identifier" in caught.value.problems[0].what


def test_all_mistakes_at_once() -> None:
    given = {"brnd": "a", "top": "5", "dark": 1, "share": float("nan"), "only": [object()], "low": True, "more": {1: 2}}
    with pytest.raises(ParamsError) as caught:
        validate_notebook_parameters(declared_parameters(CELL), given, notebook="n")
    found = {p.where: p for p in caught.value.problems}
    assert set(found) == set(given)
    assert found["brnd"].nearest == "brand"
    assert found["top"].allowed == "a whole number"


def test_types_may_be_given_by_name() -> None:
    assert validate_notebook_parameters({"top": "int", "x": "None"}, {"top": 1, "x": None}) == {"top": 1, "x": None}
    with pytest.raises(ParamsError):
        validate_notebook_parameters({"top": "int"}, {"top": 1.5})
