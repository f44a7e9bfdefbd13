"""The entry point of the ``adscore`` command.

The base install is the client alone, so packages that a command needs may be missing. This
module imports only the standard library, and says which extra to install.
"""

import sys
from importlib import metadata
from importlib.util import find_spec

# The extra for each package that only one part of adscore needs.
EXTRA_OF_PACKAGE = {
    "grpc_health": "server",
    "grpc_reflection": "server",
    "grpc_status": "server",
    "prometheus_client": "server",
    "opentelemetry": "otel",
    "huggingface_hub": "train",
    "keras": "train",
    "onnx": "train",
    "tensorflow": "train",
    "tf2onnx": "train",
    "OpenSSL": "sign",
    "model_signing": "sign",
    "charset_normalizer": "offline",
    "fsspec": "offline",
    "pyarrow": "offline",
    "python_calamine": "offline",
    "rapidocr": "check",
    "pyspark": "spark",
    "starlette": "page",
    "uvicorn": "page",
}
# Packages in several extras: which one to advise depends on the command.
SHARED_PACKAGES = frozenset(
    {"jinja2", "markupsafe", "msgspec", "numpy", "onnxruntime", "PIL", "rich", "scipy"}
    | {"tokenizers", "typer", "yaml"}
)
EXTRA_OF_COMMAND = {
    "check": "check",
    "decide": "offline",
    "demo": "all",
    "evaluate": "offline",
    "page": "page",
    "explain": "offline",
    "prepare": "offline",
    "sample": "offline",
    "score": "offline",
    "serve": "server",
    "sign": "sign",
    "token": "server",
    "train": "train",
}


def main() -> int:
    """Runs the command line.

    Returns:
        The exit status: 2 if an extra is not installed, otherwise the command's own.

    Raises:
        ImportError: An import failed for a reason other than a missing extra.
    """
    if sys.argv[1:] == ["--version"]:  # works in the base install, which has no typer
        print(f"adscore {metadata.version('adscore')}")  # noqa: T201
        return 0
    try:
        from adscore.cli.app import app

        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF_PACKAGE and package not in SHARED_PACKAGES:
            raise
        if find_spec(package) is not None:
            raise  # installed, but lacks the imported name: no extra helps
        print(_advice(package, sys.argv[1:]), file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _advice(package: str, arguments: list[str]) -> str:
    command = next((word for word in arguments if word in EXTRA_OF_COMMAND), None)
    extra = EXTRA_OF_PACKAGE.get(package) or (command and EXTRA_OF_COMMAND[command])
    subject = f"adscore {command}" if command else "the adscore command"
    if extra:
        return (
            f"{subject} needs the package {package}, which is not installed.\n"
            f'Install it with: pip install "adscore[{extra}]"'
        )
    return (
        f"{subject} needs the package {package}, which is not installed. Install one of:\n"
        '  pip install "adscore[train]"     to train, evaluate and score tables\n'
        '  pip install "adscore[server]"    to serve a model\n'
        '  pip install "adscore[offline]"   to evaluate and score tables with a trained model\n'
        '  pip install "adscore[page]"      to open the web page of a server\n'
        '  pip install "adscore[all]"       for everything, the demo too'
    )
