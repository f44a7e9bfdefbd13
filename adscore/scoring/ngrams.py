"""What is counted of a normalised headline: its n-grams, hashed, and how it is written."""

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import PREPROCESSING_VERSION

NgramIds = NDArray[np.int32]

PADDING_ID = 0

MAX_WORD_NGRAM = 2
CHARACTER_NGRAMS = (3, 4, 5)
UNSPACED_NGRAMS = (1, 2, 3)

_WORD = re.compile(r"[^\W_]+|[^\w\s]")

# Thai, Lao, Burmese, Khmer, Japanese, Chinese: scripts that leave no space between words. Ranges
# of code points, and no categories, which change from one Python to the next.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U000323af"
)
# Marks that belong to the letter before them, which `\w` leaves out: vowels of Hindi, for one.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff\u0f71-\u0f84\u1ab0-\u1aff\u1dc0-\u1dff"
)
# What follows a sign and makes one emoji of it: variation selector, skin tone, enclosing keycap.
_FOLLOWS = "\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\u20e3"
_TOKEN = re.compile(
    f"(?P<unspaced>[{_UNSPACED}]+)"
    f"|(?P<word>(?:(?![{_UNSPACED}])[^\\W_]|[{_MARKS}])+)"
    "|(?P<sign>[\U0001f1e6-\U0001f1ff]{2}"
    f"|[^\\w\\s][{_FOLLOWS}]*(?:\u200d[^\\w\\s][{_FOLLOWS}]*)*)"
)
_SELECTORS = str.maketrans(dict.fromkeys("\ufe0e\ufe0f"))


def ngram_ids(
    headlines: Sequence[str], buckets: int, version: int = PREPROCESSING_VERSION
) -> NgramIds:
    """Hashes the n-grams of a batch of normalised headlines.

    Args:
        headlines: Normalised headlines.
        buckets: Number of distinct ids, padding included; at least 2.
        version: Of the preprocessing, see `bundle.Preprocessing`. Before version 3, scripts
            without spaces were one long word.

    Returns:
        Distinct ids of each headline in rising order, then `PADDING_ID`, (batch, n), where n
        is the largest number of them in the batch and at least 1.
    """
    grams = _ngrams if version > 2 else _ngrams_of_version_1
    found = [
        sorted({zlib.crc32(gram.encode()) % (buckets - 1) + 1 for gram in grams(headline)})
        for headline in headlines
    ]
    ids = np.full((len(found), max([1, *map(len, found)])), PADDING_ID, dtype=np.int32)
    for row, kept in enumerate(found):
        ids[row, : len(kept)] = kept
    return ids


def _ngrams(headline: str) -> set[str]:
    """Words and their characters; of scripts without spaces, one to three characters."""
    grams: set[str] = set()
    words: list[list[str]] = [[]]
    for token in _TOKEN.finditer(unicodedata.normalize("NFKC", headline).lower()):
        if token.lastgroup == "unspaced":
            grams |= _slices("s|", token[0], UNSPACED_NGRAMS)
            words.append([])  # no word pairs beyond it
        else:
            words[-1].append(token[0].translate(_SELECTORS))
    for run in words:
        grams |= _word_ngrams(run)
    return grams


def _ngrams_of_version_1(headline: str) -> set[str]:
    return _word_ngrams(_WORD.findall(unicodedata.normalize("NFKC", headline).lower()))


def _word_ngrams(words: Sequence[str]) -> set[str]:
    grams = {
        f"w{length}|" + " ".join(words[start : start + length])
        for length in range(1, MAX_WORD_NGRAM + 1)
        for start in range(len(words) - length + 1)
    }
    for word in words:
        grams |= _slices("c|", f"<{word}>", CHARACTER_NGRAMS)
    return grams


def _slices(prefix: str, text: str, lengths: Iterable[int]) -> set[str]:
    return {
        prefix + text[start : start + length]
        for length in lengths
        for start in range(len(text) - length + 1)
    }


# === How a headline is written ===

# Numbers 0 to 5 are counts, as log1p.
STATISTICS = (
    "characters", "words", "signs", "digits", "question marks", "exclamation marks",
    "share of capitals", "share of capitalised words", "length of a word", "letters thrice",
)  # fmt: skip
_LETTERS_THRICE = re.compile(r"([^\W\d_])\1\1")


def headline_statistics(headlines: Sequence[str]) -> NDArray[np.float32]:
    """How normalised headlines are written, (batch, len(STATISTICS)), each from 0 to about 10."""
    rows = [_statistics(unicodedata.normalize("NFKC", headline)) for headline in headlines]
    return np.array(rows, np.float32).reshape(len(rows), len(STATISTICS))


def _statistics(text: str) -> tuple[float, ...]:
    tokens = [(token.lastgroup, token[0]) for token in _TOKEN.finditer(text)]
    words = [token for kind, token in tokens if kind != "sign"]
    letters = sum(map(str.isalpha, text))
    counts = (
        len(text),
        len(words),
        len(tokens) - len(words),
        sum(map(str.isdigit, text)),
        text.count("?"),
        text.count("!"),
    )
    return (
        *map(math.log1p, counts),
        sum(map(str.isupper, text)) / max(1, letters),
        sum(word[0].isupper() for word in words) / max(1, len(words)),
        math.log1p(letters / max(1, len(words))),
        float(bool(_LETTERS_THRICE.search(text))),
    )
