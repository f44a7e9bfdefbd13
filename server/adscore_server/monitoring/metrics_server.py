"""The page of metrics, over HTTP at an address of its own."""

import logging
import threading
from typing import Self
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server

from adscore_server.errors import StartError

_logger = logging.getLogger(__name__)


class MetricsServer:
    """Shows a registry's metrics within a `with` block.

    Args:
        registry: What it shows.
        address: HOST:PORT; port 0 means any free one.
    """

    def __init__(self, registry: CollectorRegistry, address: str) -> None:
        self._registry = registry
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._running: tuple[WSGIServer, threading.Thread] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT that it listens on, with the real port once it was started."""
        return f"{self._host}:{self._port}"

    def __enter__(self) -> Self:
        """Listens.

        Raises:
            StartError: The address cannot be listened on.
        """
        try:
            server, thread = start_http_server(
                self._port, self._host.strip("[]"), registry=self._registry
            )
        except OSError as error:
            raise StartError(
                "--metrics-address: expected a free address of this machine. "
                f"Received: {self.address}: {error.strerror or error}"
            ) from error
        self._running = server, thread
        self._port = server.server_port
        _logger.info("Metrics on http://%s/metrics", self.address)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
