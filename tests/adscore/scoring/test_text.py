import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.text import PADDING_ID, HeadlineTokenizer, normalise, train_tokenizer

LIMITS = InputLimits()
HEADLINES = ["Save 20% on shoes today", "Fresh coffee, delivered", "Shoes that last", "Buy today"]
LENGTH = 12

# Everything that Python calls text, halves of surrogate pairs included.
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=1_100)


@pytest.fixture(scope="module")
def tokenizer() -> HeadlineTokenizer:
    return HeadlineTokenizer(train_tokenizer(HEADLINES, 400), LENGTH)


def refusal(headline: str) -> InvalidCreativeError:
    with pytest.raises(InvalidCreativeError) as caught:
        normalise(headline, LIMITS)
    assert caught.value.field == "headline"
    assert "expected" in str(caught.value)
    assert "Received" in str(caught.value)
    return caught.value


# === Normalisation ===


@pytest.mark.parametrize("headline", ["", " ", "\t\n\r", "\u00a0\u2003\u3000", "\u2028"])
def test_white_space_alone_means_absent(headline: str) -> None:
    assert normalise(headline, LIMITS) == ""


@pytest.mark.parametrize(
    ("headline", "expected"),
    [
        ("  Buy \n\t now ", "Buy now"),
        ("Buy\u00a0now", "Buy now"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("اشتر الآن", "اشتر الآن"),
        ("עכשיו במבצע", "עכשיו במבצע"),
        ("Ship 🚀 it 👩‍👩‍👧‍👦", "Ship 🚀 it 👩‍👩‍👧‍👦"),
        ("今だけ半額", "今だけ半額"),
        ("Buy Now", "Buy Now"),
    ],
)
def test_headlines_that_look_the_same_become_the_same(headline: str, expected: str) -> None:
    assert normalise(headline, LIMITS) == expected


def test_headline_of_10_000_characters_is_refused() -> None:
    error = refusal("x" * 10_000)
    assert error.reason is Reason.HEADLINE_TOO_LONG
    assert "10000 characters" in str(error)
    assert "1000 characters" in str(error)


def test_headline_of_the_longest_length_is_accepted() -> None:
    longest = "x" * LIMITS.max_headline_characters
    assert normalise(longest, LIMITS) == longest
    refusal(longest + "x")


@pytest.mark.parametrize(
    ("headline", "shown"),
    [
        ("a\0b", "U+0000 at character 2"),
        ("ab\ud800", "U+D800 at character 3"),
        ("\udfff", "U+DFFF"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(headline: str, shown: str) -> None:
    error = refusal(headline)
    assert error.reason is Reason.HEADLINE_NOT_TEXT
    assert shown in str(error)
    str(error).encode()


@given(ANY_TEXT)
def test_any_text_is_normalised_or_refused(headline: str) -> None:
    try:
        normalised = normalise(headline, LIMITS)
    except InvalidCreativeError:
        return
    normalised.encode()
    assert "  " not in normalised
    assert normalised == normalised.strip()
    # Composing can lengthen a text, so its result is given room.
    roomy = dataclasses.replace(LIMITS, max_headline_characters=10_000)
    assert normalise(normalised, roomy) == normalised


# === Tokens ===


def test_padding_stands_on_the_left(tokenizer: HeadlineTokenizer) -> None:
    ids, truncated = tokenizer.encode(["today"])
    used = np.flatnonzero(ids[0] != PADDING_ID)
    assert used.size
    assert used[-1] == LENGTH - 1
    assert (np.diff(used) == 1).all()
    assert not truncated[0]


def test_a_long_headline_keeps_its_beginning_and_says_so(tokenizer: HeadlineTokenizer) -> None:
    ids, truncated = tokenizer.encode(["today " * 30, "today " * 40])
    assert truncated.all()
    assert (ids != PADDING_ID).all()
    assert (ids[0] == ids[1]).all()


def test_case_is_folded(tokenizer: HeadlineTokenizer) -> None:
    ids, _ = tokenizer.encode(["BUY TODAY", "buy today"])
    assert (ids[0] == ids[1]).all()


@pytest.mark.parametrize("headline", ["🚀👩‍👩‍👧‍👦", "اشتر الآن", "今だけ半額", "ß\u200b€"])
def test_no_script_or_emoji_is_unknown(tokenizer: HeadlineTokenizer, headline: str) -> None:
    ids, _ = tokenizer.encode([headline])
    assert (ids != PADDING_ID).any()


def test_the_name_of_a_special_token_is_text(tokenizer: HeadlineTokenizer) -> None:
    ids, _ = tokenizer.encode(["[PAD]"])
    assert (ids[0] != PADDING_ID).sum() > 1


def test_no_headlines_give_no_rows(tokenizer: HeadlineTokenizer) -> None:
    ids, truncated = tokenizer.encode([])
    assert ids.shape == (0, LENGTH)
    assert truncated.shape == (0,)


def test_an_absent_headline_is_padding_alone(tokenizer: HeadlineTokenizer) -> None:
    ids, _ = tokenizer.encode([""])
    assert (ids == PADDING_ID).all()


@given(headlines=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_headlines_give_ids_of_one_shape(
    tokenizer: HeadlineTokenizer, headlines: list[str]
) -> None:
    ids, truncated = tokenizer.encode(headlines)
    assert ids.shape == (len(headlines), LENGTH)
    assert ids.dtype == np.int32
    assert truncated.shape == (len(headlines),)
    assert truncated.dtype == bool
    assert ((ids >= 0) & (ids < tokenizer.vocabulary_size)).all()


@given(headlines=st.lists(st.sampled_from(HEADLINES), min_size=1, max_size=5))
def test_a_headline_gets_the_same_ids_in_any_batch(
    tokenizer: HeadlineTokenizer, headlines: list[str]
) -> None:
    batch, _ = tokenizer.encode(headlines)
    for row, headline in enumerate(headlines):
        assert (batch[row] == tokenizer.encode([headline])[0][0]).all()
