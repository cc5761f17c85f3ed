"""`cxlab init` on files as people have them: the values that come out are right, or what to do is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from cxlab import connect, params, scaffold
from cxlab.connect import Store
from cxlab.errors import CxError


@dataclass
class Made:
    """A case from its files to the canonical tables, by `init` alone."""

    text: str
    store: Store

    def one(self, query: str) -> float:
        """Return the one number of a query."""
        return float(self.store.sql(query).iloc[0, 0])

    def item(self, column: str) -> str:
        """Return SQL that picks the ratings of the question asked in a column."""
        line = next(x for x in self.text.splitlines() if f'column: "{column}' in x or f"column: {column}," in x)
        return f"item = '{line.split(':')[0].strip().strip(chr(34))}'"

    def nps(self, column: str) -> float:
        """Return the net promoter score of a question."""
        share = "100.0 * (avg((value >= 9)::INT) - avg((value <= 6)::INT))"
        return self.one(f"SELECT {share} FROM ratings WHERE {self.item(column)} AND value IS NOT NULL")

    def mean(self, column: str) -> float:
        """Return the mean code of a question."""
        return self.one(f"SELECT avg(value) FROM ratings WHERE {self.item(column)} AND value IS NOT NULL")

    def count(self, column: str) -> float:
        """Return how many scored a question."""
        return self.one(f"SELECT count(value) FROM ratings WHERE {self.item(column)}")


@pytest.fixture(scope="session")
def made(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    @cache
    def make(name: str) -> Made:
        folder = next((shared_data.parent / "cases").glob(f"{name}-*"), None)
        if folder is None:
            pytest.skip(f"case {name} is not there")
        place = tmp_path_factory.mktemp(f"case{name}")
        text = scaffold.init(sorted((folder / "data").iterdir()), place / "me.yaml").text
        given = params.load(place / "me.yaml")
        return Made(text, connect.open_store(connect.build(given, place / "store")))

    return make


SCORES = [
    ("01", "Q1", "nps", 30.5, 243),  # without previews, and without the two further header lines
    ("02", "Q1", "nps", 30.5, 243),
    ("03", "q1_overall", "mean", 3.581, 363),
    ("03", "q2_staff", "mean", 3.200, 355),
    ("03b", "q1_overall", "mean", 3.581, 363),
    ("05", "q1_overall", "mean", 6 - 3.888, 400),  # codes as in the file; 1 stands for the best
    ("09", "How likely", "nps", 25.5, 380),
    ("10", "overall_satisfied", "mean", 4.797, 300),
    ("10", "easy_to_use", "mean", 4.273, 300),
    ("13", "Zufriedenheit_rating", "mean", 2.955, 200),
    ("14", "Overall, how", "mean", 3.827, 220),
    ("16", "2、您对本次服务的总体满意度", "mean", 3.958, 240),
    ("16", "3、请评价：物流速度", "mean", 3.665, 197),
    ("16", "4、您有多大可能向朋友推荐我们", "nps", 17.1, 240),
    ("17", "Satisfaction with delivery", "mean", 7.36, 300),
    ("17", "Satisfaction overall", "mean", 7.93, 300),
    ("19", "Star Rating", "mean", 3.600, 210),
    ("21", "Zufriedenheit gesamt", "mean", 2.334, 320),
    ("22", "rating", "mean", 3.773, 260),
    ("25", "Satisfaction rating", "mean", 0.766, 214),
    ("26", "How likely", "nps", 22.1, 280),
    ("27", "nps", "nps", 4.2, 48),
    ("28", "nps", "nps", 100.0, 60),
    ("30", "nps", "nps", 40.0, 40),
    ("32", "q1_satis", "mean", 3.745, 200),
    ("33", "score_text", "mean", 3.696, 260),
    ("33", "stars_sign", "mean", 3.696, 260),
    ("33", "aria_rating", "mean", 3.696, 260),
    ("33", "rating", "mean", 2 * 3.865, 260),  # half stars count in half points
    ("34", "Overall satisfaction", "mean", 3.827, 150),
    ("36", "nps", "nps", 32.1, 420),
]


@pytest.mark.parametrize(("case", "column", "what", "value", "n"), SCORES, ids=[f"{c[0]}-{c[1][:12]}" for c in SCORES])
def test_scores(made: Callable[[str], Made], case: str, column: str, what: str, value: float, n: int) -> None:
    found = made(case)
    assert found.count(column) == n
    measured = found.nps(column) if what == "nps" else found.mean(column)
    assert measured == pytest.approx(value, abs=0.06 if what == "nps" else 0.006)


MONEY = [
    ("06", "SELECT sum(amount) FROM transactions", 1_789_492),
    ("06", "SELECT count(*) FROM transactions", 420),
    ("07", "SELECT count(*) FROM transactions WHERE customer IS NOT NULL", 301),
    ("07", "SELECT count(DISTINCT customer) FROM transactions", 85),
    ("08", "SELECT count(DISTINCT customer) FROM transactions", 100),
    ("23", "SELECT sum(amount) FROM transactions", 13_218.48),
    ("35", "SELECT sum(amount) FROM transactions", 32_922_282),
    ("40", "SELECT count(*) FROM transactions", 1_632),
    ("11", "SELECT count(*) FROM responses", 360),
    ("12", "SELECT count(*) FROM responses", 240),
    ("15", "SELECT count(DISTINCT response_id) FROM responses", 220),
    ("20", "SELECT count(*) FROM responses WHERE month(date) = 1", 99),
    ("20", "SELECT count(*) FROM responses WHERE month(date) = 3", 113),
]


@pytest.mark.parametrize(("case", "query", "value"), MONEY, ids=[f"{c[0]}-{i}" for i, c in enumerate(MONEY)])
def test_rows_and_money(made: Callable[[str], Made], case: str, query: str, value: float) -> None:
    assert made(case).one(query) == pytest.approx(value, abs=0.5)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("02", "Q1_NPS_GROUP"),  # not used
        ("11", "contain each other"),
        ("18", "refunded, voided"),
        ("20", "swapped back"),
        ("21", "is taken for the best"),
        ("23", "3 currencies"),
        ("33", "half points"),
        ("40", "Lieferung twice"),
    ],
)
def test_doubts_are_written_down(made: Callable[[str], Made], case: str, said: str) -> None:
    assert said in made(case).text


def test_what_the_company_says_is_no_customers_word(made: Callable[[str], Made]) -> None:
    line = next(x for x in made("19").text.splitlines() if "text:" in x)
    assert "Reply" not in line
    assert "Link" not in line


def test_a_satisfaction_scale_is_no_recommendation(made: Callable[[str], Made]) -> None:
    assert "role: nps" not in made("17").text


def test_every_case_is_read_or_says_what_to_do(shared_data: Path, tmp_path: Path) -> None:
    silent = []
    for folder in sorted((shared_data.parent / "cases").glob("*/data")):
        try:
            scaffold.init(sorted(folder.iterdir()), tmp_path / f"{folder.parent.name}.yaml")
        except CxError as error:
            silent += [folder.parent.name] * (not all(p.todo or p.allowed for p in error.problems))
    assert silent == []
