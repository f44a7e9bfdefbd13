"""``python -m adscore_client``: scores one creative or lists the models, from a shell."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence

import adscore_client
from adscore_client._channel import TOKEN_VARIABLE, Tls
from adscore_client._client import Client
from adscore_client._exceptions import AdscoreError
from adscore_client._results import Model, Score

_FAILED, _WRONG_USE, _INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Command-line arguments; None uses those of the process.

    Returns:
        The exit code: 0 for an answer, 1 for a failed call, 2 for wrong arguments, 130 for
            Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings(), _client(options) as client:
            warnings.simplefilter("ignore")  # the output shows them
            _write(options.run(client, options))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except AdscoreError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return _FAILED
    except (TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return _WRONG_USE
    return 0


def _write(text: str) -> None:
    try:
        print(text, flush=True)  # noqa: T201 - the output of the command
    except UnicodeEncodeError:  # the terminal's encoding lacks characters
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    except BrokenPipeError:  # the reader has closed the pipe, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m adscore_client",
        description="Predicts how an ad creative will perform, by asking an adscore server.",
    )
    parser.add_argument("--version", action="version", version=adscore_client.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    score = commands.add_parser("score", help="score one creative")
    score.add_argument("--headline", help="text of the headline")
    score.add_argument("--image", metavar="FILE", help="the banner: JPEG, PNG, WebP or GIF")
    score.add_argument(
        "--context",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a circumstance of the ad, e.g. placement=feed; may be repeated",
    )
    score.add_argument("--model", default="", help="name of the model, if there are several")
    score.add_argument(
        "--model-version", default="", help="version of the model; default: the newest"
    )
    score.set_defaults(run=_score)

    models = commands.add_parser("models", help="list the models of the server")
    models.set_defaults(run=_models, model="", model_version="")

    for command in (score, models):
        _add_connection_options(command)
    return parser


def _add_connection_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    connection = command.add_argument_group("connection")
    connection.add_argument("--address", default="127.0.0.1:50051", help="default: %(default)s")
    connection.add_argument(
        "--timeout-seconds", type=float, default=10.0, metavar="S", help="default: %(default)g"
    )
    connection.add_argument("--tls", action="store_true", help="encrypt the connection")
    connection.add_argument(
        "--tls-ca", metavar="FILE", help="CA certificates to trust; implies --tls"
    )
    connection.add_argument("--tls-cert", metavar="FILE", help="client certificate; implies --tls")
    connection.add_argument("--tls-key", metavar="FILE", help="key of the client certificate")
    connection.add_argument(
        "--tls-server-name", metavar="NAME", help="name in the server's certificate"
    )
    command.epilog = f"A token is read from the environment: {TOKEN_VARIABLE}."


def _client(options: argparse.Namespace) -> Client:
    tls = Tls(options.tls_ca, options.tls_cert, options.tls_key, options.tls_server_name)
    return Client(
        options.address,
        timeout_seconds=options.timeout_seconds,
        model=options.model,
        model_version=options.model_version,
        tls=tls if tls != Tls() else options.tls,
    )


def _score(client: Client, options: argparse.Namespace) -> str:
    score = client.score(options.headline, options.image, context=_context(options.context))
    return _as_json(score.to_dict()) if options.json else _score_table(score)


def _models(client: Client, options: argparse.Namespace) -> str:
    models = client.models()
    if options.json:
        return _as_json([model.to_dict() for model in models])
    return _models_table(models)


def _context(pairs: Sequence[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    for pair, (name, equals, _) in zip(pairs, split, strict=True):
        if not (name and equals):
            raise ValueError(f"--context: expected NAME=VALUE. Received: {pair!r}")
    return {name: value for name, _, value in split}


def _score_table(score: Score) -> str:
    rows = [("target", "mean", "90 % interval", "percentile")]
    for name, target in score.targets.items():
        interval = f"{target.lower:.3%} to {target.upper:.3%}"
        rows.append((name, f"{target.mean:.3%}", interval, f"{target.percentile:.0f}"))
    lines = [_table(rows)]
    if score.agreement is not None:
        lines.append(f"agreement of headline and image: {score.agreement:.2f} (from -1 to 1)")
    if score.warnings:
        lines.append(f"warnings: {', '.join(score.warnings)}")
    lines.append(f"model: {score.model}, version {score.model_version}")
    return "\n".join(lines)


def _models_table(models: Sequence[Model]) -> str:
    rows = [("model", "version", "state", "targets", "trained")]
    for model in models:
        created = model.training.create_time.partition("T")[0]
        targets = ", ".join(model.targets) or "none"
        rows.append((model.name, model.version, model.state, targets, created))
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(row).rstrip() for row in cells)


def _as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
