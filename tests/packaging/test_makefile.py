"""What the documents promise of `make` is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMISED = {
    "help", "setup", "demo", "page", "screenshots", "clean",
    "test", "test-quick", "test-spark", "test-node", "test-page", "fuzz",
    "fmt", "check", "check-lint", "check-format", "check-types", "check-imports", "check-stubs",
    "check-protos", "check-hosts",
    "docs", "release-check", "release-protos", "rules-age", "proto", "bench", "bench-peers", "lock",
}  # fmt: skip
# `make NAME` in a code span, or at the start of a line of a code block.
MENTION = re.compile(r"(?:`|^\s*\$?\s*|entry: )make ([a-z][a-z-]*)", re.MULTILINE)


@pytest.fixture(scope="module")
def listed() -> set[str]:
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make")
    done = subprocess.run([make, "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(re.findall(r"^ +make ([a-z-]+) +\S", done.stdout, re.MULTILINE))


def test_help_lists_the_promised_targets(listed: set[str]):
    assert listed == PROMISED


def test_help_lists_every_target(listed: set[str]):
    phony = re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == set(phony)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".pre-commit-config.yaml"])
def test_documents_name_only_targets_that_exist(name: str):
    document = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned = set(MENTION.findall(document))
    assert mentioned, f"{name} names no target"
    assert mentioned <= targets


def test_continuous_integration_runs_the_same_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(MENTION.findall(script)) == {"check", "test"}


@pytest.mark.parametrize(("user", "said"), [(0, "skipped: apt-get did not"), (1000, "No chromium")])
def test_a_browser_that_cannot_be_installed_breaks_nothing(
    tmp_path: Path, user: int, said: str
) -> None:
    for name, line in (("id", f"echo {user}"), ("apt-get", "exit 100")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    script = ROOT / "tools" / "install_browser.sh"
    environment = {"PATH": str(tmp_path), "ADSCORE_CHROMIUM": "no-such-browser"}
    done = subprocess.run(
        ["/bin/sh", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout
