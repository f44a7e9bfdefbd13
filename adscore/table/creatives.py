"""A checked table of creatives and their results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adscore.creative import Creative
from adscore.errors import InvalidCreativeError, Reason, TableError

SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class CreativeTable:
    """A checked table.

    Attributes:
        path: Where it was read from.
        ids: One for each row.
        headlines: One for each row; ``""`` means absent.
        images: One for each row: a file's path or its content; ``b""`` means absent.
        groups: One for each row, or None where there is no group column.
        context: By name, one value for each row; ``""`` means absent.
        target_columns: By target, the columns of its counts.
        successes: By target, counts of shape (rows,), int64.
        trials: By target, counts of shape (rows,), int64.
    """

    path: Path
    ids: Sequence[str]
    headlines: Sequence[str]
    images: Sequence[Path | bytes] = field(repr=False)
    groups: Sequence[str] | None
    context: dict[str, Sequence[str]]
    target_columns: dict[str, str]
    successes: dict[str, NDArray[np.int64]]
    trials: dict[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def group_names(self) -> Sequence[str]:
        """Group of each row; without a group column each row is a group of its own."""
        return self.ids if self.groups is None else self.groups

    def where(self, row: int) -> str:
        """Names a row (counted from 0) as a reader of the file would look for it."""
        return f"{self.path}, row {row + 1} (id {self.ids[row]})"

    def creative(self, row: int) -> Creative:
        """The creative of one row, its image read from disk.

        Raises:
            InvalidCreativeError: The image file cannot be read.
        """
        context = {name: values[row] for name, values in self.context.items() if values[row]}
        return Creative(self.headlines[row], self._image(row), self.ids[row], context)

    def broken_rows(self, errors: Iterable[tuple[int, str]]) -> TableError:
        """One error for many rows (counted from 0): it names the first few."""
        ordered = sorted(errors)
        shown = [f"{self.where(row)}: {message}" for row, message in ordered[:SHOWN_ERRORS]]
        more = len(ordered) - len(shown)
        return TableError("\n".join([*shown, *([f"and {more} more rows"] if more else [])]))

    def _image(self, row: int) -> bytes:
        image = self.images[row]
        if isinstance(image, bytes):
            return image
        try:
            if data := image.read_bytes():
                return data
            raise ValueError("an empty file")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path, too
            cause = error.strerror if isinstance(error, OSError) else error
            raise InvalidCreativeError(
                "image",
                Reason.IMAGE_UNREADABLE,
                f"expected an image file. Received: {str(image)!r}: {cause}",
            ) from error
