"""The command that this package adds to `adscore`: `page`.

Dependencies are imported when it runs, so that `adscore --help` stays fast.
"""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adscore_client import Tls

_NO_MODEL = """\
adscore page needs a model to ask:
  adscore page --model DIR         a model's folder; serves it too
  adscore page --server ADDRESS    a running `adscore serve`
Without a model yet, this makes one from a simulated log, in two minutes:
  adscore demo --keep demo && adscore page --model demo/model"""

Server = Annotated[
    str, typer.Option(metavar="ADDRESS", help="HOST:PORT of a running server.", show_default=False)
]
ModelRoot = Annotated[
    Path | None,
    typer.Option(metavar="MODEL", help="A model, or a root of models, to serve in the background."),
]
Address = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 means any free one.")
]
Prefix = Annotated[
    str,
    typer.Option(
        metavar="PATH", help="Path prefix behind a proxy, e.g. /adscore.", show_default=False
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host", metavar="NAME", help="Host name that browsers use; may be repeated."
    ),
]
ServerTls = Annotated[
    bool, typer.Option("--server-tls", help="Use TLS to --server, with public CAs.")
]
ServerCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Use TLS to --server, and trust this CA, PEM."),
]
TlsCert = Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate of the page, PEM.")]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Key of the certificate, PEM.")]
Tokens = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="With --model: accept only callers in this file (adscore token)."
    ),
]
InsecureNetwork = Annotated[
    bool,
    typer.Option(
        "--insecure-network",
        help="Listen beyond this machine without TLS or tokens: something else protects it.",
    ),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


def page(
    server: Server = "",
    model: ModelRoot = None,
    address: Address = "127.0.0.1:8501",
    prefix: Prefix = "",
    allowed_host: AllowedHosts = None,
    server_tls: ServerTls = False,
    server_ca: ServerCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tokens: Tokens = None,
    insecure_network: InsecureNetwork = False,
    no_browser: NoBrowser = False,
) -> None:
    """Opens a web page: drop headlines and banners, see what to run, why, and what next."""
    from adscore_web.config import PageConfig, PageError
    from adscore_web.running import PageFiles, run_page
    from adscore_web.scoring_server import scoring_server

    try:
        if bool(server) == (model is not None):
            if server:
                raise PageError("expected --server or --model. Received: both")
            raise PageError(_NO_MODEL)
        page_files = PageFiles.of(tls_cert, tls_key)
        with contextlib.ExitStack() as stack:
            if model is not None:
                options = ["--tokens", str(tokens)] if tokens else []
                PageConfig("", address, prefix)  # check the options before starting a server
                server = stack.enter_context(scoring_server(model, options))
            config = PageConfig(
                server=server,
                address=address,
                prefix=prefix.rstrip("/"),
                allowed_hosts=tuple(allowed_host or ()),
                server_tls=_server_tls(server_tls, server_ca),
                insecure_network=insecure_network,
            )
            run_page(config, page_files, typer.echo, opens_browser=not no_browser)
    except (PageError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _server_tls(wanted: bool, ca_file: Path | None) -> "Tls | bool":
    from adscore_client import Tls

    return Tls(ca_file=ca_file) if ca_file else wanted
