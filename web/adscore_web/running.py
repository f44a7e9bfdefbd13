"""Runs the page: listens, prints the address, opens a browser, serves until Ctrl-C or SIGTERM."""

import asyncio
import socket
import ssl
import warnings
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from adscore_client import AdscoreError, AuthenticationError, Client
from adscore_web.app import create_app
from adscore_web.config import PageConfig, PageError

_MAX_CONNECTIONS = 512
_STOP_SECONDS = 5
_WAIT_SECONDS = 30.0  # wait for a server that is still starting, as under Compose


@dataclass(frozen=True, slots=True)
class PageFiles:
    """TLS files of the page.

    Attributes:
        certificate: Certificate, PEM.
        key: Private key, PEM.
    """

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: Path | None, key: Path | None) -> Self | None:
        """The two files; None if neither is given.

        Raises:
            PageError: One of them is missing, or they do not match.
        """
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise PageError("expected --tls-cert and --tls-key together. Received: one of them")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise PageError(
                f"--tls-cert, --tls-key: expected a certificate and its key, PEM. Received: {error}"
            ) from error
        return cls(certificate, key)


def run_page(
    config: PageConfig,
    tls: PageFiles | None,
    show: Callable[[str], object],
    *,
    opens_browser: bool,
) -> None:
    """Serves the page until it is stopped.

    Args:
        config: Configuration.
        tls: TLS files; None for plain text.
        show: Receives the line with the page's address.
        opens_browser: Whether to open a browser.

    Raises:
        PageError: It may not be served like this, or the address is not free.
    """
    _require_protection(config, tls)
    # The page itself shows which scores lack context; do not warn on the console as well.
    warnings.filterwarnings("ignore", category=UserWarning, module="adscore_client")
    app = create_app(config)
    listening = listen(config)
    url = f"{'https' if tls else 'http'}://{_shown_place(config, listening)}{config.prefix}/"
    show(f"Page on {url}")
    if opens_browser:
        webbrowser.open(url)
    asyncio.run(web_server(app, tls).serve(sockets=[listening]))


def web_server(app: ASGIApp, tls: PageFiles | None = None) -> uvicorn.Server:
    """The HTTP server of the app.

    Args:
        app: The app.
        tls: TLS files; None for plain text.
    """
    settings = uvicorn.Config(
        app,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        access_log=False,
        log_level="warning",
        server_header=False,
        http="h11",  # it limits request headers to 64 KiB
        ws="none",
        proxy_headers=False,  # not needed, and callers can forge them
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(settings)


def listen(config: PageConfig) -> socket.socket:
    """Binds and listens right away, so that an early browser request waits instead of failing.

    Raises:
        PageError: The address is in use, or does not belong to this machine.
    """
    host, port = config.place()
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(place)
            listening.listen()
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise PageError(
            f"--address: expected a free address of this machine. Received: {config.address}: "
            f"{error.strerror or error}. Port 0 means any free one"
        ) from error
    return listening


def _shown_place(config: PageConfig, listening: socket.socket) -> str:
    host, _ = config.place()
    port = listening.getsockname()[1]
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared with
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _require_protection(config: PageConfig, tls: PageFiles | None) -> None:
    """Refuses to serve unprotected beyond this machine, as the server does.

    Raises:
        PageError: Strangers could use it, or read what is sent.
    """
    if config.is_local or config.insecure_network:
        return
    if tls is None:
        raise PageError(
            "--address: beyond this machine, expected encryption (--tls-cert and --tls-key). "
            f"Received: {config.address} without. Behind a proxy that encrypts and asks who "
            "calls, say --insecure-network"
        )
    if not asks_for_tokens(config):
        raise PageError(
            "--address: beyond this machine, expected a server that asks for tokens. Received: "
            f"{config.server}, which answers everybody. Start it with --tokens (with --model: "
            "adscore page --tokens FILE), or say --insecure-network"
        )


def asks_for_tokens(config: PageConfig) -> bool:
    """Whether the server requires a token.

    Raises:
        PageError: The server does not answer.
    """
    try:
        with Client(config.server, tls=config.server_tls, token="") as client:
            client.wait_until_ready(_WAIT_SECONDS)
            client.models()
    except AuthenticationError:
        return True
    except AdscoreError as error:
        raise PageError(f"--server: {error}") from error
    return False
