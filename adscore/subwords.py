"""Normalised headline -> the inputs of a published text encoder, as its tokenizer makes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

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
