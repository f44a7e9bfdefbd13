"""Builds the site of the documentation: `python tools/build_site.py FOLDER`.

MkDocs wants its pages in one folder apart from its settings. So files of the checkout are linked
into one, each at its own place: relative links then hold in the checkout and on the site.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "examples", "deploy", "protos")


def main(site: Path) -> int:
    """Builds it, any warning being an error; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="adscore-pages-") as pages:
        for name in PAGES:
            (Path(pages) / name).symlink_to(ROOT / name)
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
        return subprocess.run(
            [*command, "--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(site)],
            check=False,
            env={**os.environ, "ADSCORE_PAGES": pages, "NO_MKDOCS_2_WARNING": "1"},
        ).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
