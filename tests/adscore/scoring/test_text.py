import dataclasses
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.ngrams import PADDING_ID
from adscore.scoring.text import (
    HeadlineTokenizer,
    is_placeholder,
    normalise,
    train_tokenizer,
)

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


# === One text, one form ===

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467 days"  # held together by joiners


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Don\u2019t miss \u201cit\u201d this year", 'Don\'t miss "it" this year'),
        ("Don`t \u201eworry\u201c", 'Don\'t "worry"'),
        ("Save 20&#37; &amp; more &#8211; today", "Save 20% & more - today"),
        ("Save 20% & more \u2014 today", "Save 20% & more - today"),
        ("Caf&eacute; &#x26; Bar&nbsp;&raquo;", "Caf\u00e9 & Bar \u00bb"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("Q&A; R&D, M&Ms; ?a=1&copy=2", "Q&A; R&D, M&Ms; ?a=1&copy=2"),
        ("Wait\u2026", "Wait..."),
        ("soft\u00adware\u200b for\u200e all\ufeff", "software for all"),
        (FAMILY, FAMILY),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("Shop now \u203a", "Shop now \u203a"),
    ],
)
def test_spellings_of_one_text_are_one_headline(written: str, form: str) -> None:
    assert normalise(written, LIMITS) == form
    assert normalise(form, LIMITS) == form


@pytest.mark.parametrize(
    "nothing",
    [
        "\u200b",
        "\u200b\u200f",
        "\ufeff",
        "\u00ad",
        "\u200d \u200c",
        "\u2800\u3164",
        "\ufe0f",
        "&nbsp;",
        "\x07",
    ],
)
def test_headline_of_nothing_that_is_visible_is_absent(nothing: str) -> None:
    assert normalise(nothing, LIMITS) == ""


@pytest.mark.parametrize(
    "written",
    ["Don\u2019t", "20&#37; \u2013 &amp;", "\u200b", "Wait\u2026", "a\u00adb", "`", "e\u0301 "],
)
def test_version_1_composes_and_joins_alone(written: str) -> None:
    expected = " ".join(unicodedata.normalize("NFC", written).split())
    assert normalise(written, LIMITS, version=1) == expected


PIECES = st.sampled_from(
    [
        "&",
        "amp;",
        "lt;",
        "#37;",
        "&#8203;",
        "&#8217;",
        "\u200b",
        "\u2019",
        "`",
        "\u1fef",
        " ",
        "a",
        "e",
        "\u0301",
        ";",
    ]
)


@given(st.lists(PIECES | ANY_TEXT.filter(lambda text: len(text) < 9), max_size=40).map("".join))
def test_a_form_is_its_own_form(written: str) -> None:
    roomy = dataclasses.replace(LIMITS, max_headline_characters=5_000)
    try:
        form = normalise(written, roomy)
    except InvalidCreativeError:
        return
    assert normalise(form, roomy) == form


# === Text that nobody sees as it is written ===


@pytest.mark.parametrize(
    "template",
    [
        "{KeyWord:Running Shoes} Sale",
        "{keyword:shoes",
        "{{product.name}} now {{product.price}}",
        "Only today: {{product.na",
        "Lamps in %%CITY%% from today",
        "Lamps in %CITY%",
        "{=COUNTDOWN(2026/11/30 23:59:59)} left to save",
        "{=IF(device=mobile,Call):Order} now",
        "Hotels in {LOCATION(City):Paris}",
        "${city} deals",
        "<%= name %>, welcome",
        "Hi *|FNAME|*",
        "[[headline]]",
        "<<city>> weekend",
        "[product_name] is back",
        "__HEADLINE__",
        "##price## only",
        "Hello %(name)s",
        *(
            "NaN",
            "nan",
            "NULL",
            "None",
            "--",
            " - ",
            "\u2014",
            "#N/A",
            "n/a",
            "(not set)",
            "undefined",
        ),
        *("#REF!", '"NULL"', "...", "???", "[object Object]", "TBD", "Lorem ipsum dolor sit amet"),
        "Hello <first_name>",
        "<b>Sale</b>",
        "$NAME$ for less",
        r"\N",
    ],
)
def test_template_or_word_for_nothing_is_a_placeholder(template: str) -> None:
    for version in (1, 2):
        assert is_placeholder(normalise(template, LIMITS, version))


@pytest.mark.parametrize(
    "headline",
    [
        *("Save 20% on shoes", "100% cotton, 50% off", "20 % off %", "Up to -50%", "5%-10% less"),
        *("None of your business", "Null problems", "N/A Records sale", "Nana's cakes", "Na klar!"),
        *(
            "Win!",
            "24/7",
            "$5",
            "\u20ac 9",
            "\u2764\ufe0f",
            "\U0001f525\U0001f525",
            "\u795e\u5947",
            "A",
            "<3",
        ),
        *(
            "[Video] See how",
            "Rock & roll",
            "C# in a week",
            "Up * and * away",
            "a_b",
            "me@home",
            "#1 in town",
        ),
        "x < y and y > z",
        "I <3 Bern",
        "From $5 to $9",
    ],
)
def test_plain_headline_is_no_placeholder(headline: str) -> None:
    assert not is_placeholder(normalise(headline, LIMITS))


@given(ANY_TEXT)
def test_any_text_is_a_placeholder_or_not(text: str) -> None:
    assert is_placeholder(text) in (True, False)
