"""The metrics page, over HTTP at a separate address."""

import contextlib
import logging
import socket
import threading
from socketserver import ThreadingMixIn
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from adscore_server.errors import StartError

# Each connection holds a thread; this is enough for a few scrapers and people.
_MAX_CONNECTIONS = 16
_SILENCE_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class _Handler(WSGIRequestHandler):
    """Waits for a request up to a timeout, and logs nothing."""

    timeout = _SILENCE_SECONDS

    def log_message(self, *_: Any) -> None:
        """Logs nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    """Closes the oldest connection when there are too many, so idle clients cannot block it."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[Any, None] = {}
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open[request] = None
        if len(self._open) > _MAX_CONNECTIONS:
            with contextlib.suppress(OSError, KeyError):
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """Ignores broken connections."""


class MetricsServer:
    """Shows a registry's metrics within a `with` block.

    Args:
        registry: The metrics to show.
        address: HOST:PORT; port 0 means any free one.
    """

    def __init__(self, registry: CollectorRegistry, address: str) -> None:
        self._registry = registry
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._running: tuple[WSGIServer, threading.Thread] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT that it listens on; the real port once started."""
        return f"{self._host}:{self._port}"

    def __enter__(self) -> Self:
        """Starts to listen.

        Raises:
            StartError: The address cannot be listened on.
        """
        try:
            server = self._listen()
        except OSError as error:
            raise StartError(
                "--metrics-address: expected a free address of this machine. "
                f"Received: {self.address}: {error.strerror or error}"
            ) from error
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        self._running = server, thread
        self._port = server.server_port
        _logger.info("Metrics on http://%s/metrics", self.address)
        return self

    def _listen(self) -> WSGIServer:
        host = self._host.strip("[]")
        family = socket.getaddrinfo(host, self._port, type=socket.SOCK_STREAM)[0][0]
        kind = type("Server", (_Server,), {"address_family": family})
        app = make_wsgi_app(self._registry)
        return make_server(host, self._port, app, kind, handler_class=_Handler)

    def __exit__(self, *exception: object) -> None:
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
