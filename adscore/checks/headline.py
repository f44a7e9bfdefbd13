"""How much room a headline takes, and whether the banner says the same."""

import difflib
import re
import unicodedata
from collections.abc import Sequence

_JOINER = "\N{ZERO WIDTH JOINER}"
# How alike a word read by OCR must be to count as the headline's, from 0 to 1.
_ALIKE = 0.8
# Shorter headlines repeat by chance: a brand's name, a price.
_MIN_WORDS = 3
# No headline has more, and comparing takes its time.
_MAX_WORDS = 60
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


def display_width(text: str) -> int:
    """The width of a text in columns: 2 for a wide character, 0 for one that adds nothing.

    Chinese, Japanese, Korean and most emoji are wide, as platforms count them (Unicode Standard
    Annex 11). Combining marks, joiners and what they join, and skin tones take no room.
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
    """Which share of a headline's words stands on the banner too, from 0 to 1.

    Words that OCR read almost right count. Of Chinese and Japanese, characters are compared. 0 for
    a headline of fewer than three words.
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
