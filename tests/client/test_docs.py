"""Every code block of docs/client.md runs, against a fake server or a live one."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

import adscore_client
from adscore_client.__main__ import main
from adscore_client.testing import FakeServer

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^python -m adscore_client (.*)$", TEXT, re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = io.BytesIO()
    Image.new("RGB", (300, 250), "teal").save(image, format="PNG")
    for name in ("banner.png", "a.png", "b.jpg", "ca.pem", "me.pem", "me.key"):
        (tmp_path / name).write_bytes(image.getvalue())
    return tmp_path


@pytest.fixture
def server(monkeypatch):
    """A fake server in the place of those that the page names."""
    with FakeServer() as running:
        constructor = adscore_client._core.BaseClient.__init__

        def connect(self, address="127.0.0.1:50051", **arguments):
            if address == "127.0.0.1:50051":
                address = running.address
            elif address == ["127.0.0.1:50051", "127.0.0.1:50052"]:
                address = [running.address, "127.0.0.1:1"]
            constructor(self, address, **arguments)

        monkeypatch.setattr(adscore_client._core.BaseClient, "__init__", connect)
        yield running


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block_runs(number, folder, server):
    exec(compile(BLOCKS[number], f"docs/client.md, block {number}", "exec"), {"__name__": "docs"})


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command, folder, server, capsys):
    arguments = re.findall(r'"[^"]*"|\S+', command)
    assert main([argument.strip('"') for argument in arguments]) == 0
    assert capsys.readouterr().out


def test_every_exception_is_on_the_page():
    errors = [name for name in adscore_client.__all__ if name.endswith("Error")]
    assert [name for name in errors if f"`{name}`" not in TEXT] == ["AccessError"]
