"""Personal data disappear from texts; what only looks like them stays."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pytest
from connect.make import params, store

from cxlab.connect import mask
from cxlab.connect.pii import mask as masking


def resident(first17: str) -> str:
    """Return a resident id with a right checksum."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first17 + "10X98765432"[sum(int(d) * w for d, w in zip(first17, weights, strict=True)) % 11]


RESIDENT = resident("11010519491231002")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("write to ann.b+x@mail.example.co.uk, please", "write to [email], please"),
        ("邮箱ann_b@qq.com谢谢", "邮箱[email]谢谢"),
        ("ann＠example．org", "[email]"),
        ("我的电话13800138000，速回", "我的电话[phone]，速回"),
        ("138 0013 8000 or 138-0013-8000", "[phone] or [phone]"),
        ("+86 13800138000", "[phone]"),
        ("１３８００１３８０００", "[phone]"),
        ("打010-62345678转分机", "打[phone]转分机"),
        ("(021) 62345678", "[phone]"),
        ("call +44 20 7946 0958 now", "call [phone] now"),
        ("call 0044 20 7946 0958", "call [phone]"),
        ("my number: (212) 555-0199", "my number: [phone]"),
        ("212-555-0199", "[phone]"),
        ("meu telefone (11) 91234-5678", "meu telefone [phone]"),
        ("whatsapp 91234567 anytime", "whatsapp [phone] anytime"),
        (f"身份证{RESIDENT}。", "身份证[id number]。"),
        (f"id {RESIDENT.lower()}", "id [id number]"),
        ("card 4111 1111 1111 1111 was charged twice", "card [card] was charged twice"),
        ("5500000000000004", "[card]"),
        ("378282246310005", "[card]"),
        ("from 203.0.113.77 I get errors", "from [ip] I get errors"),
        ("护照号E12345678", "护照号[passport]"),
        ("passport number AB1234567", "passport number [passport]"),
        ("车牌京A12345停在门口", "车牌[plate]停在门口"),
        ("沪AD12345 新能源", "[plate] 新能源"),
        ("he parked, number plate AB12 CDE, and left", "he parked, number plate [plate], and left"),
        ("Kennzeichen: M-AB 1234", "Kennzeichen: [plate]"),
        ("the white van AB12 CDE blocked us", "the white van [plate] blocked us"),
        ("voiture AB-123-CD", "voiture [plate]"),
        ("请送到北京市朝阳区建国路88号院3号楼1202室，谢谢", "请送到[address]，谢谢"),
        ("我住在广东省深圳市南山区科技园街道深南大道9988号", "我住在[address]"),
        ("地址：阳光花园5栋2单元501室", "地址：[address]"),
        ("寄到人民路 12 号", "寄到[address]"),
        ("send it to 12 Baker Street, London NW1 6XE please", "send it to [address] please"),
        ("I live at 221b baker street", "I live at [address]"),
        ("It went to 1600 Pennsylvania Ave, Washington, DC 20500!", "It went to [address]!"),
        ("Deliver to 5 Old Mill Lane, Flat 3", "Deliver to [address]"),
        ("meine Adresse Hauptstraße 5a, 80331 München", "meine Adresse [address]"),
        ("j'habite 12 rue de la Paix 75002 Paris", "j'habite [address]"),
        ("moro na Rua das Flores, 123", "moro na [address]"),
        ("vivo en Calle Mayor 7", "vivo en [address]"),
        ("P.O. Box 1234", "[address]"),
        ("王先生态度很好", "[name]先生态度很好"),
        ("王小姐和陈大文先生", "[name]小姐和[name]先生"),
        ("客服李小明女士帮了我", "客服[name]女士帮了我"),
        ("张经理，谢谢", "[name]经理，谢谢"),
        ("姓名：赵敏", "姓名：[name]"),
        ("Mr. Smith was rude, Dr Anna Lee was kind", "Mr. [name] was rude, Dr [name] was kind"),
        ("My name is Jane Doe and I", "My name is [name] and I"),
        ("see https://shop.example/orders?email=a%40b.c&x=1 for it", "see [url] for it"),
        ("https://user:pw@host.example/x", "[url]"),
        ("my page www.facebook.com/ann.b.77", "my page [url]"),
    ],
)
def test_personal_data_are_masked(text: str, clean: str) -> None:
    assert mask(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "I paid 1,299.00 on 2026-03-01 at 12:30, rated 4.5/5",
        "¥12999，买了3件，2026年3月1日送到",
        "order 20260301000123 arrived after 3 days",
        "订单号202603010001234567还没到",
        "flight CA1234, gate 23, seat 31A",
        "waited 10-15 minutes between 08:00 and 09:00",
        "open 2017-2018 and 1800-1900",
        "version 10.0.0.1 of the app crashes, v2.3.4.5 too",
        "the 400-800-1234 hotline never answers",
        "800-555-0199",
        "5 stars, 10/10, 100%",
        "screen 1920x1080, 15.6 inch, 16GB",
        "4111 1111 1111 1112 has a wrong check digit",
        "110105194912310029 is no resident id",
        "ISBN 978-3-16-148410-0",
        "see https://shop.example/size-guide#men and www.example.org/help",
        "小姐姐很漂亮，先生们女士们好",
        "服务员态度好，经理不在，老师推荐的",
        "Mr big mistake, Miss the old menu",
        "a 12345678 steps day, 13 800 138 steps",
        "product 13800138000123",
        "tel",
        "a 2 way street, 3 lane road, a 5 Star Drive",
        "20 minutes from Oxford Street, 2 shops on Baker Street",
        "gate 7, aisle 12, 4 Season duvet, 3 Piece Court suit set",
        "地铁2号线，走路10分钟，中山路店3号柜台",
        "3号下单，5号就到了，一路顺风",
        "买了5号电池和2号色口红，衣服穿M号",
        "在商场里2楼3号桌，5层的餐厅",
        "PS55 PRO and XR12 MAX are products, USB-C 100",
        "the plate was cold, registration took ages, my car 2019 model",
        "I plate 12 dishes, Rua 25, the car runs 100 km",
        "",
        "@home is great, 5@3",
    ],
)
def test_what_is_no_personal_data_stays(text: str) -> None:
    assert mask(text) == text


def test_masking_is_settled_after_one_pass() -> None:
    text = f"Mr Smith, a@b.co, 13800138000, {RESIDENT}, 4111111111111111, 王先生"
    assert mask(mask(text)) == mask(text)


def test_texts_and_rejected_values_are_masked_before_they_are_stored(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "id,day,words\n1,2026-01-05,call 13800138000\n2,2026-01-06,call 13800138000\n3,2026-01-06,fine\n"
        "4,ann@example.org,moved a column\n"
    )
    tables = {
        "responses": {"from": "s", "response_id": "id", "date": "day"},
        "comments": {"from": "s", "text": "words"},
    }
    given = params(tmp_path, brands=["b"], tables=tables)
    built = store(tmp_path, given)
    assert sorted(built.table("comments").text) == ["call [phone]", "call [phone]", "fine"]
    assert set(built.table("rejects").value) == {"[email]"}
    assert b"13800138000" not in b"".join(p.read_bytes() for p in built.path.iterdir())
    plain = store(tmp_path, params(tmp_path, brands=["b"], tables=tables, mask_personal_data=False), "plain")
    assert "call 13800138000" in set(plain.table("comments").text)


def test_rejected_values_are_masked_before_they_are_cut(tmp_path: Path) -> None:
    value = "x" * 190 + " ann.long.name@mail.example.org"  # the cut at 200 signs goes through the address
    (tmp_path / "s.csv").write_text(f"id,day\n1,2026-01-05\n2,{value}\n3,2026-01-05,{value}\n")
    given = params(tmp_path, brands=["b"], tables={"responses": {"from": "s", "response_id": "id", "date": "day"}})
    shown = list(store(tmp_path, given).table("rejects").value)
    assert len(shown) == 2
    assert not any("ann" in v for v in shown)
    assert max(map(len, shown)) <= 200


def test_ids_and_broken_rows_of_people_are_not_kept_among_the_rejects(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("member,name,since\nM7,Jane Doe,2020-01-01\nM7,Jane,2020-01-01\nM8,Roe,Jane,x\n")
    tables = {"customers": {"from": "c", "customer": "member", "since": "since"}}
    given = params(
        tmp_path, brands=["b"], inputs={"s": {"path": "s.csv"}, "c": {"path": "c.csv", "key": "member"}},
        tables=tables | {"responses": {"from": "s", "response_id": "id", "date": "day"}},
    )  # fmt: skip
    (tmp_path / "s.csv").write_text("id,day\n1,2026-01-05\n2,soon\n")
    built = store(tmp_path, given)
    shown = {(r.source, r.line): r.value for r in built.table("rejects").itertuples()}
    assert shown == {("c", 3): "[id]", ("c", 4): "[row]", ("s", 3): "soon"}
    assert b"Jane" not in b"".join(p.read_bytes() for p in built.path.iterdir())
    open_ = store(tmp_path, given.model_copy(update={"mask_personal_data": False}), "open")
    assert "M7" in set(open_.table("rejects").value)


def test_words_in_segments_events_and_actions_are_masked(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,day,group\n1,2026-01-05,ann@example.org\n2,2026-01-05,18-24\n")
    tables = {
        "customers": {"from": "s", "customer": "id", "segments": {"tier": "group"}},
        "responses": {"from": "s", "response_id": "id", "date": "day", "segments": {"age": "group"}},
        "events": {"from": "s", "date": "day", "name": "group"},
        "actions": {"from": "s", "date": "day", "outcome": "group"},
    }
    built = store(tmp_path, params(tmp_path, brands=["b"], tables=tables))
    for table, column in (
        ("customers", "segment:tier"), ("responses", "segment:age"), ("events", "name"), ("actions", "outcome"),
    ):  # fmt: skip
        assert sorted(built.table(table)[column]) == ["18-24", "[email]"], table


@pytest.mark.parametrize("text", ["0a" * 100_000 + "@", "http://" * 20_000 + "11", "a.b-" * 50_000 + "11@"])
def test_a_text_without_spaces_takes_no_longer_than_others(text: str) -> None:
    assert mask(text) == text  # seconds if linear in its length, minutes to hours if quadratic


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("My phone number is 0171 2318527", "My phone number is [phone]"),
        ("my number is 0171 2318527, please refund", "my number is [phone], please refund"),
        ("Ring 0171 2318527 please", "Ring [phone] please"),
        ("number 030 1234567", "number [phone]"),
        ("Mein Telefon: 030/1234567", "Mein Telefon: [phone]"),
        ("我的电话是 6234 5678", "我的电话是 [phone]"),
        ("ma tél 06 12 34 56 78", "ma tél [phone]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [iban]"),
        ("paid from gb82 west 1234 5698 7654 32 twice", "paid from [iban] twice"),
        ("my IBAN is DE89 3704 0044 0532 0130 01", "my IBAN is [iban]"),
        ("anna.keller at gmail.com", "[email]"),
        ("anna (at) gmail (dot) com", "[email]"),
        ("write to anna at keller dot com", "write to [email]"),
        ("邮箱anna艾特qq点com", "邮箱[email]"),
        ("passport C01X00T47", "passport [passport]"),
        ("身份证110101199003074515", "身份证[id number]"),
        ("ID card number 12345678", "ID card number [id number]"),
        ("微信号wxid_abc123", "微信号[account]"),
        ("WeChat ID: annakeller", "WeChat ID: [account]"),
        ("我的QQ号是12345678", "我的QQ号是[account]"),
        ("born 12/03/1980", "born [date of birth]"),
        ("geboren am 12. März 1980", "geboren am [date of birth]"),
        ("1980年3月12日出生", "[date of birth]出生"),
        ("我叫王小明，住在北京市海淀区中关村大街27号", "我叫[name]，住在[address]"),
        ("我是王小明，请回电", "我是[name]，请回电"),
        ("It was bad. Regards, John Peterson", "It was bad. Regards, [name]"),
        ("Sincerely,\nJ. Peterson", "Sincerely,\n[name]"),
        ("Mit freundlichen Grüßen\nAnna von Berg", "Mit freundlichen Grüßen\n[name]"),
        ("Ich heiße Anna Keller", "Ich heiße [name]"),
    ],
)
def test_personal_data_told_by_the_words_before_them_are_masked(text: str, clean: str) -> None:
    assert mask(text) == clean
    assert mask(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "My order number is 0171 2318527, my booking number 12345678",
        "订单号码是 20260301123，订单号 BK500123 没有处理",
        "I am Very Disappointed with Delivery, I am Samsung fan",
        "the number 5 bus, room number 0301 234567",
        "My phone is a Samsung Galaxy 2021, it cost 1299 1399",
        "phone 128 256 GB, iPhone 15 128 256 512, the ring 18 carat cost 1200",
        "bought at amazon.com, look at nike.com, available at shop.de, arrived at 10.30",
        "my birthday on 12/03/2026 was ruined, ordered on 12/03/2026",
        "With regards to Apple, fine. Best wishes for Christmas. Sincerely disappointed.",
        "我是白领，我是顾客，我是程序员，我叫了外卖，我是江苏人，我是周末去的，我是颜值控，",
        "微信支付失败，wechat payment failed, WeChat support is bad, QQ音乐2023年",
        "passport control took 20 minutes in 2026, passport 20260301",
        "call me on 2026-03-01, call me at 10:30",
        "My name is not on the list, order ID is 12345678",
        "XX00 1234 5678 9012 3456 has no country",
    ],
)
def test_words_that_tell_otherwise_keep_their_numbers(text: str) -> None:
    assert mask(text) == text


def test_the_database_lets_through_what_the_patterns_need() -> None:
    """What the database lets through to the patterns is what they need."""
    told = [
        "我叫王小明，",
        "Kind regards, Anna Keller",
        "anna at keller dot com",
        "wxid_abcdef",
        "WeChat ID: annakeller",
    ]
    for text in told:
        rows = duckdb.sql("SELECT regexp_matches(?, ?)", params=[text, masking._SUSPECT]).fetchall()
        assert rows == [(True,)], text
        assert mask(text) != text


@pytest.mark.parametrize(
    "text", ["regards" + "\n" * 20_000, "regards" + ",\n" * 8_000 + "x", "微信" * 8_000 + "a-" * 5_000]
)
def test_signs_without_end_behind_a_word_take_no_time(text: str) -> None:
    began = time.process_time()
    assert mask(text) == text
    assert time.process_time() - began < 0.5
