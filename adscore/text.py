"""Headline -> normalised headline -> token ids: the one path for training and scoring."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from adscore.creative import InputLimits
from adscore.errors import InvalidCreativeError, Reason

TokenIds = NDArray[np.int32]

PADDING_ID = 0

# NUL, and the halves of surrogate pairs.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def normalise(headline: str, limits: InputLimits) -> str:
    """Brings a headline into the one form that tokens, caches and models see.

    Composes characters (NFC) and turns each run of white space into one space, so
    that two headlines that look the same are the same. A headline of white space
    alone becomes ``""``, which means absent.

    Raises:
        InvalidCreativeError: It is longer than the limits allow, or holds a NUL character
            or half of a surrogate pair, which are signs of a file read in a wrong encoding.
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
    return " ".join(unicodedata.normalize("NFC", headline).split())


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
