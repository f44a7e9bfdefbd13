"""`python -m adscore_client`."""

import dataclasses
import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

import adscore_client
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


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == adscore_client.__version__ == version("adscore")
    with pytest.raises(AttributeError, match="no_such_name"):
        adscore_client.no_such_name  # noqa: B018


@pytest.mark.parametrize("arguments", [[], ["score", "--timeout-seconds", "soon"], ["models", "x"]])
def test_wrong_use_prints_the_usage_and_no_traceback(arguments):
    command = [sys.executable, "-m", "adscore_client", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m adscore_client")
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_quietly(monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("adscore_client._client.Client.models", interrupt)
    assert main(["models"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_reader_that_has_enough_is_no_failure(server, reader):
    command = f"{sys.executable} -m adscore_client models --json --address {server.address}"
    shell = f"{command} | {reader} > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_terminal_of_few_characters_gets_the_others_escaped(server):
    server._script.model = dataclasses.replace(FAKE_MODEL, state_reason="caf\u00e9")
    command = [sys.executable, "-m", "adscore_client", "models", "--json"]
    done = subprocess.run(
        [*command, "--address", server.address],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert rb"caf\xe9" in done.stdout
