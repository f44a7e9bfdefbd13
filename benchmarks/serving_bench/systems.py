"""The servers that are compared, and how each is started, as its documentation says."""

import os
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from shared.processes import HOST, PROJECT, Running, ServerProcess, python_path, ready_server

PEERS = ("mlserver", "bentoml", "litserve", "ray", "pytriton")
ENVIRONMENTS = PROJECT / ".peers"
_SOURCES = PROJECT / "benchmarks/peers"
_CORES = len(os.sched_getaffinity(0))
# None of them may tell anybody that it runs.
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}


def bare_server() -> AbstractContextManager[Running]:
    """A server that scores nothing; see `bare.py`."""
    return ready_server("serving_bench.bare")


@contextmanager
def peer_server(name: str, model: Path, *, documented: bool) -> Iterator[Running]:
    """A peer with the same model; it may take a while until it can be called.

    Args:
        name: One of `PEERS`.
        model: A model's folder.
        documented: Whether it scores as its documentation shows, or by adscore's own scorer.
    """
    port = _free_port()
    python = environment_python(name)
    variables = {
        **python_path(),
        **_QUIET,
        "SERVING_BENCH_MODEL": str(model.resolve()),
        "SERVING_BENCH_PORT": str(port),
        "SERVING_BENCH_DOCUMENTED": "1" if documented else "",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command, more = _COMMANDS[name](python, port)
    with ServerProcess(command, {**variables, **more}) as process:
        # Some are called by a client of their own, which is not installed here.
        own_client = name in ("mlserver", "pytriton")
        transport = f"peers.{name}.transport.score" if own_client else f"peers.json_http.{name}"
        caller = str(python) if own_client else sys.executable
        yield Running(process, f"{HOST}:{port}", transport, caller)


def peer_line(name: str, *, documented: bool) -> str:
    """A peer's name in the tables."""
    return f"{name}, documented" if documented else f"{name}, adscore's scorer"


def environment_python(name: str) -> Path:
    """Interpreter of a peer's environment."""
    return ENVIRONMENTS / name / "bin/python"


_Command = tuple[Sequence[str], dict[str, str]]


def _own_script(name: str) -> Callable[[Path, int], _Command]:
    def command(python: Path, _port: int) -> _Command:
        return [str(python), str(_SOURCES / name / "server.py")], {}

    return command


def _mlserver(python: Path, port: int) -> _Command:
    settings = {"GRPC_PORT": port, "HTTP_PORT": _free_port(), "PARALLEL_WORKERS": _CORES}
    variables = {f"MLSERVER_{name}": str(value) for name, value in settings.items()}
    return [str(python.parent / "mlserver"), "start", str(_SOURCES / "mlserver")], variables


def _bentoml(python: Path, port: int) -> _Command:
    where = ["--host", HOST, "--port", str(port)]
    return [str(python), "-m", "bentoml", "serve", "peers.bentoml.server:Scoring", *where], {}


def _pytriton(python: Path, port: int) -> _Command:
    command, _ = _own_script("pytriton")(python, port)
    # Its backend embeds Python, and takes another of the same minor version where it finds one.
    return command, {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}


_COMMANDS: dict[str, Callable[[Path, int], _Command]] = {
    "mlserver": _mlserver,
    "bentoml": _bentoml,
    "litserve": _own_script("litserve"),
    "ray": _own_script("ray"),
    "pytriton": _pytriton,
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
