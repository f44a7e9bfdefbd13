"""Arguments that several commands share: the table and its columns."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adscore.table import Columns

TableArgument = Annotated[
    Path, typer.Argument(metavar="TABLE", help="A .csv, .parquet or .jsonl table of creatives.")
]
IdColumn = Annotated[str, typer.Option(help="Column that identifies a row.")]
HeadlineColumn = Annotated[str, typer.Option(help="Column of the headline.")]
ImageColumn = Annotated[
    str, typer.Option(help="Column of the image: a file's path, or its bytes (Parquet).")
]
GroupColumn = Annotated[str, typer.Option(help="Column of what rows are compared within.")]
ContextColumns = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A column such as the placement; may be repeated."),
]
ImageRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the image paths.", show_default="the table's folder"),
]


def given_columns(
    id_: str, headline: str, image: str, group: str, context: list[str] | None
) -> "Columns":
    """Columns by their names on the command line; ``none`` says that there is no such column."""
    from adscore.table import NO_COLUMN, Columns

    def given(name: str) -> str | None:
        return None if name == NO_COLUMN else name

    names = tuple(dict.fromkeys(context or []))
    return Columns(given(id_), given(headline), given(image), given(group), names)
