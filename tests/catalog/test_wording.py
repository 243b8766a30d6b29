"""Texts of people: tidied without losing what they meant, searched for what staff should see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.wording import flags_of, masked, says_something, tidy


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  好用  ", "好用"),
        ("一行\r\n二行\r三行", "一行\n二行\n三行"),
        ("一\n\n\n\n\n二", "一\n\n二"),
        ("看\u202e反\u2066了", "看反了"),
        ("空\u200b白\ufeff", "空白"),
        ("e\u0301", "é"),
        ("a\0b\x07c\td", "abcd"),
        ("👩‍👧", "👩‍👧"),
        ("❤\ufe0f" * 6, "❤\ufe0f" * 6),
        ("z" + "\u0335" * 50, "z" + "\u0335" * 4),
        ("<b>粗</b> & 'x'", "<b>粗</b> & 'x'"),
    ],
)
def test_tidy(typed, kept):
    assert tidy(typed) == kept


@given(st.text(max_size=80))
def test_tidy_is_done_once_and_for_all(text):
    once = tidy(text)
    assert tidy(once) == once and "\0" not in once
    once.encode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("很好，秒发货，五星", {}),
        ("3 天 2 次，价格 98.80 元，2026 年买的", {}),
        ("加 微-信", {"words": ["加微信"], "kinds": []}),
        ("看 www.evil.top 有惊喜", {"words": [], "kinds": ["link"]}),
        ("电话一三八零零 138 0013 8000", {"words": [], "kinds": ["contact"]}),
        ("电话１３８００１３８０００", {"words": [], "kinds": ["contact"]}),
        ("卡是 DEMO-A1B2-C3D4 不能用", {"words": [], "kinds": ["key"]}),
        ("卡是 XK93JD02MMQ1Z 不能用", {"words": [], "kinds": ["key"]}),
        ("好好好好好好好好好好", {"words": [], "kinds": ["repeat"]}),
    ],
)
def test_flags(text, found):
    assert flags_of(text, ["加微信"]) == found


def test_an_empty_word_is_in_no_text():
    assert flags_of("随便写点什么", ["", " ", "！"]) == {}


def test_small_things():
    assert says_something("好 好 好", at_least=3) and not says_something("好 好 ", at_least=3)
    assert masked("小满") == "小***" and masked("") == "***"
