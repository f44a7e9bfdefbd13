"""Health at an address of its own, in plain text: Kubernetes cannot ask for it over TLS."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2_grpc

from adscore_server.addresses import address_error

# Few ask, and rarely; but one who watches, or is slow to send the request, holds a thread. They are
# made only when needed.
_MOST_CALLS = 100


class HealthServer:
    """Answers grpc.health.v1 and nothing else, without encryption and tokens.

    Args:
        servicer: What it answers.
        address: HOST:PORT; port 0 means any free one.
        reuse_port: As of `ServerConfig`.
    """

    def __init__(self, servicer: health.HealthServicer, address: str, *, reuse_port: bool) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._threads = ThreadPoolExecutor(_MOST_CALLS, "health")
        self._server = grpc.server(
            self._threads,
            options=[("grpc.so_reuseport", int(reuse_port))],
            maximum_concurrent_rpcs=_MOST_CALLS,
        )
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._server)

    @property
    def address(self) -> str:
        """HOST:PORT that it listens on, with the real port once it was started."""
        return f"{self._host}:{self._port}"

    def start(self) -> None:
        """Listens.

        Raises:
            StartError: The address cannot be listened on.
        """
        try:
            self._port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise address_error(self.address, "health cannot be answered there") from error
        self._server.start()

    def stop(self) -> None:
        """Stops; who watches is cut off."""
        self._server.stop(None).wait()
        self._threads.shutdown()
