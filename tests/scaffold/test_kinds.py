"""Kinds of files that people have, made here: `init` alone gives the right values, or its doubt is marked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cxlab import connect, params, scaffold
from cxlab.connect import Store
from cxlab.errors import CxError

Make = Callable[..., "tuple[str, Store]"]
N = 240
SAYS = [
    "Delivery was late and nobody told us why", "Friendly staff, quick answer", "The shoes fit but the colour faded",
    "Refund took three weeks", "Good price and easy to order", "App crashes when I pay",
]  # fmt: skip
NAMES = ["Deane", "Okafor", "Lindqvist", "Marchetti", "Nowak", "Sato", "Becker", "Alvarez", "Haddad", "Brown"]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Write files by name, let `init` guess, build the tables; the params text and the store."""

    def make(**files: pd.DataFrame | bytes) -> tuple[str, Store]:
        paths = []
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif path.suffix == ".xlsx":
                content.to_excel(path, index=False)
            elif path.suffix == ".jsonl":
                path.write_text("\n".join(json.dumps(row) for row in content.to_dict("records")), encoding="utf-8")
            else:
                content.to_csv(path, index=False)
            paths.append(path)
        text = scaffold.init(paths, tmp_path / "me.yaml").text
        return text, connect.open_store(connect.build(params.load(tmp_path / "me.yaml"), tmp_path / "store"))

    return make


def line(text: str, key: str) -> str:
    """The first line of a params file that sets a key."""
    return next((x for x in text.splitlines() if x.strip().startswith(f"{key}:")), "")


def days(n: int = N) -> list[date]:
    return [date(2025, 1, 3) + timedelta(days=i * 170 // n) for i in range(n)]


def stars(rng: random.Random, n: int = N) -> list[int]:
    return [rng.choice([1, 2, 4, 5, 5, 5]) for _ in range(n)]


def said(rng: random.Random, n: int = N) -> list[str]:
    return [f"{rng.choice(SAYS)} ({i})." for i in range(n)]


def people(rng: random.Random, n: int = N) -> list[str]:
    return [f"{rng.choice('ABCDEFGHJKLMNOP')}. {NAMES[i % 10]}{chr(97 + i // 10 % 26)}" for i in range(n)]


def ordinal(day: date) -> str:
    """1st, 2nd, 11th."""
    ending = "th" if 11 <= day.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{day.day}{ending}"


def test_a_trustpilot_export(made: Make) -> None:
    rng = random.Random(1)
    given = stars(rng)
    frame = pd.DataFrame(
        {
            "Review Id": [f"{rng.getrandbits(48):012x}" for _ in range(N)],
            "Review Created (UTC)": [f"{d.isoformat()} 08:15:30" for d in days()],
            "Review Username": people(rng),
            "Review Title": [f"Title {i}" for i in range(N)],
            "Review Content": said(rng),
            "Review Stars": given,
            "Review Language": ["en"] * N,
            "Company Reply Content": ["Thank you for telling us about it, we will look"] * N,
        }
    )
    text, store = made(trustpilot__csv=frame)
    assert "Trustpilot" in text
    assert "solicited: false" in text
    assert "first_party: false" in text
    assert "Review Id" in line(text, "response_id")
    assert "Reply" not in line(text, "text")
    assert float(store.sql("SELECT avg(value) FROM ratings").iloc[0, 0]) == pytest.approx(sum(given) / N)
    assert int(store.sql("SELECT count(*) FROM comments WHERE language = 'en'").iloc[0, 0]) == N
    assert set(store.sql("SELECT DISTINCT solicited FROM responses").iloc[:, 0]) == {False}


def test_reviewers_names_are_no_ids_and_reviews_are_not_asked_for(made: Make) -> None:
    rng = random.Random(2)
    frame = pd.DataFrame(
        {
            "reviewer": people(rng),
            "posted": [d.isoformat() for d in days()],
            "stars": stars(rng),
            "body": said(rng),
        }
    )
    text, store = made(export__csv=frame)
    assert "reviewer" not in line(text, "response_id")
    assert "solicited: false" in text
    assert "guess:" in line(text, "solicited")
    assert int(store.sql("SELECT count(*) FROM responses").iloc[0, 0]) == N


def test_an_app_store_export(made: Make) -> None:
    rng = random.Random(3)
    frame = pd.DataFrame(
        {
            "Date": [d.isoformat() for d in days()],
            "Version": [f"5.{i % 4}.1" for i in range(N)],
            "Country": ["de", "us", "fr"] * (N // 3),
            "Author": people(rng),
            "Title": [f"Heading number {i}" for i in range(N)],
            "Review": said(rng),
            "Rating": stars(rng),
        }
    )
    text, _ = made(reviews__csv=frame)
    assert "App Store" in text
    assert "Author" not in line(text, "response_id")
    assert "solicited: false" in text


def test_half_stars_of_several_kinds_are_ratings(made: Make) -> None:
    rng = random.Random(4)
    half = [0.5 * k for k in range(1, 11)]
    frame = pd.DataFrame(
        {
            "用户昵称": [f"吃货{i}号" for i in range(N)],
            "星级": [rng.choice(half) for _ in range(N)],
            "口味": [rng.choice(half) for _ in range(N)],
            "环境": [rng.choice(half) for _ in range(N)],
            "服务": [rng.choice(half) for _ in range(N)],
            "评论时间": [d.isoformat() for d in days()],
            "评论内容": [f"菜的味道很好，服务也不错，下次还会再来第{i}次" for i in range(N)],
        }
    )
    text, store = made(dianping__csv=frame)
    assert "大众点评" in text
    items = set(store.sql("SELECT DISTINCT item FROM ratings").iloc[:, 0])
    assert items == {"星级", "口味", "环境", "服务"}
    mean = float(store.sql("SELECT avg(value) FROM ratings WHERE item = '口味'").iloc[0, 0])
    assert mean == pytest.approx(2 * frame["口味"].mean())


def test_a_known_export_asks_no_more_than_it_needs(made: Make) -> None:
    rng = random.Random(5)
    frame = pd.DataFrame(
        {
            "#": [f"{rng.getrandbits(40):010x}" for _ in range(N)],
            "How likely are you to recommend us to a friend?": [rng.randrange(11) for _ in range(N)],
            "How satisfied were you overall?": [rng.choice([2, 3, 4, 4, 5]) for _ in range(N)],
            "Response Type": ["completed"] * N,
            "Start Date (UTC)": [f"{d.isoformat()} 08:15:30" for d in days()],
            "Submit Date (UTC)": [f"{d.isoformat()} 08:19:30" for d in days()],
            "Network ID": [f"{rng.getrandbits(40):010x}" for _ in range(N)],
        }
    )
    text, store = made(typeform__csv=frame)
    assert "Typeform" in text
    assert "Submit Date" in line(text, "date")
    assert "#" in line(text, "response_id")
    assert int(store.sql("SELECT count(*) FROM ratings WHERE role = 'nps'").iloc[0, 0]) == N


def test_options_to_tick_are_no_channel(made: Make) -> None:
    rng = random.Random(6)
    frame = pd.DataFrame(
        {
            "id": [f"R{i:04d}" for i in range(N)],
            "date": [d.isoformat() for d in days()],
            "overall_satisfaction": stars(rng),
            **{
                f"Which channels do you use? - {c}": [rng.randrange(2) for _ in range(N)]
                for c in ("Web", "Shop", "App")
            },
        }
    )
    text, _ = made(ticks__csv=frame)
    assert not line(text, "channel")


def test_words_that_stand_in_another_column_are_read_once(made: Make) -> None:
    rng = random.Random(7)
    titles, bodies = [f"Heading number {i}" for i in range(N)], said(rng)
    frame = pd.DataFrame(
        {
            "date": [d.isoformat() for d in days()],
            "title": titles,
            "text": bodies,
            "review": [f"{a}. {b}" for a, b in zip(titles, bodies, strict=True)],
            "overall": stars(rng),
        }
    )
    text, store = made(joined__csv=frame)
    assert "read once" in text
    words = store.sql("SELECT text FROM comments ORDER BY line").iloc[:, 0]
    assert all(w.count(b.lower()) <= 1 for w, b in zip(words.str.lower(), bodies, strict=True))
    assert words.str.contains("Heading number").all()


def test_languages_are_languages(made: Make, tmp_path: Path) -> None:
    rng = random.Random(8)
    frame = pd.DataFrame(
        {
            "date": [d.isoformat() for d in days()],
            "lang": ["__label__en", "German", "zh-Hans", "??"] * (N // 4),
            "comment": said(rng),
            "overall": stars(rng),
        }
    )
    _, store = made(langs__csv=frame)
    found = store.sql("SELECT language, count(*) AS n FROM comments GROUP BY 1").set_index("language")["n"]
    assert found.to_dict().get("en") == found.get("de") == found.get("zh") == N // 4
    loaded = params.load(tmp_path / "me.yaml")
    assert any("name no language" in n for n in connect.checkup(loaded).notices)


@pytest.mark.parametrize(
    ("write", "formats"),
    [
        (lambda d: f"{ordinal(d)} {d:%B %Y}", 1),
        (lambda d: f"{d:%B} {ordinal(d)}, {d:%Y}", 1),
        (lambda d: f"{d:%d/%m/%Y}" if d.toordinal() % 3 else f"{d:%d %b %Y}", 2),
        (lambda d: f"{d:%Y-%m-%d}" if d.toordinal() % 2 else f"{d:%d.%m.%Y}", 2),
        (lambda d: f"{d:%d-%b-%y}", 1),
        (lambda d: str((datetime(d.year, d.month, d.day) - datetime(1899, 12, 30)).days), 0),
    ],
    ids=["2nd January 2025", "January 2nd, 2025", "mixed", "mixed ISO", "02-Jan-25", "Excel serial"],
)  # fmt: skip
def test_days_in_every_spelling(made: Make, write: Callable[[date], str], formats: int) -> None:
    rng = random.Random(9)
    frame = pd.DataFrame(
        {"date": [write(d) for d in days()], "overall": stars(rng), "nps": [rng.randrange(11) for _ in range(N)]}
    )
    text, store = made(spelled__csv=frame)
    assert (
        store.sql("SELECT date FROM responses ORDER BY line").iloc[:, 0].astype("datetime64[s]").dt.date.tolist()
        == days()
    )
    assert ("guess:" in line(text, "date")) == (formats != 1)


def test_day_and_month_in_both_orders_are_told(made: Make) -> None:
    rng = random.Random(10)
    frame = pd.DataFrame(
        {"date": [f"{d:%d/%m/%Y}" if i % 2 else f"{d:%m/%d/%Y}" for i, d in enumerate(days())], "overall": stars(rng)}
    )
    text, _ = made(orders__csv=frame)
    assert "both orders" in text


def test_invoices_of_a_german_workbook(made: Make) -> None:
    rng = random.Random(11)
    cents = [rng.randrange(500, 400_000) for _ in range(N)]
    euros = [f"{c // 100:,}".replace(",", ".") + f",{c % 100:02d} €" for c in cents]
    frame = pd.DataFrame(
        {
            "Rechnungsnr": [f"RE-{i:05d}" for i in range(N)] + ["Summe"],
            "Kundennummer": [f"K{rng.randrange(60):03d}" for _ in range(N)] + [None],
            "Rechnungsdatum": [f"{d:%d.%m.%Y}" for d in days()] + [None],
            "Betrag": [*euros, f"{sum(cents) // 100:,}".replace(",", ".") + f",{sum(cents) % 100:02d} €"],
        }
    )
    text, store = made(rechnungen__xlsx=frame)
    assert 'decimal: ","' in text
    found = store.sql("SELECT count(*), sum(amount), count(DISTINCT customer) FROM transactions")
    assert found.iloc[0, 0] == N
    assert found.iloc[0, 1] == pytest.approx(sum(cents) / 100)
    assert store.sql("SELECT reason FROM rejects").iloc[0, 0] == "sums up the rows above: 'Summe'"


def test_a_total_line_without_a_date_column_is_no_customer(made: Make) -> None:
    rng = random.Random(12)
    given = stars(rng)
    frame = pd.DataFrame(
        {
            "Store": ["North", "South"] * (N // 2) + ["Average"],
            "Overall satisfaction": [*given, sum(given) / N],
            "Age": [30 + i % 40 for i in range(N)] + [None],
            "Comment": [*said(rng), None],
        }
    )
    _, store = made(summed__csv=frame)
    assert store.sql("SELECT count(value), avg(value) FROM ratings").iloc[0].tolist() == [
        N,
        pytest.approx(sum(given) / N),
    ]


def test_a_comment_beside_an_unreadable_score_stays(made: Make, tmp_path: Path) -> None:
    rng = random.Random(13)
    given: list[object] = [*stars(rng)]
    given[5] = 42
    frame = pd.DataFrame({"date": [d.isoformat() for d in days()], "overall_satisfaction": given, "comment": said(rng)})
    _, store = made(odd__csv=frame)
    assert int(store.sql("SELECT count(*) FROM comments").iloc[0, 0]) == N
    assert int(store.sql("SELECT count(value) FROM ratings").iloc[0, 0]) == N - 1


def test_two_currencies_in_one_column_are_never_added(made: Make) -> None:
    rng = random.Random(14)
    frame = pd.DataFrame(
        {
            "order_id": [f"O{i:05d}" for i in range(N)],
            "customer_id": [f"C{rng.randrange(60):03d}" for _ in range(N)],
            "order_date": [d.isoformat() for d in days()],
            "total": [f"{'€' if i % 3 else '$'}{rng.randrange(500, 9000) / 100:.2f}" for i in range(N)],
        }
    )
    with pytest.raises(CxError, match="several currencies"):
        made(shop__csv=frame)


def test_answers_of_one_flight_are_a_cluster(made: Make) -> None:
    rng = random.Random(15)
    frame = pd.DataFrame(
        {
            "interview": [f"R{i:04d}" for i in range(N)],
            "date": [d.isoformat() for d in days()],
            "flight": [f"LH{100 + i // 8}" for i in range(N)],
            "overall_satisfaction": stars(rng),
            "gender": [rng.choice("FM") for _ in range(N)],
        }
    )
    text, store = made(flights__csv=frame)
    assert "guess:" in line(text, "cluster")
    assert int(store.sql("SELECT count(DISTINCT cluster) FROM responses").iloc[0, 0]) == N // 8
