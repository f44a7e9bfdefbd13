"""Hashed n-grams and statistics of headlines: the same everywhere; ids padded with 0."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adscore.scoring.ngrams import PADDING_ID, STATISTICS, headline_statistics, ngram_ids


def test_ids_never_change():
    # A bundle's table of n-grams is worthless if another release hashes them differently.
    assert ngram_ids(["Ad up"], 2**15).tolist() == [
        [4198, 6083, 12970, 13759, 19226, 22840, 25241, 26065, 28546]
    ]


def test_case_and_compatibility_forms_do_not_count():
    plain, styled = ngram_ids(["fine shoes", "\ufb01ne Shoes"], 2**15)
    assert plain.tolist() == styled.tolist()


def test_order_of_words_counts():
    one, other = ngram_ids(["shoes run", "run shoes"], 2**15)
    assert one.tolist() != other.tolist()


def shared(one, other, version=3):
    """How many n-grams two headlines have in common."""
    first, second = (set(ngram_ids([text], 2**22, version)[0].tolist()) for text in (one, other))
    return len((first & second) - {PADDING_ID})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u4e00\u76ee\u4e86\u7136", "\u76ee\u7684\u4e86\u5f97"),  # Chinese
        (
            "\u30ab\u30e1\u30e9\u306e\u9078\u3073\u65b9",
            "\u65b0\u3057\u3044\u30ab\u30e1\u30e9",
        ),  # Japanese
        ("\u0e25\u0e14\u0e23\u0e32\u0e04\u0e32", "\u0e23\u0e32\u0e04\u0e32\u0e14\u0e35"),  # Thai
    ],
)
def test_scripts_without_spaces_are_read_by_characters(one, other):
    assert shared(one, other) >= 2
    assert shared(one, other, version=2) < shared(one, other)


def test_words_beside_a_script_without_spaces_stay_words():
    assert shared("\u8d2dNike\u978b", "nike") == shared("nike", "nike")


def is_one_word(text, version=3):
    """Whether writing it twice adds nothing but the pair of it with itself."""
    alone, twice = (
        set(ngram_ids([written], 2**22, version)[0].tolist())
        for written in (text, f"{text} {text}")
    )
    return len(twice - alone) == 1


def test_marks_stay_with_their_letters():
    hindi = "\u0939\u093f\u0928\u094d\u0926\u0940"
    assert not shared(hindi, hindi[0])
    assert shared(hindi, hindi[0], version=2)


@pytest.mark.parametrize(
    "emoji",
    [
        "\u2764\ufe0f",  # a heart with its variation selector
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\U0001f44d\U0001f3fd",  # a thumb with its skin tone
        "\U0001f1e9\U0001f1ea",  # a flag
    ],
)
def test_an_emoji_is_one_word(emoji):
    assert is_one_word(emoji)


def test_a_variation_selector_changes_no_emoji():
    assert shared("\u2764\ufe0f", "\u2764") == shared("\u2764", "\u2764")


@pytest.mark.parametrize("version", [1, 2])
def test_older_models_keep_their_ngrams(version):
    ids = [17, 3887, 6083, 10138, 16714, 19226, 22840, 26065, 32454]
    assert ngram_ids(["\u8d2d\u7269 Ad"], 2**15, version).tolist() == [ids]


def test_empty_headline_is_padding_alone():
    assert ngram_ids([""], 64).tolist() == [[PADDING_ID]]
    assert ngram_ids([], 64).shape == (0, 1)


@settings(deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=4), st.sampled_from([2, 64, 2**15]))
def test_a_row_depends_on_its_own_headline(headlines, buckets):
    ids = ngram_ids(headlines, buckets)
    assert ids.dtype == "int32"
    assert ids.min() >= 0
    assert ids.max() < buckets
    for row, headline in zip(ids, headlines, strict=True):
        (alone,) = ngram_ids([headline], buckets)
        kept = row[row != PADDING_ID].tolist()
        assert kept == sorted(set(kept)) == alone[alone != PADDING_ID].tolist()


# === Statistics ===


def test_statistics_never_change():
    # Weights were fitted to these numbers in this order.
    (row,) = np.expm1(headline_statistics(["Save 20% NOW!! Really?"])).round(3).tolist()
    assert row[:6] == [22, 4, 4, 2, 1, 2]
    (row,) = headline_statistics(["Save 20% NOW!! Really?"]).round(3).tolist()
    assert row[6:] == pytest.approx([5 / 13, 3 / 4, np.log1p(13 / 4), 0], abs=1e-3)


@settings(deadline=None)
@given(st.lists(st.text(), max_size=4))
def test_statistics_are_numbers_and_of_each_headline_alone(headlines):
    found = headline_statistics(headlines)
    assert found.shape == (len(headlines), len(STATISTICS))
    assert found.dtype == "float32"
    assert np.isfinite(found).all()
    for row, headline in zip(found, headlines, strict=True):
        assert row.tolist() == headline_statistics([headline])[0].tolist()
