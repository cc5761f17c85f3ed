"""Real data: the airport's six waves and the Olist shop, against figures known beforehand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cxlab import connect
from cxlab.connect import Store
from cxlab.params import from_dict, load

pytestmark = pytest.mark.shared

FIVE = {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4, "missing": {0: "blank", "Blank": "blank", 6: "not_used"}}
WAVES = [2012, 2013, 2014, 2015, 2016, 2017]


@pytest.fixture(scope="module")
def airport(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    params = from_dict(
        {
            "client": "airport",
            "data_root": str(shared_data / "sfo_survey"),
            "brands": [{"id": "airport", "label": "The airport"}],
            "periods": {"grain": "year", "first": "2012", "last": "2017"},
            "scales": {"five": FIVE, "nps": {"codes": list(range(11)), "missing": {11: "blank"}}},
            "inputs": {"survey": {"path": "sfo_{wave}.parquet", "waves": WAVES}},
            "tables": {
                "responses": {
                    "from": "survey",
                    "response_id": {"column": ["RESPNUM", "*RESPNUM"], "prefix": "wave"},
                    "period": {"from": "wave"},
                    "weight": {"column": "WEIGHT", "if_absent": "unweighted"},
                    "channel": {"const": "intercept"},
                    "segments": {
                        "age": {"column": ["Q19_AGE", "Q18_AGE", "Q18AGE", "Q19AGE"], "missing": {0: "blank"}}
                    },
                },
                "ratings": {
                    "from": "survey",
                    "items": {
                        "overall": {"column": ["Q8N_WHOLE", "Q7O_WHOLE", "Q7ALL"], "scale": "five", "role": "overall"},
                        "nps": {"column": "NETPRO", "scale": "nps", "role": "nps"},
                        "wifi": {
                            "column": ["Q7I_WIFI", "Q7WIFI"],
                            "scale": "five",
                            "role": "attribute",
                            "touchpoint": "wifi",
                        },
                    },
                },
            },
            "limits": {"max_reject_share": 0.02},
        }
    )
    assert connect.check(params) == []
    return connect.open_store(connect.build(params, tmp_path_factory.mktemp("airport") / "store"))


def nps(cells: pd.DataFrame, by: str) -> float:
    total = cells[by].sum()
    return float(100 * (cells[cells.code >= 9][by].sum() - cells[cells.code <= 6][by].sum()) / total)


def test_airport_recommend_question_gives_the_published_scores(airport: Store) -> None:
    plain = airport.cells("nps", factors=["segment:age"], brand="airport", until="2017")
    weighted = airport.cells("nps", factors=["segment:age"], brand="airport", until="2017", weighting="survey")
    assert plain.n_raw.sum() == 2746
    assert nps(plain, "n") == pytest.approx(39.8, abs=0.05)
    assert nps(weighted, "n") == pytest.approx(40.4, abs=0.05)
    assert set(plain.period) == {"2017"}


def test_every_airport_wave_reconciles(airport: Store, shared_data: Path) -> None:
    found = airport.table("ratings")
    for wave in map(str, WAVES):
        rows = pq.read_metadata(shared_data / "sfo_survey" / f"sfo_{wave}.parquet").num_rows
        own = found[found.period == wave]
        assert len(own) == 3 * rows  # nothing rejected: each item of each row is scored or of one kind of missing
        assert (own.value.isna() == own.missing.notna()).all()
        asked = pq.read_schema(shared_data / "sfo_survey" / f"sfo_{wave}.parquet").names
        never = own[own.item == "nps"].missing.eq("never_asked").sum()
        assert never == (0 if "NETPRO" in asked else rows)
    line = airport.table("reconciliation").set_index("table").loc["ratings"]
    assert line.rows_in == line.rows_used == 18_750
    kinds = ["values_scored", "never_asked", "not_used", "refused", "blank", "values_rejected"]
    assert line.values_in == 3 * 18_750 == line[kinds].sum()
    assert line.values_rejected == 0


OLIST = {
    "client": "olist",
    "brands": [{"id": "olist", "label": "The shop"}],
    "periods": {"grain": "quarter", "first": "2016Q1", "last": "2019Q4"},
    "scales": {"stars": {"codes": [1, 2, 3, 4, 5], "satisfied_from": 4}},
    "inputs": {
        "orders": {"path": "orders.parquet", "key": ["order_id"]},
        "items": {"path": "order_items.parquet", "key": ["order_id", "order_item_id"]},
        "reviews": {"path": "order_reviews.parquet", "key": ["review_id", "order_id"]},
        "customers": {"path": "customers.parquet", "key": ["customer_id"]},
    },
    "lookups": {
        "order_person": {
            "from": "orders",
            "to": "customers",
            "on": "customer_id",
            "take": {"person": "customer_unique_id"},
        },
        "review_order": {
            "from": "reviews",
            "to": "orders",
            "on": "order_id",
            "take": ["person", "order_status"],
            "after": "order_person",
        },
        "review_item": {
            "from": "reviews",
            "to": "items",
            "on": "order_id",
            "take": {"first_product": "product_id"},
            "one": "max price",
        },
        "item_person": {
            "from": "items",
            "to": "orders",
            "on": "order_id",
            "take": ["person", "order_purchase_timestamp"],
            "after": "order_person",
        },
    },
    "tables": {
        "customers": {
            "from": "customers",
            "customer": "customer_unique_id",
            "segments": {"state": "customer_state"},
        },
        "transactions": {
            "from": "items",
            "customer": "person",
            "date": "order_purchase_timestamp",
            "amount": "price",
            "group": "order_id",
        },
        "interactions": {
            "from": "orders",
            "customer": "person",
            "date": "order_delivered_customer_date",
            "touchpoint": {"const": "delivery"},
            "link": "order_id",
            "outcome": {"late": "order_delivered_customer_date::DATE > order_estimated_delivery_date::DATE"},
        },
        "responses": {
            "from": "reviews",
            "response_id": ["review_id", "order_id"],
            "customer": "person",
            "date": "review_creation_date",
            "link": "order_id",
            "variant": "first_product",
        },
        "ratings": {
            "from": "reviews",
            "items": {"overall": {"column": "review_score", "scale": "stars", "role": "overall"}},
        },
        "comments": {
            "from": "reviews",
            "text": ["review_comment_title", "review_comment_message"],
            "rating": "review_score",
            "language": "pt",
        },
    },
    "limits": {"max_reject_share": 0.5},
}


@pytest.fixture(scope="module")
def olist(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    params = from_dict(OLIST | {"data_root": str(shared_data / "olist")})
    return connect.open_store(connect.build(params, tmp_path_factory.mktemp("olist") / "store", key=b"k"))


def test_olist_link_rates(olist: Store) -> None:
    links = olist.table("links").set_index("lookup")
    assert links.rows["review_order"] == 24_546
    assert links.matched["review_order"] == 8_910
    assert links.matched["review_item"] == 10_437
    assert olist.count("responses") == 24_546


def test_olist_reviews_with_both_order_and_item(olist: Store, shared_data: Path) -> None:
    orders = pd.read_parquet(shared_data / "olist" / "orders.parquet", columns=["order_id"])
    reviews = olist.table("responses", columns=["link", "variant"])
    assert int((reviews.variant.notna() & reviews.link.isin(orders.order_id)).sum()) == 6_797


def test_olist_late_customers_were_asked_too_early(olist: Store) -> None:
    found = connect.rated_too_early(olist)
    late = found[found.happened.fillna(False).astype(bool)].iloc[0]
    on_time = found[(found.outcome == "late") & ~found.happened.fillna(True).astype(bool)].iloc[0]
    assert late["mean"] == pytest.approx(2.2, abs=0.05)
    assert on_time["mean"] == pytest.approx(4.3, abs=0.05)
    assert late.share_before == pytest.approx(0.86, abs=0.005)
    assert late.mean_after == pytest.approx(3.7, abs=0.05)


def test_olist_reconciles_and_reads_back(olist: Store) -> None:
    for _, line in olist.table("reconciliation").iterrows():
        assert line.rows_in == line.rows_used + line.rows_out_of_scope + line.rows_rejected
    repeat = olist.sql(
        """SELECT count(*) AS n FROM (SELECT customer FROM transactions WHERE customer IS NOT NULL
        GROUP BY customer HAVING count(DISTINCT basket) > 1)"""
    )
    assert repeat.n[0] == 245


def test_the_examples_as_they_ship(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setenv("CXLAB_DATA", str(shared_data))
    examples = pytestconfig.rootpath / "params" / "examples"
    airport = connect.open_store(connect.build(load(examples / "airport.yaml"), tmp_path / "airport"))
    ages = airport.table("responses", since="2016", until="2016")["segment:age"].value_counts()
    assert ages["Under 18"] == 15  # the one that says so, and 14 of the dragged-down cell
    assert set(ages.index) == {"Under 18", "18-24", "25-34", "35-44", "45-54", "55-64", "65 and over"}
    olist = connect.open_store(connect.build(load(examples / "olist.yaml"), tmp_path / "olist"))
    found = connect.rated_too_early(olist)
    late = found[found.happened.fillna(False).astype(bool)].iloc[0]
    assert late.share_before == pytest.approx(0.86, abs=0.01)  # days, as in the whole shop, not hours
    assert late["mean"] == pytest.approx(2.2, abs=0.1)
