"""The demo's params file turns the demo's files into tables that agree with the truth."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from cxlab import connect, params
from cxlab.synthetic import write
from cxlab.synthetic.dirt import FAULTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def store(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    write(world, folder)
    demo = params.load(ROOT / "params" / "demo.yaml").model_copy(update={"data_root": str(folder)})
    return connect.build(params.desugar(demo), tmp_path_factory.mktemp("store") / "tables", key=b"demo" * 8)


@pytest.fixture(scope="module")
def table(store):
    return lambda name: pd.read_parquet(store / f"{name}.parquet")


def test_exactly_the_planted_errors_are_rejected(world, table):
    planted = world.truth.rejects.query("level != 'scope'")
    found = table("rejects")
    assert set(zip(found["source"], found["file"], found["line"].astype(int), strict=True)) == set(
        zip(planted["source"], planted["file"], planted["line"], strict=True)
    )
    values = planted[planted["level"] == "value"]
    at = found.merge(values, on=["file", "line"], suffixes=("", "_planted"))
    assert len(at) == len(values)
    assert (at["value"] == at["value_planted"]).all()
    assert all(p in c.split(" | ") for c, p in zip(at["column"], at["column_planted"], strict=True))
    assert at["reason"].str.contains("no code of scale").all()


def test_every_row_and_value_is_accounted_for(world, table):
    book = table("reconciliation").fillna(0)
    assert (book["rows_in"] == book["rows_used"] + book["rows_out_of_scope"] + book["rows_rejected"]).all()
    parts = ["values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected"]
    assert (book["values_in"] == book[parts].sum(axis=1)).all()
    rows = book.groupby(["source", "table"])["rows_in"].sum()
    for file in {f.source for f in world.files}:
        given = sum(len(f.frame) for f in world.files if f.source == file)
        for used in rows[file]:
            assert used == given, file


def test_rows_out_of_scope_are_those_of_october_and_of_another_brand(world, table):
    book = table("reconciliation").query("source == 'web_orders'")
    frame = next(f for f in world.files if f.source == "web_orders").frame
    october = frame["ordered"].str[3:] == "10/2026"
    cedar = frame["shop"] == "Cedar"
    wrong = frame["_fault"].isin([i for i, fault in enumerate(FAULTS) if fault.level in ("row", "copy")])
    assert book["rows_out_of_scope"].sum() == ((october | cedar) & ~wrong).sum() > 100


def test_questions_and_answers_arrive_as_given(world, table):
    ratings = table("ratings")
    given = world.answers.responses
    scored = ratings[ratings["value"].notna()].groupby("item").size()
    planted = world.truth.rejects.query("level == 'value' and source == 'survey'")
    wrong = planted["column"].str.contains("quality", case=False).sum()
    assert scored["quality"] == given["q_quality"].between(1, 5).sum() - wrong
    assert scored["easy"] == given["effort"].between(1, 7).sum()
    assert scored["overall"] == given["overall"].between(1, 5).sum()
    assert scored["expect_staff"] == given["e_staff"].notna().sum()
    missing = ratings[ratings["item"] == "app"]["missing"].value_counts()
    assert missing["never_asked"] == given["q_app"].isna().sum() > 1000
    assert missing["not_used"] == (given["q_app"] == 6).sum()
    assert missing["refused"] == (given["q_app"] == 9).sum()
    assert missing["blank"] == (given["q_app"] == 0).sum()


def test_the_drop_stands_in_the_tables(store):
    score = dict(
        duckdb.sql(
            f"""SELECT brand || period, 100 * (avg((value >= 9)::INT) - avg((value <= 6)::INT))
            FROM '{store}/ratings.parquet' WHERE item = 'nps' AND value IS NOT NULL GROUP BY ALL"""
        ).fetchall()
    )
    assert score["alder2026Q3"] - score["alder2026Q2"] < -12
    assert abs(score["birch2026Q3"] - score["birch2026Q2"]) < 9
    late = dict(
        duckdb.sql(
            f"""SELECT brand || period, avg("outcome:late"::INT) FROM '{store}/interactions.parquet'
            WHERE kind = 'delivery' GROUP BY ALL"""
        ).fetchall()
    )
    assert late["alder2026Q3"] > 0.3
    assert late["birch2026Q3"] < 0.12


def test_the_directory_finds_the_true_people(world, table):
    """Pairs of records (an id of one system) that share a resolved customer against those that share a true one."""
    frames = {f.source: f.frame for f in world.files if f.source != "survey"}
    transactions, contacts = table("transactions"), table("interactions").query("source == 'contacts'")
    nodes = []
    for system, frame, record, key, rows, column in (
        ("member", frames["receipts"], "receipt", "member_no", transactions, "basket"),
        ("account", frames["web_orders"], "order_no", "account_no", transactions, "basket"),
        ("desk", frames["contacts"], "case", "customer", contacts, "interaction_id"),
    ):
        keys = frame[[record, key]].astype(str).set_axis(["record", "key"], axis=1).drop_duplicates()
        found = rows[[column, "customer"]].set_axis(["record", "customer"], axis=1)
        nodes.append(
            keys.merge(found, on="record")[["key", "customer"]].dropna().drop_duplicates().assign(system=system)
        )
    resolved = pd.concat(nodes).merge(world.truth.identities, on=["system", "key"])
    assert len(resolved) > 10_000

    def pairs(*by: str) -> float:
        n = resolved.groupby(list(by)).size()
        return float((n * (n - 1) // 2).sum())

    right = pairs("customer", "true_id")
    assert right / pairs("customer") > 0.97  # couples on one e-mail cannot be told apart
    assert 0.85 < right / pairs("true_id") < 0.99  # nor can a changed address be guessed
    answers = table("responses").merge(world.truth.responses, on="response_id", suffixes=("", "_true"))
    assert answers["customer"].notna().mean() > 0.95
    shared = table("merges")
    assert shared["rule"].str.contains("not merged").sum() == 1  # the front desk's address


def test_visits_belong_to_those_who_ordered(world, table):
    """A session and the order it led up to have one customer in the tables, and so make one path."""
    visits = table("interactions").query("kind == 'visit'")
    assert len(visits) == len(world.visits.rows)
    assert visits["customer"].notna().all()
    rows = world.visits.rows
    assert set(visits["touchpoint"]) == set(rows["touchpoint"])
    mine = pd.DataFrame({"interaction_id": [f"V{i:06d}" for i in range(1, len(rows) + 1)], "order": rows["order"]})
    web = dict(zip(world.life.orders["order"], world.life.orders["web"], strict=True))
    mine = mine[mine["order"] > 0]
    mine["basket"] = [f"{'W' if web[v] else 'S'}{v:06d}" for v in mine["order"]]
    sold = table("transactions").query("kind == 'purchase'")[["basket", "customer"]]
    both = mine.merge(visits[["interaction_id", "customer"]]).merge(sold, on="basket", suffixes=("", "_order"))
    assert len(both) > 0.99 * len(mine)  # but for a few orders with planted errors
    assert (both["customer"] == both["customer_order"]).all()


def test_managers_are_no_customers_and_rate_no_satisfaction(world, table):
    answers, ratings = table("responses"), table("ratings")
    polled = ratings.query("role == 'management'")
    assert set(polled["touchpoint"]) == {"delivery", "product", "store"}
    assert set(polled["source"]) == {"managers"} == set(ratings.query("source == 'managers'")["item"].str[:8])
    mine = answers[answers["response_id"].isin(polled["response_id"])]
    assert len(mine) == len(world.managers.responses)
    assert mine["customer"].isna().all()
    asked = set(ratings[ratings["role"].isin(["overall", "nps", "ces", "attribute"])]["source"])
    assert asked == {"survey", "reviews"}  # nor does the index questionnaire


def test_the_index_questionnaire_arrives_as_given(world, table):
    ratings, given = table("ratings").query("source == 'index_survey'"), world.index.responses
    for item in ("image1", "index_sat2", "loyal3"):
        mine = ratings[ratings["item"] == item]
        assert mine["value"].sum() == given[item][given[item].between(1, 10)].sum()
        assert (mine["missing"] == "blank").sum() == (given[item] == 0).sum()
        assert (mine["missing"] == "refused").sum() == (given[item] == 99).sum()
    answers = table("responses").query("source == 'index_survey'")
    assert answers["customer"].notna().mean() > 0.95
    assert answers["segment:age"].notna().all()


def test_no_personal_data_is_left_in_a_text(world, table):
    written = " ".join(
        f.frame[c].astype(str).str.cat(sep=" ")
        for f in world.files
        for c in ("comment", "body", "note")
        if c in f.frame
    )
    assert written.count("@") > 20
    texts = table("comments")["text"].str.cat(sep=" ")
    assert "@" not in texts
    assert "15400" not in texts
    assert "555" not in texts


def test_comments_keep_their_language(world, table):
    comments = table("comments")
    shares = comments[comments["source"] == "survey"]["language"].value_counts(normalize=True)
    assert shares["en"] + shares["zh"] > 0.99
    chinese = comments["text"].str.contains("[一-鿿]", regex=True)
    assert (comments.loc[chinese, "language"] == "zh").all()


def test_lookups_match_what_the_world_links(world, table):
    links = table("links").set_index("lookup")["rate"]
    assert links["delivery_order"] == 1
    assert 0.5 < links["review_order"] < 0.7


def test_a_world_in_which_nothing_drops_shows_none(switched, tmp_path):
    folder = tmp_path / "calm"
    write(switched(drop=0.0, dirt=0.0), folder)
    demo = params.load(ROOT / "params" / "demo.yaml").model_copy(update={"data_root": str(folder)})
    place = connect.build(params.desugar(demo), tmp_path / "tables", key=b"demo" * 8)
    score = dict(
        duckdb.sql(
            f"""SELECT period, 100 * (avg((value >= 9)::INT) - avg((value <= 6)::INT)) FROM '{place}/ratings.parquet'
            WHERE item = 'nps' AND brand = 'alder' AND value IS NOT NULL GROUP BY ALL"""
        ).fetchall()
    )
    assert abs(score["2026Q3"] - score["2026Q2"]) < 9
    assert pd.read_parquet(place / "rejects.parquet").empty
