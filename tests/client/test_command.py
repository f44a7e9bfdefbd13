"""`python -m adscore_client`."""

import json
import subprocess
import sys

import pytest

from adscore_client.__main__ import main
from adscore_client.testing import FAKE_MODEL, FakeServer


@pytest.fixture
def server():
    with FakeServer(score=lambda creative: 0.02) as running:
        yield running


def test_score_is_a_table_for_people(server, capsys):
    assert main(["score", "--headline", "Fresh air", "--address", server.address]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["target", "mean", "90", "%", "interval", "percentile"]
    assert lines[1].split() == ["ctr", "2.000%", "1.000%", "to", "3.000%", "50"]
    assert lines[-1] == "model: fake, version 1"


def test_score_is_json_for_programs(server, capsys, tmp_path):
    path = tmp_path / "banner"
    path.write_bytes(b"image")
    arguments = ["--image", str(path), "--context", "placement=a=b", "--model", "fake", "--json"]
    assert main(["score", *arguments, "--address", server.address]) == 0
    assert json.loads(capsys.readouterr().out)["targets"]["ctr"]["mean"] == 0.02
    (creative,) = server.creatives
    assert (creative.image, creative.context) == (b"image", {"placement": "a=b"})


def test_models_are_listed(server, capsys):
    assert main(["models", "--address", server.address]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["fake", "1", "READY"]
    assert main(["models", "--address", server.address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [FAKE_MODEL.to_dict()]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--image", "no-such-file.png"], 1, "no-such-file.png"),
        (["--model", "another"], 1, "another"),
        (["--context", "placement"], 2, "NAME=VALUE"),
        (["--timeout-seconds", "0"], 2, "timeout_seconds"),
        (["--tls-cert", "a.pem"], 2, "key_file"),
    ],
)
def test_failure_is_one_line_and_an_exit_code(arguments, code, text, server, capsys):
    base = ["score", "--headline", "Fresh air", "--address", server.address]
    assert main([*base, *arguments]) == code
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert output.err.startswith("error: ")
    assert text in output.err


def test_unknown_option_is_wrong_use_and_the_module_runs():
    command = [sys.executable, "-m", "adscore_client"]
    assert subprocess.run([*command, "--no"], capture_output=True, check=False).returncode == 2
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "score one creative" in done.stdout
