"""Refuses files that name the host of a package registry.

Pins and scripts name packages, never where they come from: that is a setting of the machine
(pip's, uv's and npm's own configuration), so that a mirror or an offline index works unchanged.

The hosts below are written with a space for the dot, so that this file passes its own check.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REGISTRIES = (
    "pypi org",
    "pythonhosted org",
    "npmjs org",
    "npmjs com",
    "yarnpkg com",
    "anaconda org",
    "crates io",
    "rubygems org",
    "maven org",
    "docker io",
    "deb debian org",
    "proxy golang org",
)
REGISTRY = re.compile(
    r"(?<![\w-])(?:" + "|".join(host.replace(" ", r"\.") for host in REGISTRIES) + r")(?![\w-])",
    re.IGNORECASE,
)
# A requirements file needs neither a URL nor an option but its hashes.
PIN_SOURCE = re.compile(r"://|^\s*(?:-i\b|-f\b|--(?:index-url|extra-index-url|find-links)\b)")
# Lock files of these kinds record the address of every package.
LOCK_FILES = frozenset(
    {"Pipfile.lock", "package-lock.json", "pdm.lock", "pnpm-lock.yaml", "poetry.lock", "uv.lock"}
    | {"yarn.lock"}
)


def findings(path: Path) -> Iterator[str]:
    """Yields one ``PATH:LINE: what is wrong`` for each line of a text file that is at fault."""
    if path.name in LOCK_FILES:
        yield f"{path}:1: a lock file that records registry addresses"
    content = path.read_bytes()
    if b"\0" in content:
        return
    is_pins = path.name.startswith("requirements")
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        if match := REGISTRY.search(line):
            yield f"{path}:{number}: names the registry host {match.group()}"
        elif is_pins and PIN_SOURCE.search(line):
            yield f"{path}:{number}: pins name no URL and no index: {line.strip()}"


def committed_files() -> list[Path]:
    """Returns the files that are, or would be, committed; relative to the working folder."""
    git = shutil.which("git")
    if git is None or not Path(".git").exists():
        return []
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return [path for path in map(Path, filter(None, names)) if path.is_file()]


def main() -> int:
    """Prints every finding; returns the exit status."""
    paths = committed_files()
    if not paths:
        print("skipped: this is no git checkout")
        return 0
    wrong = [finding for path in paths for finding in findings(path)]
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
