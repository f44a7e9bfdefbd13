"""The options of offline scoring, for every engine."""

from dataclasses import dataclass, replace

from adscore.creative import Columns

PART_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """Which columns are read and copied; small and picklable, so that it can be sent to executors.

    Attributes:
        columns: Which column holds what; the group is not read.
        keep: Further columns to copy to the result unchanged.
        image_root: Folder, a path or URL, to which image paths are relative; ``""`` means the
            table's folder.
        part_rows: Rows of a part, if the result is a folder.
        raw: Whether a .csv keeps texts unchanged that a spreadsheet would run as formulas.
    """

    columns: Columns
    keep: tuple[str, ...] = ()
    image_root: str = ""
    part_rows: int = PART_ROWS
    raw: bool = False

    @property
    def id_name(self) -> str:
        """Name of the result's first column; without an id, rows are numbered."""
        return self.columns.id or "row"

    @property
    def read(self) -> list[str]:
        """Names of the columns that are read, without duplicates."""
        return list(dict.fromkeys([*self.columns.named(), *self.keep]))

    def below(self, folder: str) -> "ScoringOptions":
        """The same options with this folder as image root, unless one is set."""
        return replace(self, image_root=self.image_root or folder)
