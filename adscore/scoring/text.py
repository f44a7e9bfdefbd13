"""Headline -> normalised headline -> token ids; training and scoring share this path."""

import html
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from adscore.bundle import PREPROCESSING_VERSION, Preprocessing
from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason
from adscore.scoring.ngrams import PADDING_ID, headline_statistics, ngram_ids

TokenIds = NDArray[np.int32]

# NUL, and the halves of surrogate pairs.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

# === One form of a headline ===

# Only with a semicolon: "Q&A", "R&D" and "?a=1&copy=2" contain no entities.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ENTITY_OR_QUOTE = frozenset("&`")
_FOLDED = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`\uff07", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u301d\u301e\uff02", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-")
    | {"\u2026": "..."}
    # Direction marks, soft hyphens and zero-width spaces, which are invisible. Joiners stay: they
    # shape letters and emoji.
    | dict.fromkeys("\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\ufeff")
    | dict.fromkeys(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
)
# Letters and signs without a shape of their own, beside those of the categories.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def normalise(headline: str, limits: InputLimits, version: int = PREPROCESSING_VERSION) -> str:
    """Normalises a headline to the form that tokenizers, caches and models see.

    Composes characters (NFC) and replaces each run of white space with one space, so that
    headlines that look the same are equal. From version 2 on, it also decodes HTML entities,
    replaces typographic quotes and dashes with plain ones, and drops invisible characters. A
    headline without visible characters becomes ``""``, which means absent.

    Args:
        headline: As its author wrote it.
        limits: Longest headline accepted.
        version: Of the preprocessing, see `bundle.Preprocessing`.

    Raises:
        InvalidCreativeError: It is longer than the limits allow, or contains a NUL character
            or half of a surrogate pair, which are signs of a file read in the wrong encoding.
    """
    if len(headline) > limits.max_headline_characters:
        raise InvalidCreativeError(
            "headline",
            Reason.HEADLINE_TOO_LONG,
            f"expected at most {limits.max_headline_characters} characters. "
            f"Received: {len(headline)} characters",
        )
    if found := _NO_TEXT.search(headline):
        raise InvalidCreativeError(
            "headline",
            Reason.HEADLINE_NOT_TEXT,
            f"expected text. Received: U+{ord(found[0]):04X} at character "
            f"{found.start() + 1}; was the file read in a wrong encoding?",
        )
    if version > 1:
        headline = _folded(headline)
    return " ".join(unicodedata.normalize("NFC", headline).split())


def _folded(headline: str) -> str:
    if headline.isascii() and headline.isprintable() and _ENTITY_OR_QUOTE.isdisjoint(headline):
        return headline
    before = ""
    while headline != before:  # repeat, for text escaped twice or with invisible characters
        before = headline
        headline = unicodedata.normalize("NFC", headline).translate(_FOLDED)
        headline = _ENTITY.sub(lambda entity: html.unescape(entity[0]), headline)
    return "" if all(map(_is_invisible, headline)) else headline


def _is_invisible(character: str) -> bool:
    return (
        character in _INVISIBLE
        or character.isspace()
        or unicodedata.category(character) in _INVISIBLE_CATEGORIES
    )


# === Placeholders ===

_PLACEHOLDER = re.compile(
    r"(?=[{%\[*<#_@$])(?:"  # most places fail here: five times as fast
    r"\{[^{}]+\}"  # {KeyWord:shoes}, {{product.name}}, {=COUNTDOWN(...)}, ${city}
    r"|\{\{|\{(?:keyword|param|location|=)"  # the same, cut off
    r"|%%[^%\s][^%]*%%|(?<![\w%])%[A-Z][A-Z0-9_]+%|%\(\w+\)[sd]|(?<![\w%])%[sd](?!\w)"
    r"|\[\[[^\[\]]+\]\]|\[[A-Z]+_[A-Z_]+\]|\*\|[^|]+\|\*|<%[^%]+%>|<<[^<>]+>>"
    r"|##[^#\s]+##|__[A-Z][A-Z0-9_.]*__|@@[^@\s]+@@|(?<!\w)\$[A-Z_]\w*\$"
    r"|</?[A-Z][\w.:-]*\s*/?>)",  # <first_name>, and markup
    re.IGNORECASE,
)
_NULL_WORDS = frozenset(
    (
        *("nan", "-nan", "nat", "nil", "none", "null", "undefined", "na", "n/a", "n.a.", "<na>"),
        *("#n/a", "#na", "#n/a n/a", "#null!", "#ref!", "#value!", "#name?", "#div/0!", "#num!"),
        *("#error!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "[object object]", "(not set)"),
        *("(null)", "(none)", "(empty)", "(blank)", "[null]", "[none]", "[empty]", "[blank]"),
        *("\\n", "missing value", "no data", "no value"),
        *("tbd", "tba", "todo", "placeholder", "your headline here", "lorem ipsum"),
    )
)


def is_placeholder(headline: str) -> bool:
    """Whether a normalised headline is a template's placeholder or an empty value."""
    if _PLACEHOLDER.search(headline):
        return True
    word = headline.strip("\"' ").lower()
    return (
        word in _NULL_WORDS or word.startswith("lorem ipsum") or not any(map(_says_something, word))
    )


def _says_something(character: str) -> bool:
    """Letters, digits, currencies, emoji; and characters new to this Python, such as new emoji."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category in ("So", "Sc", "Cn", "Co")


class HeadlineTokenizer:
    """Turns normalised headlines into token ids of a fixed length, padded on the left.

    Padding stands on the left so that a recurrent tower needs no mask: its last step
    always reads the headline's last token.

    Args:
        definition: A tokenizer in the JSON form of the `tokenizers` library.
        length: Number of ids of each headline.
    """

    def __init__(self, definition: str, length: int) -> None:
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # A headline that holds the name of a special token is text like any other.
        self._tokenizer.encode_special_tokens = True
        self.length = length

    @property
    def vocabulary_size(self) -> int:
        """Number of distinct ids, padding included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, headlines: Sequence[str]) -> tuple[TokenIds, NDArray[np.bool_]]:
        """Encodes a batch of normalised headlines.

        Returns:
            Ids of shape (batch, length), int32; and whether each headline was cut, (batch,).
        """
        ids = np.full((len(headlines), self.length), PADDING_ID, dtype=np.int32)
        truncated = np.zeros(len(headlines), dtype=bool)
        for row, encoding in enumerate(self._tokenizer.encode_batch_fast(list(headlines))):
            kept = encoding.ids[: self.length]
            truncated[row] = len(encoding.ids) > self.length
            if kept:
                ids[row, -len(kept) :] = kept
        return ids, truncated


def train_tokenizer(headlines: Iterable[str], vocabulary_size: int) -> str:
    """Learns a byte-level BPE vocabulary from a user's own headlines.

    Byte-level, so that no script or emoji is ever unknown (Wang et al. 2020, "Neural
    machine translation with byte-level subwords"). Case is folded: a few thousand
    headlines are too few to learn each word twice.

    Returns:
        The tokenizer in the JSON form of the `tokenizers` library; id 0 is padding.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=["[PAD]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(headlines, trainer)
    return str(tokenizer.to_str())


TOKEN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class SubwordTokenizer:
    """Turns normalised headlines into ids, mask and types, padded to the longest of a batch.

    Special tokens are those of the tokenizer's own file.

    Args:
        definition: A tokenizer in the JSON form of the `tokenizers` library.
        length: Number of ids that a headline is cut to, special tokens included.
        padding_id: Id that fills up a shorter headline.
        pads_left: Whether it stands before the headline, or after it.
    """

    def __init__(
        self, definition: str, length: int, *, padding_id: int = 0, pads_left: bool = False
    ) -> None:
        self._tokenizer = Tokenizer.from_str(definition)
        self._padding_id, self._pads_left = padding_id, pads_left
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(length)
        # A headline that holds the name of a special token is text like any other.
        self._tokenizer.encode_special_tokens = True
        self.length = length

    def encode(
        self, headlines: Sequence[str]
    ) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.bool_]]:
        """Encodes a batch of normalised headlines.

        Returns:
            Arrays named in `TOKEN_INPUTS`, each (batch, tokens) int64; and whether each
            headline was cut, (batch,).
        """
        encodings = self._tokenizer.encode_batch(list(headlines))
        width = max([1, *(len(encoding.ids) for encoding in encodings)])
        inputs = {name: np.zeros((len(encodings), width), np.int64) for name in TOKEN_INPUTS}
        inputs["input_ids"][:] = self._padding_id
        truncated = np.zeros(len(encodings), dtype=bool)
        for row, encoding in enumerate(encodings):
            count = len(encoding.ids)
            kept = slice(width - count, width) if self._pads_left else slice(0, count)
            inputs["input_ids"][row, kept] = encoding.ids
            inputs["attention_mask"][row, kept] = 1
            inputs["token_type_ids"][row, kept] = encoding.type_ids
            truncated[row] = bool(encoding.overflowing)
        return inputs, truncated


# === What graphs read ===


class HeadlineReader:
    """Makes the inputs that a graph names, for towers of any kind.

    A recurrent tower reads `token_ids`, padded on the left to a fixed length. A frozen encoder
    reads `input_ids`, `attention_mask` and perhaps `token_type_ids`. Beside it or alone,
    towers read `ngram_ids` and `headline_statistics`.

    Args:
        tokenizer: A tokenizer in the JSON form of the `tokenizers` library; None for a graph that
            reads no tokens.
        preprocessing: How its ids are cut and padded, and the number of n-gram ids.
        names: Names of the graph's inputs.

    Raises:
        ValueError: The graph reads tokens, and there is no tokenizer.
    """

    def __init__(
        self, tokenizer: str | None, preprocessing: Preprocessing, names: Collection[str]
    ) -> None:
        self._names = names
        self._buckets, self._version = preprocessing.ngram_buckets, preprocessing.version
        self._tokens = None
        self._subwords = None
        reads_tokens = "token_ids" in names or not set(TOKEN_INPUTS).isdisjoint(names)
        if reads_tokens and tokenizer is None:
            raise ValueError("expected tokenizer.json. Received: none")
        if "token_ids" in names and tokenizer is not None:
            self._tokens = HeadlineTokenizer(tokenizer, preprocessing.headline_tokens)
        elif reads_tokens and tokenizer is not None:
            self._subwords = SubwordTokenizer(
                tokenizer,
                preprocessing.headline_tokens,
                padding_id=preprocessing.headline_padding_id,
                pads_left=preprocessing.headline_padding_left,
            )

    def read(self, headlines: Sequence[str]) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
        """Reads a batch.

        Returns:
            An array for each of the graph's inputs; and whether each headline was cut, (batch,).
        """
        arrays: dict[str, NDArray[Any]] = {}
        truncated = np.zeros(len(headlines), dtype=bool)
        if self._tokens is not None:
            arrays["token_ids"], truncated = self._tokens.encode(headlines)
        if self._subwords is not None:
            subwords, truncated = self._subwords.encode(headlines)
            arrays |= subwords
        if "ngram_ids" in self._names:
            arrays["ngram_ids"] = ngram_ids(headlines, self._buckets, self._version)
        if "headline_statistics" in self._names:
            arrays["headline_statistics"] = headline_statistics(headlines)
        return {name: arrays[name] for name in self._names}, truncated
