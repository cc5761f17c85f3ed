"""Chats and tickets in the canonical table: conversation, turn and speaker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxlab.readiness.facts import copied_texts
from tests.connect.make import params, store, totals

HEADER = "id,chat,no,who,brand,day,words\n"
ROWS = (
    "1,k1,2,Visitor,north,2026-01-05,my parcel is late\n2,k1,1,Bot,north,2026-01-05,How can I help you today?\n"
    "3,k2,1,客服,north,2026-01-06,您好，请问有什么可以帮您\n4,k2,2,顾客,north,2026-01-06,包裹还没到\n"
    "5,,,,north,2026-01-07,a note without a chat\n"
)


def chats(folder: Path, rows: str = ROWS, **comments: Any) -> Any:
    (folder / "s.csv").write_text(HEADER + rows, encoding="utf-8")
    mapping = {"from": "s", "comment_id": "id", "brand": "brand", "date": "day", "text": "words"} | comments
    return store(folder, params(folder, tables={"comments": mapping}))


def test_turns_know_their_conversation_place_and_speaker(tmp_path: Path) -> None:
    found = chats(tmp_path, conversation="chat", turn="no", speaker="who").table("comments").set_index("comment_id")
    assert found.conversation.dropna().to_dict() == {"1": "k1", "2": "k1", "3": "k2", "4": "k2"}
    assert found.turn.dropna().astype(int).to_dict() == {"1": 2, "2": 1, "3": 1, "4": 2}
    assert list(found.speaker) == ["customer", "agent", "agent", "customer", "customer"]


def test_turns_are_counted_in_the_order_of_rows_if_nothing_says_so(tmp_path: Path) -> None:
    found = chats(tmp_path, conversation="chat").table("comments").set_index("comment_id")
    assert found.turn.dropna().astype(int).to_dict() == {"1": 1, "2": 2, "3": 1, "4": 2}
    assert set(found.speaker) == {"customer"}


def test_texts_that_are_no_turns_stay_as_they_were(tmp_path: Path) -> None:
    found = chats(tmp_path).table("comments")
    assert found.conversation.isna().all()
    assert found.turn.isna().all()
    assert set(found.speaker) == {"customer"}


def test_a_speaker_nobody_knows_is_rejected_and_said(tmp_path: Path) -> None:
    built = chats(tmp_path, ROWS + "6,k3,1,Robert,north,2026-01-08,hello\n", speaker="who")
    (reject,) = built.table("rejects").itertuples()
    assert (reject.line, reject.column, reject.value) == (7, "who", "Robert")
    assert reject.reason.startswith("is neither customer nor agent")
    assert totals(built, "s", "comments")["rows_rejected"] == 1


def test_own_words_for_the_speakers_are_mapped(tmp_path: Path) -> None:
    rows = "1,k1,1,in,north,2026-01-05,late\n2,k1,2,out,north,2026-01-05,sorry\n"
    found = chats(tmp_path, rows, speaker={"column": "who", "map": {"in": "customer", "out": "agent"}}).table(
        "comments"
    )
    assert list(found.speaker) == ["customer", "agent"]


@pytest.mark.parametrize(("speaker", "repeats"), [("who", 0), (None, 3)])
def test_set_phrases_of_agents_are_no_copied_texts(tmp_path: Path, speaker: str | None, repeats: int) -> None:
    rows = "".join(f"{k},k{k},1,agent,north,2026-01-05,How can I help you?\n" for k in range(4))
    rows += "9,k9,1,user,north,2026-01-05,where is it\n"
    built = chats(tmp_path, rows, conversation="chat", **({"speaker": speaker} if speaker else {}))
    assert int((copied_texts(built)["n"] - 1).sum()) == repeats
