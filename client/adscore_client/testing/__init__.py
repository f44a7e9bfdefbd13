"""For the tests of programs that use the client: a server without a model.

from adscore_client import Client
from adscore_client.testing import FakeServer

with FakeServer(score=lambda creative: 0.012) as server, Client(server.address) as client:
    assert client.score("Save 20 % on running shoes").targets["ctr"].mean == 0.012
"""

from adscore_client.testing._fake_server import FAKE_MODEL, FakeServer
from adscore_client.testing._services import FakeCall

__all__ = ["FAKE_MODEL", "FakeCall", "FakeServer"]
