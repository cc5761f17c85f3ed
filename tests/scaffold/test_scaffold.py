"""`cxlab init`: what is guessed from real kinds of files, and that the result passes `cxlab check`."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cxlab import connect, params, scaffold
from cxlab.errors import CxError
from cxlab.params import Params
from cxlab.scaffold.files import find_encoding
from cxlab.scaffold.text import quote

Frame = pd.DataFrame
WORDS = [
    "late again",
    "the staff were friendly and quick",
    "price too high for what it is",
    "would buy here again, thanks",
]


def survey(n: int = 240, seed: int = 1, start: date = date(2026, 1, 5)) -> Frame:
    """An ordinary survey export."""
    rng = random.Random(seed)
    return pd.DataFrame(
        {
            "resp_id": [f"R{i:05d}" for i in range(n)],
            "customer_id": [f"C{rng.randrange(10**6):06d}" for _ in range(n)],
            "interview_date": [(start + timedelta(days=i * 150 // n)).isoformat() for i in range(n)],
            "recommend": [rng.choice([0, 3, 5, 6, 7, 8, 8, 9, 9, 10, 10, 11]) for _ in range(n)],
            "overall_satisfaction": [rng.choice([1, 2, 3, 4, 4, 5, 5, 9]) for _ in range(n)],
            "Q3_delivery": [rng.choice([0, 1, 2, 3, 4, 5, 6, 6]) for _ in range(n)],
            "ease_of_use": [rng.choice([1, 2, 3, 4, 5, 6, 7]) for _ in range(n)],
            "gender": [rng.choice(["F", "M", ""]) for _ in range(n)],
            "age_group": [rng.choice([1, 2, 3, 4, 5]) for _ in range(n)],
            "weight": [f"{0.5 + rng.random():.4f}" for _ in range(n)],
            "comment": [rng.choice(WORDS) + f" {i}" if i % 3 else "" for i in range(n)],
        }
    )


@pytest.fixture
def init(tmp_path: Path) -> Callable[..., Params]:
    """Scaffold files and load the result, which must pass the checks of the data as well."""

    def init(*files: Path, clean: bool = True) -> Params:
        out = tmp_path / "params" / "me.yaml"
        scaffold.init(list(files), out)
        loaded = params.load(out)
        assert not clean or [str(p) for p in connect.check(loaded)] == []
        return loaded

    return init


def item(loaded: Params, column: str) -> tuple[str, str, str]:
    """Id, scale and role of the question asked in a column."""
    return next((k, v.scale, v.role) for k, v in params.items(loaded).items() if column in v.column)


def test_an_ordinary_survey(tmp_path: Path, init: Callable[..., Params]) -> None:
    file = tmp_path / "data" / "survey.csv"
    file.parent.mkdir()
    survey().to_csv(file, index=False)
    loaded = init(file)
    assert item(loaded, "recommend") == ("recommend", "nps11", "nps")
    assert item(loaded, "overall_satisfaction") == ("overall_satisfaction", "csat5", "overall")
    assert item(loaded, "Q3_delivery") == ("delivery", "csat5", "attribute")
    assert item(loaded, "ease_of_use") == ("ease_of_use", "ces7", "ces")
    assert loaded.scales["nps11"].missing == {11: "blank"}
    assert loaded.scales["csat5"].missing == {0: "blank", 6: "not_used", 9: "refused"}
    answers = loaded.tables.responses[0]
    assert answers.response_id is not None
    assert answers.response_id.column == ["resp_id"]
    assert answers.customer is not None
    assert answers.customer.column == ["customer_id"]
    assert answers.weight is not None
    assert answers.date is not None
    assert answers.date.format is None
    assert set(answers.segments) == {"gender", "age_group"}
    assert loaded.tables.comments[0].text == ["comment"]
    assert (loaded.periods.grain, loaded.periods.first, loaded.periods.last) == ("month", "2026-01", "2026-06")


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ";"), ("utf-8-sig", ","), ("utf-16", "\t"), ("gb18030", ","), ("cp1252", "|"), ("utf-16-le", ",")],
)
def test_encodings_and_delimiters(tmp_path: Path, init: Callable[..., Params], encoding: str, delimiter: str) -> None:
    frame = survey(80)
    chinese = encoding != "cp1252"
    frame["评价"] = ["配送很慢，客服态度很好，下次还会再来购买"] * len(frame) if chinese else "x"
    frame["ort"] = ["Köln", "Zürich"] * 40 if not chinese else ["北京", "上海"] * 40
    frame = frame.rename(columns={} if chinese else {"评价": "x"})
    file = tmp_path / "survey.csv"
    file.write_bytes(frame.to_csv(index=False, sep=delimiter).encode(encoding))
    loaded = init(file)
    assert item(loaded, "recommend")[2] == "nps"
    assert (loaded.tables.comments[0].text[1:] == ["评价"]) is chinese


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx", ".jsonl", ".sav", ".csv.gz"])
def test_formats(tmp_path: Path, init: Callable[..., Params], suffix: str) -> None:
    import pyreadstat

    file = tmp_path / f"survey{suffix}"
    frame = survey(120)
    if suffix == ".parquet":
        frame["recommend"] = frame["recommend"].astype(float)  # as pandas writes codes beside a blank
        frame.to_parquet(file)
    elif suffix == ".xlsx":
        frame.to_excel(file, index=False)
    elif suffix == ".jsonl":
        frame.to_json(file, orient="records", lines=True, force_ascii=False)
    elif suffix == ".sav":
        pyreadstat.write_sav(frame, file, variable_value_labels={"age_group": {1: "young", 5: "old"}})
    else:
        frame.to_csv(file, index=False)
    loaded = init(file)
    assert item(loaded, "recommend")[1:] == ("nps11", "nps")
    assert item(loaded, "overall_satisfaction")[1:] == ("csat5", "overall")


def test_waves_and_renamed_columns(tmp_path: Path, init: Callable[..., Params]) -> None:
    for number, wave in enumerate(["2025Q4", "2026Q1", "2026Q2"]):
        frame = survey(100, seed=number).drop(columns="interview_date")
        frame["resp_id"] = range(1, 101)  # numbers start again in each file
        if wave == "2025Q4":
            frame = frame.drop(columns="weight").rename(columns={"Q3_delivery": "Q7_Delivery"})
        frame.to_csv(tmp_path / f"survey_{wave}.csv", index=False)
    loaded = init(*tmp_path.glob("*.csv"))
    assert loaded.inputs["survey"].path == ["survey_{wave}.csv"]
    assert loaded.inputs["survey"].waves == ["2025Q4", "2026Q1", "2026Q2"]
    assert (loaded.periods.grain, loaded.periods.first, loaded.periods.last) == ("quarter", "2025Q4", "2026Q2")
    answers = loaded.tables.responses[0]
    assert answers.response_id is not None
    assert answers.response_id.prefix == "wave"
    assert answers.weight is not None
    assert answers.weight.if_absent == "unweighted"
    assert params.items(loaded)["delivery"].column == ["Q7_Delivery", "Q3_delivery"]


def test_several_files_several_tables(tmp_path: Path, init: Callable[..., Params]) -> None:
    rng = random.Random(3)
    answers = survey(150)
    answers["brand"] = [rng.choice(["Alder", "Birch & Co", "桤木"]) for _ in range(150)]
    answers.to_csv(tmp_path / "answers.csv", index=False)
    people = sorted(set(answers["customer_id"]))
    frame = {"customer_id": people, "email": [f"p{i}@example.com" for i in range(len(people))]}
    pd.DataFrame(frame | {"region": [rng.choice("NSEW") for _ in people]}).to_csv(tmp_path / "crm.csv", index=False)
    bought = [
        {"order_id": f"O{i}", "customer_id": rng.choice(people), "order_date": f"{1 + i % 28:02d}.{1 + i % 6:02d}.2026",
         "amount": f"{rng.random() * 90:.2f}", "sku": f"S{rng.randrange(500)}"}
        for i in range(300)
    ]  # fmt: skip
    pd.DataFrame(bought).to_csv(tmp_path / "orders.csv", index=False, sep=";")
    loaded = init(*tmp_path.glob("*.csv"))
    assert {(b.id, b.label) for b in loaded.brands} == {
        ("alder", "Alder"),
        ("birch_co", "Birch & Co"),
        ("桤木", "桤木"),
    }
    orders = loaded.tables.transactions[0]
    assert orders.amount is not None
    assert orders.amount.column == ["amount"]
    assert orders.date is not None
    assert orders.date.format == ["%d.%m.%Y"]
    assert loaded.tables.customers[0].keys["email"].column == ["email"]
    assert "region" in loaded.tables.customers[0].segments


def test_ratings_in_words(tmp_path: Path, init: Callable[..., Params]) -> None:
    words = ["Very dissatisfied", "Dissatisfied", "Neither", "Satisfied", "Very satisfied", "Don't know"]
    zh = ["非常不满意", "不满意", "一般", "满意", "非常满意"]
    frame = pd.DataFrame({"date": ["2026-01-05"] * 60, "service": words * 10, "店员": zh * 12})
    frame.to_csv(tmp_path / "s.csv", index=False)
    loaded = init(tmp_path / "s.csv")
    assert params.items(loaded)["service"].map == {w: i for i, w in enumerate(words[:5], 1)}
    assert params.items(loaded)["店员"].map == {w: i for i, w in enumerate(zh, 1)}


def test_long_answers(tmp_path: Path, init: Callable[..., Params]) -> None:
    rows = [
        {"resp_id": f"R{i}", "date": "2026-02-01", "question": q, "score": 1 + (i + len(q)) % 5}
        for i in range(60)
        for q in ("overall", "price", "delivery time")
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "long.csv", index=False)
    loaded = init(tmp_path / "long.csv")
    assert loaded.tables.ratings[0].shape == "long"
    assert params.items(loaded)["delivery_time"].column == ["delivery time"]
    assert params.items(loaded)["overall"].role == "overall"


HOSTILE = [
    "a: b", "#c", "- d", "e\tf", '"g"', "'h'", "*i", "&j", "!k", "%l", "@m", "{n}", "[o]", "p,q", "yes", "null", "~",
    "010", "r\ns", "", "<script>alert(1)</script>", "t\u202eu", "Ünïcödé", "满意度", "😀", "x" * 300, "\\v", "${HOME}",
    "w ", "? y", "|", "z\x85z", "true", "1.0", "2026-01-01", "'; DROP TABLE x; --",
]  # fmt: skip


def test_hostile_column_names(tmp_path: Path, init: Callable[..., Params]) -> None:
    frame = survey(60)
    for number, name in enumerate(HOSTILE):
        frame[name] = [(number + i) % 5 + 1 for i in range(60)]
    frame.to_csv(tmp_path / "s.csv", index=False)
    loaded = init(tmp_path / "s.csv")
    asked = {c for i in params.items(loaded).values() for c in i.column}
    assert {"a: b", "*i", "yes", "010", "满意度", "😀", "'; DROP TABLE x; --", "${HOME}", "\\v"} <= asked
    assert not any("\n" in c or len(c) > 200 for c in asked)


@pytest.mark.parametrize("text", [*HOSTILE, "plain", "two words", "a.b", "-", "1", "a\\b", "\u2028", "\ufeff", "\x7f"])
def test_quoting_reads_back(text: str) -> None:
    assert yaml.safe_load(f"[{quote(text)}, {{k: {quote(text)}}}]")[0] == text
    assert yaml.safe_load(f"{quote(text)}: 1") == {text: 1}


def test_every_line_is_explained_and_doubts_are_marked(tmp_path: Path) -> None:
    frame = survey(60).drop(columns="interview_date")
    frame.to_csv(tmp_path / "s.csv", index=False)
    found = scaffold.init([tmp_path / "s.csv"], tmp_path / "me.yaml")
    lines = [x for x in found.text.splitlines() if x.strip() and not x.lstrip().startswith("#")]
    bare = [x for x in lines if "#" not in x and not x.rstrip().endswith(":") and "{id:" not in x]
    assert len(bare) <= 2, bare
    assert "# guess:" in found.text
    assert any("no dates" in d for d in found.doubts)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    survey(30).to_csv(tmp_path / "s.csv", index=False)
    out = tmp_path / "me.yaml"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(CxError, match="exists already"):
        scaffold.init([tmp_path / "s.csv"], out)
    assert out.read_text(encoding="utf-8") == "mine"
    scaffold.init([tmp_path / "s.csv"], out, force=True)
    assert "client: me" in out.read_text(encoding="utf-8")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["me.yaml", "s.csv"]


def test_all_unreadable_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "x.docx").write_text("x", encoding="utf-8")
    (tmp_path / "fake.parquet").write_bytes(b"no parquet")
    names = ["empty.csv", "x.docx", "fake.parquet", "missing.csv"]
    with pytest.raises(CxError) as caught:
        scaffold.init([tmp_path / n for n in names], tmp_path / "out" / "me.txt")
    text = str(caught.value)
    assert all(n in text for n in [*names, "me.txt"])
    assert not (tmp_path / "out").exists()


def test_files_without_anything_to_analyse(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1.5, 2.5], "y": [3.25, 4.75]}).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(CxError, match="no ratings, comments, amounts or customers"):
        scaffold.init([tmp_path / "s.csv"], tmp_path / "me.yaml")
    assert not (tmp_path / "me.yaml").exists()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("满意，很好", "gb18030"),
        ("plain", "utf-8"),
        ("é", "utf-8"),
        ("naïve café", "cp1252"),
        ("滿意很好謝謝", "big5"),
    ],
)
def test_encodings_are_found(text: str, encoding: str) -> None:
    data = (text * 20).encode(encoding)
    assert data.decode(find_encoding(data)) == text * 20 or encoding == "big5"


@pytest.mark.shared
def test_the_airport(shared_data: Path, init: Callable[..., Params]) -> None:
    loaded = init(*sorted((shared_data / "sfo_survey").glob("*.parquet")), clean=False)  # checked in tests/connect
    assert loaded.inputs["sfo"].waves == ["2012", "2013", "2014", "2015", "2016", "2017"]
    assert item(loaded, "NETPRO")[1:] == ("nps11", "nps")
    assert loaded.scales["nps11"].missing == {11: "blank"}
    assert item(loaded, "Q8N_WHOLE")[2] == "overall"
    asked = params.items(loaded)
    assert any({"Q8B_FOOD", "Q7B_FOOD", "Q7FOOD"} <= set(i.column) for i in asked.values())
