"""Health at a separate address, in plain text, since Kubernetes cannot probe over TLS."""

from concurrent.futures import ThreadPoolExecutor

import grpc

from adscore_server.addresses import address_error
from adscore_server.calls.admission import Places
from adscore_server.calls.receive import Receiver
from adscore_server.calls.router import HealthRoutes, Router

# Probes are few and rare.
_MAX_CHECKS = 100


class HealthServer:
    """Answers grpc.health.v1 and nothing else, without encryption or tokens.

    Args:
        routes: The routes of health.
        receiver: Receives requests.
        address: HOST:PORT; port 0 means any free one.
        reuse_port: See `ServerConfig`.
    """

    def __init__(
        self, routes: HealthRoutes, receiver: Receiver, address: str, *, reuse_port: bool
    ) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._router = Router(receiver)
        routes.add_to(self._router, Places(_MAX_CHECKS))
        self._server = grpc.server(
            ThreadPoolExecutor(1), options=[("grpc.so_reuseport", int(reuse_port))]
        )
        self._server.add_generic_rpc_handlers((self._router,))

    @property
    def address(self) -> str:
        """HOST:PORT that it listens on; the real port once started."""
        return f"{self._host}:{self._port}"

    def start(self) -> None:
        """Starts to listen.

        Raises:
            StartError: The address cannot be listened on.
        """
        try:
            self._port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise address_error(self.address, "health cannot be answered there") from error
        self._router.start()
        self._server.start()

    def stop(self) -> None:
        """Stops and disconnects watchers."""
        self._server.stop(None).wait()
        self._router.stop()
