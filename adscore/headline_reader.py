"""Normalised headlines -> the arrays that a text tower's graph reads."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Preprocessing
from adscore.ngrams import ngram_ids
from adscore.subwords import SubwordTokenizer
from adscore.text import HeadlineTokenizer


class HeadlineReader:
    """Makes whichever inputs a graph names; one path for towers of any kind.

    A tower that was trained from scratch reads `token_ids`, padded on the left to a fixed
    length. A frozen encoder reads `input_ids`, `attention_mask` and perhaps
    `token_type_ids`, and the wide branch beside it `ngram_ids`.

    Args:
        tokenizer: A tokenizer in the JSON form of the `tokenizers` library.
        preprocessing: How its ids are cut and padded, and the number of n-gram ids.
        names: Names of the graph's inputs.
    """

    def __init__(
        self, tokenizer: str, preprocessing: Preprocessing, names: Collection[str]
    ) -> None:
        self._names = names
        self._buckets = preprocessing.ngram_buckets
        self._tokens = None
        self._subwords = None
        if "token_ids" in names:
            self._tokens = HeadlineTokenizer(tokenizer, preprocessing.headline_tokens)
        else:
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
        if self._tokens is not None:
            arrays["token_ids"], truncated = self._tokens.encode(headlines)
        if self._subwords is not None:
            subwords, truncated = self._subwords.encode(headlines)
            arrays |= subwords
        if "ngram_ids" in self._names:
            arrays["ngram_ids"] = ngram_ids(headlines, self._buckets)
        return {name: arrays[name] for name in self._names}, truncated
