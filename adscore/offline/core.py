"""Rows of a table -> rows with scores, one batch at a time; every engine runs this.

A row's score does not depend on the rows beside it, to the last bit. A graph's rounding depends on
the size of its batch, so the head always gets full blocks; the last one is padded with copies of
its last creative. So an engine may split a table anywhere.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adscore.cores import in_order
from adscore.creative import TargetScore
from adscore.errors import InvalidCreativeError, TableError
from adscore.offline.options import ScoringOptions
from adscore.scoring.graphs import MAX_BATCH, RuntimeOptions
from adscore.scoring.preparation import PreparedCreative, PreparedImage, context_left_out
from adscore.scoring.scorer import Scorer, rate_figures
from adscore.table import (
    ImageCell,
    ImageSource,
    Text,
    holds_images,
    image_cells,
    is_data_uri,
    require_types,
    texts,
    values,
)

Image = PreparedImage | InvalidCreativeError  # or why there is none
KnownT = TypeVar("KnownT")

# Rows per thread at a time: enough for full blocks of the graphs, few enough that their images, and
# those of batches waiting to be written, take little memory.
BATCH_ROWS = 256
# Memory to cache the towers' outputs: some ten thousand assets for a model trained from scratch,
# some thousand for one on encoders; little beside the runtime's own memory.
CACHE_BYTES = 32 * 1024 * 1024
# Images that are being downloaded or wait for decoding at once; more than cores, since a download
# mostly waits. Together with the largest file accepted (10 MB), this bounds their memory.
DOWNLOADS = 16
# Paths and URLs whose content is remembered, about 300 bytes each.
REMEMBERED_NAMES = 32_768

FIGURES = tuple(field.name for field in fields(TargetScore))
COLUMNS_AFTER_TARGETS = ("agreement", "warnings", "error", "model", "model_version")


# === The columns of a scored table: a contract, the same for every engine and file format ===


def result_schema(
    targets: Sequence[str], options: ScoringOptions, input_schema: pa.Schema
) -> pa.Schema:
    """The id, copied columns, the numbers of each target, then agreement and what follows it.

    Args:
        targets: Names of the model's targets.
        options: Which columns are read and copied.
        input_schema: Types of the columns that are read.

    Raises:
        TableError: Two columns of the result would have the same name.
    """
    kept = [input_schema.field(name) for name in options.keep if name != options.columns.id]
    figures = [f"{target}_{figure}" for target in targets for figure in FIGURES]
    numbers = [pa.field(name, pa.float64()) for name in (*figures, "agreement")]
    texts = [pa.field(name, pa.string()) for name in COLUMNS_AFTER_TARGETS[1:]]
    taken = {field.name for field in (*numbers, *texts)}
    for name in (options.id_name, *(field.name for field in kept)):
        if name in taken:
            raise TableError(
                "expected an id column and columns to keep of other names than those of the "
                f"result ({', '.join(sorted(taken))}). Received: {name!r}"
            )
        taken.add(name)
    return pa.schema([pa.field(options.id_name, pa.string()), *kept, *numbers, *texts])


@dataclass(frozen=True, slots=True)
class _ScoredRows:
    """Scores of the rows of a batch that could be scored.

    Attributes:
        rows: Row numbers, rising, (scored,).
        figures: The numbers named in `FIGURES`, (scored, targets, 4).
        agreement: NaN if absent, (scored,).
        warnings: Joined by ";".
    """

    rows: NDArray[np.intp]
    figures: NDArray[np.float64]
    agreement: NDArray[np.float64]
    warnings: Sequence[str]

    def columns(self, count: int) -> list[pa.Array]:
        """The columns from the first figure to the warnings, for a batch of `count` rows.

        They are null for rows that have no score.
        """
        _, targets, figures = self.figures.shape
        flat = self.figures.reshape(len(self.rows), targets * figures)
        columns = [self._numbers(flat[:, at], count) for at in range(flat.shape[1])]
        warnings: list[str | None] = [None] * count
        for row, text in zip(self.rows.tolist(), self.warnings, strict=True):
            warnings[row] = text
        return [*columns, self._numbers(self.agreement, count), pa.array(warnings, pa.string())]

    def _numbers(self, values: NDArray[np.float64], count: int) -> pa.Array:
        spread = np.full(count, np.nan)
        spread[self.rows] = values
        return pa.array(spread, mask=np.isnan(spread))


# === Images ===


class BatchImages:
    """Prepares images for one model and one run; thread-safe.

    A file is assumed not to change after its path or URL is first seen, so it need not be read
    again while the model's cache holds its encoding.

    Args:
        scorer: The model.
        root: Folder, a path or URL, to which paths are relative.
    """

    def __init__(self, scorer: Scorer, root: str) -> None:
        self._preparer = scorer.preparer
        self._source = ImageSource(root, scorer.limits.max_image_bytes)
        self._digests: dict[str, bytes] = {}

    def from_bytes(self, image: bytes) -> Image:
        """Prepares one image, or returns the error."""
        try:
            return self._preparer.required_image(image)
        except InvalidCreativeError as error:
            return error

    def from_names(self, names: Sequence[str]) -> dict[str, Image]:
        """Prepares images of distinct paths and URLs; returns the error of each that fails."""
        outcomes: dict[str, Image] = {}
        for name in names:
            known = self._preparer.known_image(self._digests.get(name, b""))
            if known is not None:
                outcomes[name] = known
        unknown = [name for name in names if name not in outcomes]
        for name, data in self._contents(unknown):
            outcomes[name] = (
                data if isinstance(data, InvalidCreativeError) else self._new(name, data)
            )
        return outcomes

    def _new(self, name: str, data: bytes) -> Image:
        outcome = self.from_bytes(data)
        if isinstance(outcome, PreparedImage) and outcome.digest and not is_data_uri(name):
            if len(self._digests) >= REMEMBERED_NAMES:
                self._digests.clear()
            self._digests[name] = outcome.digest
        return outcome

    def _contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes | InvalidCreativeError]]:
        if not any(map(self._source.is_remote, names)):
            yield from ((name, self._content(name)) for name in names)
            return
        with ThreadPoolExecutor(min(DOWNLOADS, len(names))) as pool:
            contents = in_order(pool, self._content, names, DOWNLOADS)
            yield from zip(names, contents, strict=True)

    def _content(self, name: str) -> bytes | InvalidCreativeError:
        try:
            return self._source.read(name)
        except InvalidCreativeError as error:
            return error


# === Scoring ===


class BatchScorer:
    """Scores batches of rows of one run with one model, which it opens on first use.

    Thread-safe; each call works on its caller's thread, so the engine decides how many run.

    Args:
        model: Folder of the model or of one version.
        options: Which columns are read and copied.
        cache_bytes: Memory for the cache of encoded assets, in bytes.
        opened: The model, if an earlier run has opened it.
    """

    def __init__(
        self,
        model: Path,
        options: ScoringOptions,
        *,
        cache_bytes: int = CACHE_BYTES,
        opened: Scorer | None = None,
    ) -> None:
        self.model = model
        self.options = options
        self._cache_bytes = cache_bytes
        self._opened = opened
        self._opening = threading.Lock()

    @property
    def scorer(self) -> Scorer:
        """The model.

        Raises:
            BundleError: It cannot be opened.
        """
        with self._opening:
            return self._scorer

    @cached_property
    def _scorer(self) -> Scorer:
        if self._opened is not None:
            return self._opened
        return Scorer.open(self.model, RuntimeOptions(threads=1, cache_bytes=self._cache_bytes))

    @cached_property
    def _images(self) -> BatchImages:
        return BatchImages(self.scorer, self.options.image_root)

    @property
    def context_left_out(self) -> tuple[str, ...]:
        """Context names that the model reads and that no column holds."""
        return context_left_out(self.scorer.manifest, self.options.columns.context)

    def result_schema(self, input_schema: pa.Schema) -> pa.Schema:
        """The columns that `score` gives.

        Raises:
            TableError: A column has a type that cannot be read, or a name that the result uses.
        """
        require_types(input_schema, self.options.columns)
        return result_schema(self.scorer.manifest.targets, self.options, input_schema)

    def score(self, batch: pa.RecordBatch, first_row: int = 0) -> pa.RecordBatch:
        """Scores rows; one that cannot be scored carries its error and does not stop the others.

        Args:
            batch: Rows with the columns that the options name.
            first_row: Position of the first one in the table, from 0; numbers rows without an id.

        Returns:
            The same number of rows in the same order, with the columns of `result_schema`.
        """
        columns, schema = self.options.columns, self.result_schema(batch.schema)
        kept, unreadable = self._kept(batch)
        outcomes = self._prepare(batch)
        for row, error in unreadable.items():
            outcomes[row] = error
        scored = self._score([p for p in outcomes if isinstance(p, PreparedCreative)], outcomes)
        errors = [str(p) if isinstance(p, InvalidCreativeError) else None for p in outcomes]
        count = batch.num_rows
        if columns.id:
            ids = [i if isinstance(i, str) else "" for i in texts(batch, columns.id)]
        else:
            ids = [str(first_row + row + 1) for row in range(count)]
        arrays = [
            pa.array(ids, pa.string()),
            *kept,
            *scored.columns(count),
            pa.array(errors, pa.string()),
            pa.array([self.scorer.name] * count, pa.string()),
            pa.array([self.scorer.version] * count, pa.string()),
        ]
        return pa.record_batch(arrays, schema=schema)

    def _score(
        self,
        prepared: Sequence[PreparedCreative],
        outcomes: Sequence[PreparedCreative | InvalidCreativeError],
    ) -> _ScoredRows:
        rows = np.array([n for n, p in enumerate(outcomes) if isinstance(p, PreparedCreative)], int)
        if not prepared:
            targets = len(self.scorer.manifest.targets)
            return _ScoredRows(rows, np.empty((0, targets, 4)), np.empty(0), [])
        filling = -len(prepared) % MAX_BATCH
        predictions = self.scorer.predict([*prepared, *repeat(prepared[-1], filling)])
        manifest, count = self.scorer.manifest, len(prepared)
        mean, concentration = predictions.mean[:count], predictions.concentration[:count]
        return _ScoredRows(
            rows,
            rate_figures(manifest, mean, concentration),
            predictions.agreement[:count],
            [
                ";".join((*p.warnings, *predictions.noticed(number)))
                for number, p in enumerate(prepared)
            ],
        )

    # === Reading cells ===

    def _kept(
        self, batch: pa.RecordBatch
    ) -> tuple[list[pa.Array], dict[int, InvalidCreativeError]]:
        """The copied columns, and the errors of rows with an unreadable cell in them."""
        kept, errors = [], {}
        for name in self.options.keep:
            column = batch.column(name)
            try:
                column.validate(full=True)
            except pa.ArrowInvalid:  # texts that are not UTF-8, which no file could hold
                cells = dict(enumerate(values(batch, name)))
                broken = {n: c for n, c in cells.items() if isinstance(c, InvalidCreativeError)}
                errors.update(broken)
                column = pa.array([None if n in broken else cells[n] for n in cells], column.type)
            if name != self.options.columns.id:
                kept.append(column)
        return kept, errors

    def _prepare(self, batch: pa.RecordBatch) -> list[PreparedCreative | InvalidCreativeError]:
        columns, count = self.options.columns, batch.num_rows
        ids = texts(batch, columns.id) if columns.id else [""] * count
        headlines = texts(batch, columns.headline) if columns.headline else [""] * count
        context = [texts(batch, name) for name in columns.context]
        rows = zip(ids, headlines, self._prepare_images(batch), strict=True)
        return [
            self._prepare_row(*row, [values[number] for values in context])
            for number, row in enumerate(rows)
        ]

    def _prepare_row(
        self, identity: Text, headline: Text, image: Image | None, context: Sequence[Text]
    ) -> PreparedCreative | InvalidCreativeError:
        try:
            _known(identity)
            named = zip(self.options.columns.context, map(_known, context), strict=True)
            preparer = self.scorer.preparer
            return preparer.assembled(
                preparer.headline(_known(headline)),
                context=preparer.context({name: value for name, value in named if value}),
                image=preparer.image(b"") if image is None else _known(image),
            )
        except InvalidCreativeError as error:
            return error

    def _prepare_images(self, batch: pa.RecordBatch) -> list[Image | None]:
        name = self.options.columns.image
        if name is None:
            return [None] * batch.num_rows
        cells = image_cells(batch, name)
        if holds_images(batch.schema.field(name).type):  # one at a time, since they are large
            return [self._prepare_image(cell, {}) for cell in cells]
        paths = list(cells)
        names = dict.fromkeys(cell for cell in paths if isinstance(cell, str) and cell)
        outcomes = self._images.from_names(list(names))
        return [self._prepare_image(cell, outcomes) for cell in paths]

    def _prepare_image(self, cell: ImageCell, read: Mapping[str, Image]) -> Image | None:
        if not cell or isinstance(cell, InvalidCreativeError):
            return cell or None
        if isinstance(cell, bytes):
            return self._images.from_bytes(cell)
        return read.get(cell) or self._images.from_names([cell])[cell]


def _known(value: KnownT | InvalidCreativeError) -> KnownT:
    if isinstance(value, InvalidCreativeError):
        raise value
    return value
