"""The example for Node.js gives the scores of the Python client, to the last bit."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from adscore_client import Client
from adscore_server.config import ServerConfig
from adscore_server.models.registry import LoadedModel, ModelRegistry
from adscore_server.server import Server

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node"


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None or not (EXAMPLE / "node_modules").is_dir():
        pytest.skip("needs Node.js and the packages of examples/node: make test-node")
    return found


@pytest.fixture
def address(scorer):
    config = ServerConfig(address="127.0.0.1:0")
    with Server(ModelRegistry([LoadedModel(scorer)]), config) as server:
        yield server.address


def bits(number: float) -> str:
    return struct.pack(">d", number).hex()


@pytest.mark.parametrize("source", ["proto", "reflection"])
def test_scores_are_the_same_to_the_last_bit(source, node, address, creatives, tmp_path):
    parts = []
    for number, creative in enumerate(creatives[:6]):
        path = tmp_path / str(number)
        path.write_bytes(creative.image)
        parts += [creative.headline, str(path)]
    command = [node, "score.mjs", address, source, *parts]
    done = subprocess.run(
        command, cwd=EXAMPLE, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    received = [json.loads(line)["exact"] for line in done.stdout.splitlines()]

    with Client(address) as client:
        pairs = [(creative.headline, creative.image) for creative in creatives[:6]]
        targets = [client.score(*pair).targets["ctr"] for pair in pairs]
    expected = [[bits(t.mean), bits(t.lower), bits(t.upper), bits(t.percentile)] for t in targets]
    assert received == expected
