"""What is asked of offline scoring, whatever engine does it."""

from dataclasses import dataclass, replace

from adscore.creative import Columns

PART_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """Which columns are read and carried along; small and picklable, so that it travels.

    Attributes:
        columns: Which column holds what; the group is not read.
        keep: Further columns that the result carries along as they are.
        image_root: Folder, a path or URL, to which image paths are relative; ``""`` stands for
            that of the table.
        part_rows: Rows of a part, where the result is a folder.
        raw: Whether a .csv keeps texts that a spreadsheet would run as formulas as they are.
    """

    columns: Columns
    keep: tuple[str, ...] = ()
    image_root: str = ""
    part_rows: int = PART_ROWS
    raw: bool = False

    @property
    def id_name(self) -> str:
        """Name of the result's first column; rows are numbered where the table has no id."""
        return self.columns.id or "row"

    @property
    def read(self) -> list[str]:
        """Names of the columns that are read, each once."""
        return list(dict.fromkeys([*self.columns.named(), *self.keep]))

    def below(self, folder: str) -> "ScoringOptions":
        """The same with an image root: this folder, unless there is one."""
        return replace(self, image_root=self.image_root or folder)
