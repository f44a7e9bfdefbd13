"""Display width of a headline, and how much of it the banner repeats."""

import difflib
import re
import unicodedata
from collections.abc import Sequence

_JOINER = "\N{ZERO WIDTH JOINER}"
# Least similarity, from 0 to 1, of an OCR word that counts as a word of the headline.
_ALIKE = 0.8
# Shorter headlines repeat by chance, such as a brand's name or a price.
_MIN_WORDS = 3
# No real headline has more; bounds the time of comparing.
_MAX_WORDS = 60
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def display_width(text: str) -> int:
    """Width of a text in columns: 2 for a wide character, 0 for one without a width of its own.

    Chinese, Japanese, Korean and most emoji are wide, as platforms count them (Unicode Standard
    Annex 11). Combining marks, joiners and what they join, and skin tones have no width.
    """
    width, joined = 0, False
    for char in text:
        is_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
        if unicodedata.category(char) in ("Mn", "Me", "Cf", "Cc") or is_tone:
            joined = joined or char == _JOINER
            continue
        if not joined:
            width += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        joined = False
    return width


def repeated_share(headline: str, lines: Sequence[str]) -> float:
    """Share of a headline's words that are also on the banner, from 0 to 1.

    Tolerates small OCR errors. Chinese and Japanese are compared by character. Headlines of fewer
    than three words give 0.
    """
    words = _words(headline)[:_MAX_WORDS]
    if len(words) < _MIN_WORDS:
        return 0.0
    there = {word for line in lines for word in _words(line)}
    found = sum(_is_among(word, there) for word in words)
    return found / len(words)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"\w+", _CJK.sub(r" \g<0> ", plain))


def _is_among(word: str, there: set[str]) -> bool:
    if word in there:
        return True
    return len(word) > _MIN_WORDS and bool(difflib.get_close_matches(word, there, 1, _ALIKE))
