"""The commands that `adscore` gets from the server: `adscore serve` and `adscore demo`.

What a command needs is imported when it runs, so that `adscore --help` stays quick.
"""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    root: Annotated[
        Path,
        typer.Argument(
            metavar="ROOT", help="ROOT/NAME/VERSION, one model's folder or a version's."
        ),
    ],
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 means any free one.")
    ] = "127.0.0.1:50051",
    default_model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Model for calls that name none.",
            show_default="the only one there is",
        ),
    ] = "",
    keep_versions: Annotated[
        int, typer.Option(min=1, help="Versions of each model that are served, the newest first.")
    ] = 1,
    poll_seconds: Annotated[
        float, typer.Option(min=0, help="Time between two looks for new models; 0 means one look.")
    ] = 5.0,
    wait_for_model: Annotated[
        bool, typer.Option("--wait-for-model", help="Start without a model; wait for the first.")
    ] = False,
    max_message_bytes: Annotated[int, typer.Option(min=1, help="Largest request, in bytes.")] = 16
    * 1024
    * 1024,
    max_batch_creatives: Annotated[
        int, typer.Option(min=1, help="Most creatives in one BatchScore.")
    ] = 1_000,
    threads: Annotated[int, typer.Option(min=1, help="Calls worked on at once.")] = 8,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="How long calls may take to finish on SIGTERM.")
    ] = 20.0,
    reflection: Annotated[
        bool, typer.Option(help="Describe the services to tools such as grpcurl.")
    ] = True,
    log_level: Annotated[
        str, typer.Option(help="debug (a line for each call), info, warning or error.")
    ] = "info",
) -> None:
    """Serves models over gRPC until SIGTERM or Ctrl-C."""
    from adscore_server.config import ServerConfig
    from adscore_server.errors import StartError
    from adscore_server.model_root import ModelRootOptions
    from adscore_server.running import configure_logging, run_server

    try:
        configure_logging(log_level)
        config = ServerConfig(
            address=address,
            max_message_bytes=max_message_bytes,
            max_batch_creatives=max_batch_creatives,
            threads=threads,
            drain_seconds=drain_seconds,
            reflection=reflection,
        )
        options = ModelRootOptions(default_model, keep_versions, poll_seconds, wait_for_model)
        run_server(root, options, config, typer.echo)
    except (StartError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


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
