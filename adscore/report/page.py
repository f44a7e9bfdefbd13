"""Renders a self-contained HTML page from a template; the page loads nothing."""

import base64
import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adscore.report.words import change_text, metric_text, odds, percent, points, share_below

# Characters that HTML does not allow; a headline may contain any of them.
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)))
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_UNSAFE = {**_CONTROL, **_SURROGATES, 0xFFFE: None, 0xFFFF: None}


def render(template: str, **values: object) -> str:
    """Renders a template; the page is also well-formed XML.

    Args:
        template: Name of a file in `templates`.
        values: Values for the template; text is escaped.
    """
    return _environment().get_template(template).render(values) + "\n"


@dataclass(frozen=True, slots=True)
class Script:
    """A script of this package, and the policy that allows only this script to run."""

    text: Markup
    policy: str


def load_script(name: str) -> Script:
    """Loads a script from the folder of templates."""
    text = resources.files(__package__).joinpath("templates", name).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"; script-src 'sha256-{digest}'")  # noqa: S704 - our own file


def write_page(path: Path, page: str) -> None:
    """Writes a page to a temporary file, then renames it; replaces an existing file.

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


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "change": change_text,
        "count": "{:,}".format,
        "metric": metric_text,
        "odds": odds,
        "percent": percent,
        "pixels": _pixels,
        "points": points,
        "share_below": share_below,
        "side": lambda effect: "up" if effect >= 0 else "down",
    }
    return environment


def _printable(value: object) -> object:
    """Removes characters that HTML does not allow; Jinja2 escapes the result."""
    return value if isinstance(value, Markup) else str(value).translate(_UNSAFE)


def _pixels(value: float) -> str:
    return f"{round(value, 2):g}"
