"""An HTML page that needs nothing else, and its file."""

import os
import tempfile
from importlib import resources
from pathlib import Path

from adscore.report.markup import Markup, element

# Nothing may be loaded or run, whatever a headline holds.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, *body: Markup) -> str:
    """A whole page in the style that all pages share."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", _style()),
    )
    return "<!DOCTYPE html>\n" + element("html", head, element("body", *body), lang="en") + "\n"


def write_page(path: Path, page: str) -> None:
    """Writes a page under a temporary name and renames it; a file in its place is replaced.

    Raises:
        OSError: The file cannot be written.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(page.encode())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _style() -> Markup:
    return Markup(resources.files(__package__).joinpath("page.css").read_text("utf-8"))
