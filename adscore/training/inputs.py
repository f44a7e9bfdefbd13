"""Inputs of towers and core for every row: token ids or pixels, or features of encoders."""

import mmap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from adscore.bundle import Present
from adscore.scoring.ngrams import PADDING_ID, headline_statistics, ngram_ids
from adscore.scoring.text import HeadlineTokenizer, train_tokenizer
from adscore.training.encoders.encoding import HeadlineEncoding, headline_features
from adscore.training.encoders.feature_cache import FeatureCache, cache_directory
from adscore.training.feature_rows import Moments, in_pieces
from adscore.training.problem import Problem

ROWS_AT_ONCE = 256

# Inputs that represent each part of a creative.
INPUTS_OF = {
    Present.HEADLINE: {"token_ids", "headline_features", "headline_statistics", "ngram_ids"},
    Present.IMAGE: {"pixels", "image_features"},
    Present.CONTEXT: {"context_ids"},
}


class NgramIds:
    """N-gram ids of many headlines, stored without padding to the longest.

    `ids[rows]` returns those of some headlines, padded to the longest of all, (rows, n) int32.
    """

    def __init__(self, headlines: Sequence[str], buckets: int) -> None:
        ids, counts = [], []
        for start in range(0, len(headlines), ROWS_AT_ONCE):
            padded = ngram_ids(headlines[start : start + ROWS_AT_ONCE], buckets)
            is_id = padded != PADDING_ID
            ids.append(padded[is_id])
            counts.append(is_id.sum(axis=1))
        self._ids, self._counts = np.concatenate(ids), np.concatenate(counts)
        self._ends = np.cumsum(self._counts)
        self._width = max(1, self._counts.max())

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        padded = np.full((len(rows), self._width), PADDING_ID, np.int32)
        for place, row in enumerate(rows):
            count, end = self._counts[row], self._ends[row]
            padded[place, :count] = self._ids[end - count : end]
        return padded


@dataclass(frozen=True, slots=True)
class Column:
    """One input of the network.

    Attributes:
        values: Distinct values, (values, ...), which can be indexed with rows.
        index: Index of each row's value, (rows,).
    """

    values: Any  # an array, or NgramIds
    index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of towers and core for every row.

    Attributes:
        columns: Columns, by the names of the network's inputs.
        tokenizer: The bundle's tokenizer, in the JSON form of the `tokenizers` library; ``""``
            without headlines.
    """

    columns: Mapping[str, Column]
    tokenizer: str = ""

    def batch(
        self, rows: NDArray[np.int64], names: Collection[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """The inputs of some rows, by name; only the named ones if names are given."""
        return {
            name: _in_memory(column, rows)
            for name, column in self.columns.items()
            if names is None or name in names
        }

    def read_by(self, model: keras.Model, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The inputs of some rows that a model reads, by name."""
        return self.batch(rows, [tensor.name for tensor in model.inputs])

    def batches(
        self, model: keras.Model, rows: NDArray[np.int64]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """As `read_by`, in batches of `ROWS_AT_ONCE` rows."""
        for start in range(0, len(rows), ROWS_AT_ONCE):
            yield self.read_by(model, rows[start : start + ROWS_AT_ONCE])

    def pieces(self, name: str, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """One input of some rows, in pieces that fit in memory."""
        for some in in_pieces(rows):
            yield self.batch(some, (name,))[name]

    def moments(self, name: str, rows: NDArray[np.int64]) -> Moments:
        """Mean and variance of one input over some rows."""
        return Moments(self.pieces(name, rows), self.columns[name].values.shape[1])

    def predict(self, model: keras.Model, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """A model's outputs for some rows, by name, (rows, ...) each."""
        outputs = [model.predict_on_batch(batch) for batch in self.batches(model, rows)]
        return {name: np.concatenate([output[name] for output in outputs]) for name in model.output}

    def knowing(self, rows: NDArray[np.int64], present: NDArray[np.float32]) -> "Inputs":
        """A copy in which some rows have other known parts, (rows, 3)."""
        column = self.columns["present"]
        values = column.values[column.index]
        values[rows] = present
        changed = Column(values, np.arange(len(values)))
        return replace(self, columns={**self.columns, "present": changed})

    def exchanged(self, part: Present, rows: NDArray[np.int64], seed: int = 0) -> "Inputs":
        """A copy in which some rows have the headline, image or context of another of them.

        Rows that have the part exchange it in a single cycle, so that none keeps its own.
        """
        present = self.columns["present"]
        has = present.values[present.index[rows], part] > 0
        cycle = np.random.default_rng(seed).permutation(rows[has])
        columns = dict(self.columns)
        for name in INPUTS_OF[part] & columns.keys():
            index = columns[name].index.copy()
            index[cycle] = index[np.roll(cycle, 1)]
            columns[name] = Column(columns[name].values, index)
        return replace(self, columns=columns)


def read_inputs(problem: Problem, known: Inputs | None = None) -> Inputs:
    """Learns a tokenizer from the fitted rows, or runs the encoders; see `FeatureCache`.

    Args:
        problem: The rows, and which of them are fitted.
        known: Inputs of the same rows for another split, from which everything is reused that does
            not depend on the fitted rows.

    Raises:
        TrainingError: The cache cannot be used.
    """
    data = problem.data
    every_row = np.arange(len(data))
    columns = {**known.columns} if known else {}
    tokenizer = known.tokenizer if known else ""
    columns["present"] = Column(data.present, every_row)
    if data.context:
        columns["context_ids"] = Column(data.context_ids, every_row)
    if "headline" in data.modalities and (known is None or "token_ids" in known.columns):
        tokenizer, read = _read_headlines(problem)
        columns |= read
    if "image" in data.modalities and known is None:
        columns |= _read_images(problem)
    return Inputs(columns, tokenizer)


def _read_headlines(problem: Problem) -> tuple[str, dict[str, Column]]:
    data, preset, encoder = problem.data, problem.preset, problem.encoders.text
    if encoder is None and not problem.is_additive:
        fitted = data.rows_with("headline", problem.fitted)
        tokenizer = train_tokenizer([data.headlines[r] for r in fitted], preset.vocabulary_size)
        reader = HeadlineTokenizer(tokenizer, preset.preprocessing.headline_tokens)
        ids = reader.encode(data.headlines)[0]
        return tokenizer, {"token_ids": Column(ids, np.arange(len(data)))}
    number = {text: position for position, text in enumerate(dict.fromkeys(data.headlines))}
    distinct, index = list(number), np.array([number[text] for text in data.headlines])
    columns = {"ngram_ids": Column(NgramIds(distinct, preset.ngram_buckets), index)}
    if problem.is_additive:
        columns["headline_statistics"] = Column(headline_statistics(distinct), index)
    if encoder is None:
        return "", columns
    problem.progress(f"encoding {len(distinct):,} headlines")
    encoding, cache = HeadlineEncoding(encoder), FeatureCache(cache_directory())
    stored = headline_features(distinct, encoding, cache, problem.progress)
    columns["headline_features"] = Column(stored.values, stored.index[index])
    return encoder.tokenizer, columns


def _read_images(problem: Problem) -> dict[str, Column]:
    name = "pixels" if problem.encoders.image is None else "image_features"
    return {name: Column(problem.data.images, problem.data.image_index)}


def _in_memory(column: Column, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Values of some rows as towers read them: features are stored in half precision."""
    values: NDArray[Any] = column.values[column.index[rows]]
    mapped = getattr(column.values, "base", None)
    if isinstance(mapped, mmap.mmap):
        # Release pages that were read: they stay in the page cache but leave this process's memory.
        mapped.madvise(mmap.MADV_DONTNEED)
    return values.astype(np.float32) if values.dtype == np.float16 else values
