"""Words of clauses: the same as jieba's, stop words without what topics live from, languages told apart."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cxlab.voice import words

CHINESE = (
    "物流太慢了一直不更新", "下单两天就收到了水壶包装也很整齐", "说好周五送到结果又拖了三天",
    "这家酒店的前台服务态度非常好",
    "乒乓球拍卖完了", "小明硕士毕业于中国科学院计算所", "他来到了网易杭研大厦", "韩敬体说孙健打不过陈真", "",
)  # fmt: skip


def test_chinese_words_are_those_of_jieba() -> None:
    import jieba

    reader = jieba.Tokenizer()
    reader.FREQ, reader.total = reader.gen_pfdict(reader.get_dict_file())
    reader.initialized = True
    assert words.tokens(CHINESE, "zh") == [reader.lcut(text) for text in CHINESE]


def test_no_file_is_written_or_read_in_the_temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    words._cutter.cache_clear()
    assert words.tokens(["客服态度很好"], "zh") == [["客服", "态度", "很", "好"]]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Don’t buy: 2 BAD mugs!! A café 👍", ["don't", "buy", "bad", "mugs", "café"]),
        ("zh", "T恤的iPhone13壳，SIM卡 5 块", ["t恤", "的", "iphone13", "壳", "sim卡", "块"]),
        ("pt", "Não recebi o produto, 100%!", ["não", "recebi", "produto"]),
        ("ja", "配送が早い", ["配送", "送が", "が早", "早い"]),
        ("other", "", []),
    ],
)
def test_words_of_a_language(language: str, text: str, expected: list[str]) -> None:
    assert words.tokens([text], language) == [expected]


def test_stop_words_keep_negations_tone_and_trade() -> None:
    english, chinese = words.stop("en"), words.stop("zh")
    assert {"the", "and", "really"} <= english
    assert {"的", "了", "非常"} <= chinese
    assert not english & {"not", "good", "room", "order", "price", "slow"}
    assert not chinese & {"不", "好", "快", "大"}
    assert "que" in words.stop("pt")
    assert words.stop("other") == frozenset()
    assert {"not", "great"} <= words.tone("en")
    assert "delivery" not in words.tone("en")
    assert "不" in words.tone("zh")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The lamp is not very bright", "en"), ("Produto muito bom", "pt"), ("质量不错 good", "zh"),
        ("とても良い", "ja"), ("정말 좋아요", "ko"), ("Очень хорошо", "ru"), ("Das ist sehr gut", "de"),
        ("iPhone 13", ""), ("", ""),
    ],
)  # fmt: skip
def test_language_of(text: str, language: str) -> None:
    assert words.language_of(text) == language


def test_placeholders_of_masked_data_are_no_words() -> None:
    assert words.tokens(["call [phone] or [date of birth] now"], "en") == [["call", "or", "now"]]
    assert words.tokens(["打[phone]给[name]"], "zh") == [["打", "给"]]
    assert words.tokens(["[email] schreiben"], "de") == [["schreiben"]]
