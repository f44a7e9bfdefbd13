"""Normalised headline -> ids of its hashed word and character n-grams: the wide branch's input.

A frozen sentence encoder knows what a headline means, not how it is put: exact words and
spellings that a reader reacts to stand beside it (Cheng et al. 2016, "Wide & deep learning
for recommender systems"; hashing after Weinberger et al. 2009).
"""

import re
import unicodedata
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NgramIds = NDArray[np.int32]

PADDING_ID = 0

LONGEST_WORD_NGRAM = 2
CHARACTER_NGRAMS = (3, 4, 5)

_WORD = re.compile(r"[^\W_]+|[^\w\s]")


def ngram_ids(headlines: Sequence[str], buckets: int) -> NgramIds:
    """Hashes the n-grams of a batch of normalised headlines.

    Args:
        headlines: Normalised headlines.
        buckets: Number of distinct ids, padding included; at least 2.

    Returns:
        Distinct ids of each headline in rising order, then `PADDING_ID`, (batch, n), where n
        is the largest number of them in the batch and at least 1.
    """
    found = [
        sorted({zlib.crc32(gram.encode()) % (buckets - 1) + 1 for gram in _ngrams(headline)})
        for headline in headlines
    ]
    ids = np.full((len(found), max([1, *map(len, found)])), PADDING_ID, dtype=np.int32)
    for row, kept in enumerate(found):
        ids[row, : len(kept)] = kept
    return ids


def _ngrams(headline: str) -> set[str]:
    words = _WORD.findall(unicodedata.normalize("NFKC", headline).lower())
    grams = {
        f"w{length}|" + " ".join(words[start : start + length])
        for length in range(1, LONGEST_WORD_NGRAM + 1)
        for start in range(len(words) - length + 1)
    }
    for word in words:
        marked = f"<{word}>"
        grams |= {
            "c|" + marked[start : start + length]
            for length in CHARACTER_NGRAMS
            for start in range(len(marked) - length + 1)
        }
    return grams
