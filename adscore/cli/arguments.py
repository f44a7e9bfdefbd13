"""Arguments that several commands share: the table, its columns and targets, files to write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adscore.console import notes
from adscore.creative import NO_COLUMN, Columns, Warning, named_column

_USUAL = Columns()

Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE", help="A .csv, .parquet or .jsonl table, a folder of these, or a URL."
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model or one version of it.")]


def _column(usual: str | None, help_: str) -> object:
    """An option whose absence can be told from the usual name."""
    text = f"{help_} {NO_COLUMN!r} where there is none."
    return typer.Option(metavar="NAME", help=text, show_default=usual or False)


IdColumn = Annotated[str | None, _column(_USUAL.id, "Column that identifies a row;")]
HeadlineColumn = Annotated[str | None, _column(_USUAL.headline, "Column of the headline;")]
ImageColumn = Annotated[
    str | None,
    _column(_USUAL.image, "Column of the image: a path, a URL, or its bytes (Parquet);"),
]
GroupColumn = Annotated[
    str | None, _column(_USUAL.group, "Column of what rows are compared within;")
]
ContextColumns = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A column such as the placement; may be repeated."),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(help="Folder or URL of the image paths.", show_default="the table's folder"),
]


def given_columns(
    id_: str | None,
    headline: str | None,
    image: str | None,
    group: str | None,
    context: list[str] | None,
) -> Columns:
    """Columns by their names on the command line; None stands for the usual name."""
    return Columns(
        id=named_column(id_ or _USUAL.id),
        headline=named_column(headline or _USUAL.headline),
        image=named_column(image or _USUAL.image),
        group=named_column(group or _USUAL.group),
        context=tuple(dict.fromkeys(context or [])),
    )


def warn_of_left_out_context(names: Sequence[str]) -> None:
    """Says once that a model reads context which no column holds; nothing where it is all there."""
    if names:
        options = " ".join(f"--context-column {name}" for name in names)
        notes().print(
            f"warning: the model reads the context {', '.join(names)}, and no column is named for "
            f"it: all rows are scored without, and ranked worse ({Warning.MISSING_CONTEXT}). "
            f"Name it: {options}"
        )


def require_writable(option: str, path: Path | None) -> None:
    """Refuses a file that cannot be written, before the work for it is done.

    Raises:
        ValueError: It is a folder, or its folder is not there.
    """
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        received = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise ValueError(f"{option}: expected a file to write. Received: {path}: {received}")
