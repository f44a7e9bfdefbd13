import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore.explanation.words import MAX_SPANS, split_words


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
