import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.checks.headline import display_width, repeated_share


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("Save 20 %", 9),
        ("夏のセール", 10),
        ("\uff53\uff41\uff4c\uff45", 8),  # full-width letters
        ("ｾｰﾙ", 3),  # half-width katakana
        ("세일", 4),
        ("cafe\N{COMBINING ACUTE ACCENT}", 4),
        ("שלום", 4),
        ("🎉", 2),
        ("👍🏽", 2),  # with a skin tone
        ("👨‍👩‍👧", 2),  # a family is one sign
        ("❤️", 1),
    ],
)
def test_width_counts_columns_and_not_characters(text: str, width: int):
    assert display_width(text) == width


@given(st.text(), st.text())
def test_width_never_shrinks_by_what_is_added(first: str, second: str):
    assert 0 <= display_width(first) <= display_width(first + second) <= 2 * len(first + second)


def test_headline_on_the_banner_is_found_in_spite_of_case_punctuation_and_slips_of_the_ocr():
    assert repeated_share("Trail-ready running shoes", ["TRAIL READY", "runing shoes!"]) == 1.0


def test_headline_in_chinese_is_compared_by_characters():
    assert repeated_share("今日限定セール", ["今日限定", "セール"]) == 1.0


def test_other_words_are_no_repetition():
    assert repeated_share("Trail-ready running shoes", ["Free delivery", "Shop now"]) == 0.0


def test_short_headlines_repeat_by_chance():
    assert repeated_share("Northpeak", ["Northpeak"]) == 0.0


def test_headline_of_any_length_is_compared_by_its_beginning():
    assert repeated_share("word " * 200_000, ["word", "another"]) == 1.0
