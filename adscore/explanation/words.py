"""Splits a headline into words and phrases, as spans of the original text."""

import bisect
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from tokenizers import Regex, pre_tokenizers

# Each span costs an encoding; in a longer headline, spans hold several words.
MAX_SPANS = 64
MAX_PHRASES = 16

# A grapheme cluster (UAX #29), so that no accent or emoji is split.
_CLUSTERS = pre_tokenizers.Split(Regex(r"\X"), "isolated")
_ENTITY = re.compile(r"&(?:#\w{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
# Scripts without blanks between words: Thai to Tibetan, Myanmar, Khmer, Chinese and Japanese.
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u3005-\u3007"
    "\u3021-\u3029\u3040-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
_CALLS = "!?\u00a1\u00bf\uff01\uff1f\u203c\u2047\u2048\u2049\u203d"  # words of their own
_OF_WORDS = "%#@&*+/\u2030"  # punctuation that is part of a word: 20%, #1, R&B
_BREAKS = "\u2012\u2013\u2014\u2015\u2026|"
_PICTOGRAMS = "\u2190"  # symbols from here on count as pictures, earlier ones as letters
# Separators of phrases; question and exclamation marks belong to the phrase before.
_BETWEEN_PHRASES = re.compile(
    r"(?<=[?!\uff1f\uff01])\s*(?![?!\uff1f\uff01])|\s*[.,;:\u2026](?=\s)\s*|\s+[-\u2013\u2014|/\u2022\u00b7]\s+"
    r"|\s*[\u2014|]\s*|[\u3002\u3001\uff0c\uff1b\uff1a\uff5c]\s*"
)
_EMOJI_MARKS = frozenset("\ufe0f\u20e3")  # turn an ordinary character into an emoji


class _Kind(Enum):
    """Role of a character in a word."""

    BLANK = auto()
    ALONE = auto()
    LETTER = auto()
    CALL = auto()
    POINT = auto()


@dataclass(frozen=True, slots=True)
class Span:
    """A word or phrase of a headline: ``headline[start:end] == text``.

    Attributes:
        text: The text.
        start: Index of the first character.
        end: Index after the last character.
        cut: Start and end of what is cut out with it: a phrase takes its separator along.
    """

    text: str
    start: int
    end: int
    cut: tuple[int, int]

    def cut_from(self, headline: str) -> str:
        """The headline without the span."""
        return headline[: self.cut[0]] + headline[self.cut[1] :]


def split_words(headline: str) -> list[Span]:
    """Splits a headline into words, at most `MAX_SPANS` spans.

    A word is what stands between blanks, without surrounding punctuation. Each character of a
    script without blanks is a word, as is each emoji and each run of exclamation and question
    marks. A word that is also a phrase is cut out as a phrase.
    """
    words = _places(headline)
    phrases = {(phrase.start, phrase.end): phrase for phrase in _phrases(headline, words)}
    return [phrases.get(word) or _span(headline, *word) for word in words]


def split_phrases(headline: str) -> list[Span]:
    """Splits a headline into phrases at punctuation, at most `MAX_PHRASES` spans.

    Empty if there is only one phrase.
    """
    return _phrases(headline, _places(headline))


def _places(headline: str) -> list[tuple[int, int]]:
    """Start and end of each word."""
    return _joined(list(_words(headline, _clusters(headline))), MAX_SPANS)


def _phrases(headline: str, words: list[tuple[int, int]]) -> list[Span]:
    marks = [match.end() for match in _BETWEEN_PHRASES.finditer(headline)]
    groups = itertools.groupby(words, key=lambda word: bisect.bisect(marks, word[0]))
    inside = [list(group) for _, group in groups]
    phrases = _joined([(group[0][0], group[-1][1]) for group in inside], MAX_PHRASES)
    if len(phrases) < 2:
        return []
    return [
        _span(headline, start, end, _cut(headline, phrases, place))
        for place, (start, end) in enumerate(phrases)
    ]


def _cut(headline: str, phrases: list[tuple[int, int]], place: int) -> tuple[int, int]:
    """Start and end of what is cut with a phrase: the separator before or after it."""
    start, end = phrases[place]
    following = phrases[place + 1][0] if place + 1 < len(phrases) else len(headline)
    if place == 0:
        return start, following
    before = phrases[place - 1][1]
    if headline[before - 1] not in _CALLS:
        return before, end
    return (start if place + 1 < len(phrases) else before), following


def _span(headline: str, start: int, end: int, cut: tuple[int, int] | None = None) -> Span:
    return Span(headline[start:end], start, end, cut or (start, end))


def _joined(spans: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Merges neighbouring spans until there are at most `most`."""
    size = max(1, -(-len(spans) // most))
    groups = [spans[at : at + size] for at in range(0, len(spans), size)]
    return [(group[0][0], group[-1][1]) for group in groups]


def _clusters(headline: str) -> list[tuple[int, int]]:
    """Start and end of each grapheme cluster; an HTML entity counts as one."""
    entities = {match.start(): match.end() for match in _ENTITY.finditer(headline)}
    clusters: list[tuple[int, int]] = []
    covered = 0
    for _, (start, end) in _CLUSTERS.pre_tokenize_str(headline):
        if start < covered:
            continue
        covered = entities.get(start, end)
        clusters.append((start, covered))
    return clusters


def _words(headline: str, clusters: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    run: list[tuple[int, int, _Kind]] = []
    for start, end in clusters:
        kind = _kind(headline[start:end])
        if kind not in (_Kind.BLANK, _Kind.ALONE):
            run.append((start, end, kind))
            continue
        yield from _words_of_run(run)
        run = []
        if kind is _Kind.ALONE:
            yield start, end
    yield from _words_of_run(run)


def _words_of_run(run: list[tuple[int, int, _Kind]]) -> Iterator[tuple[int, int]]:
    """Words between two blanks: leading calls, the word itself, trailing calls."""
    letters = [at for at, (_, _, kind) in enumerate(run) if kind is _Kind.LETTER]
    first, last = (letters[0], letters[-1]) if letters else (len(run), len(run))
    yield from _calls(run[:first])
    if letters:
        yield run[first][0], run[last][1]
    yield from _calls(run[last + 1 :])


def _calls(run: list[tuple[int, int, _Kind]]) -> Iterator[tuple[int, int]]:
    for kind, marks in itertools.groupby(run, key=lambda mark: mark[2]):
        if kind is _Kind.CALL:
            ends = list(marks)
            yield ends[0][0], ends[-1][1]


def _kind(cluster: str) -> _Kind:
    first = cluster[0]
    category = unicodedata.category(first)
    if cluster.isspace() or first in _BREAKS or category in ("Cc", "Cf"):
        return _Kind.BLANK
    if first in _CALLS:
        return _Kind.CALL
    if len(cluster) > 1 and first == "&":  # an entity
        return _Kind.LETTER
    if category[0] == "P" and first not in _OF_WORDS:
        return _Kind.POINT
    is_pictogram = category in ("So", "Sk", "Cn", "Co") and first >= _PICTOGRAMS
    if is_pictogram or _WITHOUT_BLANKS.match(first) or not _EMOJI_MARKS.isdisjoint(cluster):
        return _Kind.ALONE
    return _Kind.LETTER
