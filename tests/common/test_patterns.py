"""Regular expressions of staff against what buyers type."""

import pytest

from common.patterns import MAX_PATTERN, BadPattern, check_pattern, fits


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"1[3-9]\d{9}", "13800138000", True),
        (r"1[3-9]\d{9}", "13800138000 ", False),
        (r"1[3-9]\d{9}", "１３８００１３８０００", False),
        (r"[1-9]\d{4,10}|none", "none", True),
        (r"[一-鿿]{2,4}", "王小明", True),
        (r"[^@\s]+@[^@\s]+\.[^@\s]+", "a@example.com", True),
        (r"(?i)vip-\d+", "VIP-7", True),
        (r"a|ab", "ab", True),
    ],
)
def test_the_whole_text_must_match(pattern, text, expected):
    assert fits(pattern, text) is expected


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(a|a)*b", r"(.*a){20}b", r"(\w+\s?)*!"])
def test_no_pattern_makes_time_stand_still(pattern):
    """With Python's own engine these tests would not end."""
    assert not fits(pattern, "a" * 200)


@pytest.mark.parametrize(
    "pattern", ["(", "[z-a]", r"(?=a)a", r"(a)\1", "((a{100}){100}){100}", "a" * (MAX_PATTERN + 1)]
)
def test_what_cannot_be_used_is_told(pattern):
    with pytest.raises(BadPattern):
        check_pattern(pattern)
