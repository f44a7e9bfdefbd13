import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.explanation.words import MAX_PHRASES, MAX_SPANS, split_phrases, split_words


@given(st.text(max_size=200))
def test_words_are_spans_of_the_headline_as_given(headline: str) -> None:
    spans = split_words(headline)
    assert all(headline[span.start : span.end] == span.text != "" for span in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert len(spans) <= MAX_SPANS


@pytest.mark.parametrize(
    ("headline", "words"),
    [
        ("Save 20% on running shoes! Today only.", "Save|20%|on|running|shoes|!|Today|only"),
        ("“Isn\u2019t it great?!” she said", "Isn\u2019t|it|great|?!|she|said"),
        ("¡Hola! ¿Qué tal?", "¡|Hola|!|¿|Qué|tal|?"),
        ("R&amp;D costs $5.50 — now…", "R&amp;D|costs|$5.50|now"),
        ("今すぐ50%オフ\uff01", "今|す|ぐ|50%|オ|フ|\uff01"),
        ("ลดราคา 50% วันนี้", "ล|ด|ร|า|ค|า|50%|วั|น|นี้"),
        ("여름 세일 시작", "여름|세일|시작"),
        ("Hot 🔥🔥 👩‍👩‍👧‍👦 🇩🇪 1️⃣ deal", "Hot|🔥|🔥|👩‍👩‍👧‍👦|🇩🇪|1️⃣|deal"),
        ("e\u0301te\u0301 à l'ombre", "e\u0301te\u0301|à|l'ombre"),
        (" - | … ", ""),
    ],
)
def test_words_of_any_script(headline: str, words: str) -> None:
    assert [span.text for span in split_words(headline)] == words.split("|") * bool(words)


def test_every_word_of_a_long_headline_is_in_a_span() -> None:
    headline = " ".join(f"w{number}" for number in range(150))
    spans = split_words(headline)
    assert len(spans) == 50
    assert (spans[0].text, spans[-1].text) == ("w0 w1 w2", "w147 w148 w149")


def letters(text: str) -> list[str]:
    return [char for char in text if char.isalpha()]


@given(st.text(alphabet="ab .,!?\u2014|\u3002", max_size=60) | st.text(max_size=100))
def test_phrases_hold_every_word_and_leave_the_others(headline: str) -> None:
    words, phrases = split_words(headline), split_phrases(headline)
    assert len(phrases) != 1
    assert len(phrases) <= MAX_PHRASES
    assert all(headline[one.start : one.end] == one.text != "" for one in phrases)
    if phrases:
        held = [[w for w in words if p.start <= w.start and w.end <= p.end] for p in phrases]
        assert list(itertools.chain(*held)) == words
    for phrase, own in zip(phrases, held if phrases else [], strict=True):
        left = "".join(word.text for word in words if word not in own)
        assert letters(phrase.cut_from(headline)) == letters(left)


@pytest.mark.parametrize(
    ("headline", "without"),
    [
        ("Get the mug. Today only.", ["Today only.", "Get the mug."]),
        ("Our best seller, 30% off. Hurry",
         ["30% off. Hurry", "Our best seller. Hurry", "Our best seller, 30% off"]),
        ("Need a mug? Hurry. 5 colours",
         ["Hurry. 5 colours", "Need a mug? 5 colours", "Need a mug? Hurry"]),
        ("Need a mug? Hurry.", ["Hurry.", "Need a mug?"]),
        ("What?! Save $5.50 \u2014 now",
         ["Save $5.50 \u2014 now", "What?! now", "What?! Save $5.50"]),
        ("今すぐ50%オフ\uff01送料無料", ["送料無料", "今すぐ50%オフ\uff01"]),
        ("Version 1.5, at 10:30", ["at 10:30", "Version 1.5"]),
        ("Only one", []),
    ],
)  # fmt: skip
def test_a_phrase_goes_with_what_parts_it_from_others(headline: str, without: list[str]) -> None:
    assert [phrase.cut_from(headline) for phrase in split_phrases(headline)] == without


def test_a_word_that_is_a_phrase_goes_with_its_mark() -> None:
    headline = "Sale: new shoes. Hurry"
    without = {word.text: word.cut_from(headline) for word in split_words(headline)}
    assert without == {
        "Sale": "new shoes. Hurry",
        "new": "Sale:  shoes. Hurry",
        "shoes": "Sale: new . Hurry",
        "Hurry": "Sale: new shoes",
    }
