"""Texts into clauses: exact places, nothing lost, several aspects apart."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxlab.voice import clauses

ODD = st.text(alphabet="ab .,!?;…\n\r\t，。！？～ 好快但是不过而且慢质量差é👍🏽😍0123'\"()-", max_size=60)


def frame(*texts: object, **more: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"comment_id": [f"c{i}" for i in range(len(texts))], "text": list(texts), **more})


def cut(text: str, language: str = "en") -> list[str]:
    return [text[a:b] for a, b in clauses.pieces(text, language)]


@settings(max_examples=150, deadline=None)
@given(st.lists(ODD | st.none() | st.text(max_size=30), max_size=6))
def test_every_text_is_modelled_or_rejected_and_places_are_exact(texts: list[str | None]) -> None:
    comments = frame(*texts)
    cut_up = clauses.split(comments, least=1)
    rows = cut_up.clauses
    assert set(rows["comment_id"]) | set(cut_up.rejected["comment_id"]) == set(comments["comment_id"])
    assert rows["comment_id"].nunique() == cut_up.modelled == len(comments) - len(cut_up.rejected)
    said = dict(zip(comments["comment_id"], comments["text"], strict=True))
    for row in rows.itertuples():
        assert said[row.comment_id][row.start : row.end] == row.text
        assert row.text.strip() == row.text != ""
    for identity, mine in rows.groupby("comment_id"):
        assert list(mine["clause"]) == list(range(len(mine)))
        assert (mine["start"].to_numpy()[1:] >= mine["end"].to_numpy()[:-1]).all()
        lost = said[identity]
        for start, end in zip(mine["start"][::-1], mine["end"][::-1], strict=True):
            lost = lost[:start] + lost[end:]
        assert not any(c.isalpha() for c in lost), "words between two clauses"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "The room was clean but the breakfast was poor.", ["The room was clean", "but the breakfast was poor."]),
        ("en", "Staff were friendly, the delivery took ages and the price is fair.",
         ["Staff were friendly,", "the delivery took ages", "and the price is fair."]),
        ("en", "Red, green and blue mugs arrived.", ["Red, green and blue mugs arrived."]),
        ("en", "Not only cheap but also good.", ["Not only cheap but also good."]),
        ("en", "Nothing but trouble.", ["Nothing but trouble."]),
        ("en", "Dr. Smith paid 3.50 euros. It works!", ["Dr. Smith paid 3.50 euros.", "It works!"]),
        ("en", "I got it in the 1990's. It broke.", ["I got it in the 1990's.", "It broke."]),
        ("en", "Love it 😍😍 will buy it again", ["Love it 😍😍 will buy it again"]),
        ("en", "Great!!! :-) 👍", ["Great!!! :-) 👍"]),
        ("zh", "质量不错，就是送货太慢了。", ["质量不错，", "就是送货太慢了。"]),
        ("zh", "手机很好，但是客服态度差！", ["手机很好，", "但是客服态度差！"]),
        ("zh", "很好，下次再来", ["很好，下次再来"]),
        ("zh", "衣服有点紧 穿着不舒服", ["衣服有点紧", "穿着不舒服"]),
        ("zh", "物流很快👍👍包装也整齐", ["物流很快👍👍", "包装也整齐"]),
        ("zh", "如果再便宜一点，我会再买。", ["如果再便宜一点，我会再买。"]),
        ("pt", "Produto bom mas a entrega atrasou. Gostei", ["Produto bom", "mas a entrega atrasou.", "Gostei"]),
    ],
)  # fmt: skip
def test_a_sentence_is_cut_where_it_speaks_of_another_thing(language: str, text: str, expected: list[str]) -> None:
    assert cut(text, language) == expected


def test_reasons_of_rejection() -> None:
    comments = frame(
        None, "  \n", "👍👍 !!!", "5", "how can I help?", "spam", "fine", speaker=[""] * 4 + ["agent", "customer", None]
    )
    cut_up = clauses.split(comments, leave_out={"c5"})
    assert dict(cut_up.rejected.itertuples(index=False)) == {
        "c0": "empty", "c1": "empty", "c2": "no_words", "c3": "no_words", "c4": "agent", "c5": "flood",
    }  # fmt: skip
    assert list(cut_up.clauses["comment_id"]) == ["c6"]
    assert set(cut_up.rejected["reason"]) <= set(clauses.REASONS)


def test_equal_clauses_are_told_by_the_first() -> None:
    cut_up = clauses.split(frame("Slow delivery. Nice staff.", "Nice staff.", "Slow delivery."))
    assert list(cut_up.clauses["of"]) == [0, 1, 1, 0]
    assert cut_up.words() == [["slow", "delivery"], ["nice", "staff"]]


def test_mixed_texts_are_cut_by_the_script_of_each_clause() -> None:
    cut_up = clauses.split(
        frame("衣服很好。The shipping was far too slow.", "客服OK", "我的app闪退", language=["zh", "zh", "en"])
    )
    assert list(cut_up.clauses["language"]) == ["zh", "en", "zh", "zh"]


def test_codes_in_a_text_declared_chinese_are_no_english() -> None:
    said = ("zw rights yv", "iPhone 15 Pro Max 256G", "The lamp is far too bright")
    declared = clauses.split(frame(*said, language=["zh"] * 3))
    assert list(declared.clauses["language"]) == ["zh", "zh", "en"]
    assert list(clauses.split(frame(*said)).clauses["language"]) == ["en", "en", "en"]


def test_languages_are_guessed_and_rare_ones_pooled() -> None:
    texts = ["Produto muito bom", "Recomendo", "The lamp is very bright", "灯很亮"]
    assert list(clauses.split(frame(*texts), least=2).clauses["language"]) == ["pt", "pt", "en", "zh"]
    assert list(clauses.split(frame(*texts), least=50).clauses["language"]) == ["other", "other", "en", "zh"]


def test_units() -> None:
    text = "The room was clean but the breakfast was poor. Fine."
    assert [len(clauses.pieces(text, "en", u)) for u in ("comment", "sentence", "clause")] == [1, 2, 3]


def test_a_missing_column_and_a_repeated_id_are_named() -> None:
    with pytest.raises(ValueError, match=r"no column comment_id.*they have text"):
        clauses.split(pd.DataFrame({"text": ["a"]}))
    with pytest.raises(ValueError, match="'c0' stands more than once"):
        clauses.split(pd.DataFrame({"comment_id": ["c0", "c0"], "text": ["a", "b"]}))


def test_no_comments_at_all() -> None:
    nothing = clauses.split(frame())
    assert nothing.comments == nothing.modelled == 0
    assert nothing.languages() == []
    assert list(nothing.clauses.columns) == list(clauses.CLAUSE_COLUMNS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Please call me on [phone].", []),
        ("my e-mail is [email]", []),
        ("请联系我 [phone]", []),
        ("Bitte rufen Sie mich unter [phone] an.", []),
        ("If you need more information, please contact me on [phone].", []),
        ("My number is [phone], evenings only.", []),
        ("Regards, [name]", []),
        ("The web shop crashed twice. Please call me on [phone].", ["The web shop crashed twice."]),
        ("Delivery took far too long this time, call me on [phone].", ["Delivery took far too long this time,"]),
        ("物流太慢了。我的手机是[phone]，晚上有空。", ["物流太慢了。"]),
        ("No one answers [phone]", ["No one answers [phone]"]),
        ("Staff never call me back", ["Staff never call me back"]),
        ("客服电话[phone]打不通", ["客服电话[phone]打不通"]),
        ("The phone number on the site is wrong", ["The phone number on the site is wrong"]),
        ("Mr [name] was rude to me", ["Mr [name] was rude to me"]),
    ],
)
def test_pieces_that_only_offer_contact_are_no_topic(text: str, kept: list[str]) -> None:
    texts = clauses.split(frame(text))
    assert list(texts.clauses["text"]) == kept
    assert list(texts.rejected["reason"]) == ([] if kept else ["contact"])


@pytest.mark.parametrize(
    "text",
    [
        *(
            "nothing",
            "None.",
            "N/A",
            "n/a.",
            "-",
            "no comment",
            "Nothing to add!",
            "无",
            "无。",
            "没有意见",
            "暂时没有",
        ),
        *(
            "没有什么建议了",
            "keine",
            "Rien à signaler",
            "sin comentarios",
            "nada a declarar",
            "特になし",
            "此用户没有填写评价。",
        ),
        *("N.A.", "#N/A", "This user has not filled in a review", "keine Anmerkung", "rien du tout", "brak", "ingen"),
        *("yok", "ไม่มี", "系统默认评论", "该用户未及时主动评价", "评价方未及时做出评价,系统默认好评!"),
        *("There are no comments available for this review", "Kein Kommentar hinterlassen"),
    ],
)
def test_a_text_that_says_nothing_is_no_comment(text: str) -> None:
    found = clauses.split(pd.DataFrame({"comment_id": ["a", "b"], "text": [text, "The parcel came late."]}))
    assert found.rejected.to_dict("records") == [{"comment_id": "a", "reason": "nothing"}]


@pytest.mark.parametrize(
    "text",
    [
        "nothing works",
        "no parking",
        "没有停车位",
        "没有问题，很好",
        "None of the staff helped",
        "默认好评才怪，质量很差",
        "rien ne marche",
        "the user interface is bad",
        "不好",
        "无法登录",
        "keine Ahnung vom Produkt",
    ],
)
def test_a_text_that_begins_like_nothing_is_a_comment(text: str) -> None:
    found = clauses.split(pd.DataFrame({"comment_id": ["a"], "text": [text]}))
    assert found.rejected.empty
