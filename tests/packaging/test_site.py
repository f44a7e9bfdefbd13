"""The site of the documentation builds, holds every page, and loads nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import adscore_client

ROOT = Path(__file__).resolve().parents[2]
# What a browser loads by itself; links are followed by people.
LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["']?(https?:[^"'> ]+)"""
    r"""|@import\s+(?:url\()?["']?(https?:[^"')]+)|url\(["']?(https?:[^"')]+)"""
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "tools" / "build_site.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    names = {path.relative_to(ROOT).with_suffix(".html") for path in pages}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    index = {path.with_name("index.html") if path.stem == "README" else path for path in names}
    assert index <= built
    assert (site / "index.html").exists()


def test_the_reference_holds_what_the_client_exports(site: Path) -> None:
    page = (site / "docs" / "api" / "client.html").read_text(encoding="utf-8")
    missing = [name for name in adscore_client.__all__ if f'id="adscore_client.{name}"' not in page]
    assert missing == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 20
    found = {
        (path.name, address)
        for path in files
        for match in LOADED.finditer(path.read_text(encoding="utf-8"))
        for address in filter(None, match.groups())
    }
    assert found == set()
