"""Options of `adscore serve`: its cache, who may call, and what is written about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adscore_server.config import TlsFiles

Cores = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Cores that all workers together decode and score on.",
        show_default="those that the process may use",
    ),
]
CacheBytes = Annotated[
    int,
    typer.Option(
        min=0,
        help="Memory for what each model said of headlines and images; 0 keeps nothing.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Certificate of the server, PEM. Read again on change."),
]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Key of the certificate, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Let in only clients with a certificate of this CA, PEM."),
]
Tokens = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Let in only calls with a token of this file (adscore token). Read again on change.",
    ),
]
CreativesPerSecond = Annotated[
    float | None,
    typer.Option(
        min=0.001, metavar="NUMBER", help="Most creatives a second that each token may send."
    ),
]
InsecureNetwork = Annotated[
    bool,
    typer.Option(
        "--insecure-network",
        help="Listen beyond this machine although calls are not encrypted or not authenticated.",
    ),
]
MaxHeadlineCharacters = Annotated[
    int | None,
    typer.Option(min=1, help="Longest headline.", show_default="as the model says, and no more"),
]
MaxImageBytes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Largest encoded image.", show_default="as the model says, and no more"
    ),
]
MaxImagePixels = Annotated[
    int | None,
    typer.Option(
        min=1, help="Most pixels of an image.", show_default="as the model says, and no more"
    ),
]
MaxWaitingCalls = Annotated[
    int,
    typer.Option(
        min=0,
        help="Further calls held, beside --threads; what comes beyond both is refused at once.",
    ),
]
MaxStreams = Annotated[int, typer.Option(min=1, help="Most streams open at once.")]
HealthAddress = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="Answer health there too, in plain text, for probes without TLS.",
        show_default="none",
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option(metavar="HOST:PORT", help="Show metrics to Prometheus.", show_default="none"),
]
Otel = Annotated[
    bool,
    typer.Option(
        "--otel", help="Send OpenTelemetry traces over OTLP, as the variables OTEL_... say."
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(
        help="debug (a line for each call), info (for each failed one), warning or error."
    ),
]
LogFormat = Annotated[str, typer.Option(help="text, or json: an object a line.")]


def tls_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> "TlsFiles | None":
    """Puts the options of TLS together; None where there are none.

    Raises:
        ValueError: Some are missing.
    """
    from adscore_server.config import TlsFiles

    if cert and key:
        return TlsFiles(cert, key, client_ca)
    if cert or key or client_ca:
        raise ValueError("expected --tls-cert and --tls-key together. Received: not both")
    return None
