"""Version, changelog and the released wire contract agree; `make release-check` asks for more."""

import datetime
import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## \[([^]]+)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)


def test_newest_release_of_the_changelog_is_the_version_and_has_a_date() -> None:
    releases = [section for section in SECTIONS if section[0] != "Unreleased"]
    assert releases[0][0] == VERSION
    dates = [datetime.date.fromisoformat(date) for _, date in releases]
    assert dates == sorted(dates, reverse=True)


def test_the_wire_contract_of_the_version_is_kept() -> None:
    released = {path.stem for path in (ROOT / "protos" / "released").glob("*.binpb")}
    assert VERSION.rpartition(".")[0] in released


@pytest.mark.skipif(not os.environ.get("ADSCORE_RELEASE"), reason="for make release-check")
def test_nothing_is_left_unreleased() -> None:
    [rest] = re.findall(r"^## \[Unreleased\]\n(.*?)(?=^## )", CHANGELOG, re.MULTILINE | re.DOTALL)
    assert rest.strip() == ""
