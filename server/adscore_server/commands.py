"""The commands that the server adds to `adscore`: `serve`, `token` and `demo`.

Each command imports what it needs when it runs, so that `adscore --help` stays fast.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adscore_server.config import ModelRootOptions, ServerConfig

if TYPE_CHECKING:
    from adscore_server.config import TlsFiles

Cores = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Cores for decoding and scoring, shared by all workers.",
        show_default="those that the process may use",
    ),
]
CacheBytes = Annotated[
    int,
    typer.Option(
        min=0,
        help="Bytes to cache what each model computed of headlines and images; 0 turns it off.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Certificate of the server, PEM. Reloaded on change."),
]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Key of the certificate, PEM.")]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Accept only clients with a certificate of this CA, PEM."),
]
Tokens = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Accept only calls with a token in this file (adscore token). Reloaded on change.",
    ),
]
CreativesPerSecond = Annotated[
    float | None,
    typer.Option(min=0.001, metavar="NUMBER", help="Maximum creatives a second for each token."),
]
InsecureNetwork = Annotated[
    bool,
    typer.Option(
        "--insecure-network",
        help="Listen beyond this machine even if calls are not encrypted or not authenticated.",
    ),
]
MaxHeadlineCharacters = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Longest headline, in characters.",
        show_default="as the model says, and no more",
    ),
]
MaxImageBytes = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Largest encoded image, in bytes.",
        show_default="as the model says, and no more",
    ),
]
MaxImagePixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum number of pixels in an image.",
        show_default="as the model says, and no more",
    ),
]
MaxWaitingCalls = Annotated[
    int,
    typer.Option(
        min=0,
        help="Further calls held, beyond --threads; calls beyond both are refused at once.",
    ),
]
MaxStreams = Annotated[int, typer.Option(min=1, help="Maximum number of open streams.")]
HealthAddress = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="Also answer health checks there, in plain text, for probes without TLS.",
        show_default="none",
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus.", show_default="none"),
]
Otel = Annotated[
    bool,
    typer.Option(
        "--otel", help="Send OpenTelemetry traces over OTLP, configured by the OTEL_... variables."
    ),
]
LogLevel = Annotated[
    str,
    typer.Option(
        help="debug (a line for each call), info (a line for each failed call), warning or error."
    ),
]
LogFormat = Annotated[str, typer.Option(help="text, or json (one object a line).")]


def tls_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> "TlsFiles | None":
    """Combines the TLS options; None without any.

    Raises:
        ValueError: Only some of the required options are given.
    """
    from adscore_server.config import TlsFiles

    if cert and key:
        return TlsFiles(cert, key, client_ca)
    if cert or key or client_ca:
        raise ValueError("expected --tls-cert and --tls-key together. Received: not both")
    return None


# Default values of the options.
_CONFIG = ServerConfig()
_MODELS = ModelRootOptions()


def serve(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ROOT", help="ROOT/NAME/VERSION, one model's folder or a version's."
        ),
    ],
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT", help="Where to listen: HOST:PORT (0: any free port) or unix:PATH."
        ),
    ] = _CONFIG.address,
    default_model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Model for calls that do not name one.",
            show_default="the only one there is",
        ),
    ] = "",
    keep_versions: Annotated[
        int, typer.Option(min=1, help="Number of versions of each model to serve, newest first.")
    ] = _MODELS.keep_versions,
    poll_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds between scans for new models; 0 scans once.")
    ] = _MODELS.poll_seconds,
    wait_for_model: Annotated[
        bool,
        typer.Option("--wait-for-model", help="Start without a model, and wait for the first."),
    ] = False,
    require_signature: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Serve only versions signed with this key (adscore sign); public key, PEM.",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes that share the port; each loads the models."),
    ] = 1,
    cores: Cores = None,
    max_message_bytes: Annotated[
        int, typer.Option(min=1, help="Largest request, in bytes.")
    ] = _CONFIG.max_message_bytes,
    max_batch_creatives: Annotated[
        int, typer.Option(min=1, help="Maximum number of creatives in one BatchScore.")
    ] = _CONFIG.max_batch_creatives,
    threads: Annotated[
        int, typer.Option(min=1, help="Calls held at once, plus --max-waiting-calls.")
    ] = _CONFIG.threads,
    max_waiting_calls: MaxWaitingCalls = _CONFIG.max_waiting_calls,
    max_streams: MaxStreams = _CONFIG.max_streams,
    max_headline_characters: MaxHeadlineCharacters = None,
    max_image_bytes: MaxImageBytes = None,
    max_image_pixels: MaxImagePixels = None,
    cache_bytes: CacheBytes = _CONFIG.cache_bytes,
    drain_seconds: Annotated[
        float,
        typer.Option(min=0, help="Seconds that calls in flight may take to finish on SIGTERM."),
    ] = _CONFIG.drain_seconds,
    reflection: Annotated[
        bool, typer.Option(help="Describe the services to tools such as grpcurl.")
    ] = _CONFIG.reflection,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    tokens: Tokens = None,
    creatives_per_second: CreativesPerSecond = None,
    insecure_network: InsecureNetwork = False,
    health_address: HealthAddress = "",
    metrics_address: MetricsAddress = "",
    otel: Otel = False,
    log_level: LogLevel = "info",
    log_format: LogFormat = "text",
) -> None:
    """Serves models over gRPC until SIGTERM or Ctrl-C."""
    from adscore.cores import usable_cores
    from adscore_server.errors import StartError
    from adscore_server.monitoring.log_format import configure_logging

    try:
        configure_logging(log_level, log_format)
        # A program that parses JSON cannot read plain lines in between.
        is_json = log_format == "json"
        announce = logging.getLogger("adscore_server").info if is_json else typer.echo
        config = ServerConfig(
            address=address,
            max_message_bytes=max_message_bytes,
            max_batch_creatives=max_batch_creatives,
            threads=threads,
            decode_threads=max(1, (cores or usable_cores()) // workers),
            max_waiting_calls=max_waiting_calls,
            max_streams=max_streams,
            max_headline_characters=max_headline_characters,
            max_image_bytes=max_image_bytes,
            max_image_pixels=max_image_pixels,
            cache_bytes=cache_bytes,
            drain_seconds=drain_seconds,
            reflection=reflection,
            tls=tls_files(tls_cert, tls_key, tls_client_ca),
            tokens=tokens,
            creatives_per_second=creatives_per_second,
            health_address=health_address,
            metrics_address=metrics_address,
            otel=otel,
            insecure_network=insecure_network,
        )
        served = ModelRootOptions(
            default_model=default_model,
            keep_versions=keep_versions,
            poll_seconds=poll_seconds,
            wait_for_model=wait_for_model,
            required_key=require_signature,
        )
        if workers == 1:
            from adscore_server.process.running import run_server

            run_server(root, served, config, announce)
        else:
            from adscore_server.process.workers import WorkerJob, run_workers

            job = WorkerJob(root, served, config, log_level, log_format)
            run_workers(workers, job, announce)
    except (StartError, ValueError) as error:
        if log_format == "json":
            logging.getLogger("adscore_server").error(error)
        else:
            typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of its owner, shown in logs.")],
    add_to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Append the line to this token file; create it if missing."
        ),
    ] = None,
) -> None:
    """Creates a bearer token for callers of `adscore serve --tokens`; only its hash is stored."""
    from adscore_server.access.tokens import add_token_line, new_token, token_line

    secret = new_token()
    try:
        line = token_line(name, secret)
        if add_to is not None:
            add_token_line(add_to, line)
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if add_to is None:
        typer.echo(f"Add this line to the file of --tokens:\n{line}\nThe token:", err=True)
    typer.echo(secret)


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the files in this new or empty folder."),
    ] = None,
) -> None:
    """Simulates a campaign log, trains, serves and scores: all of adscore in two minutes."""
    from adscore_server.demo import DemoError, run_demo

    try:
        run_demo(keep)
    except DemoError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
