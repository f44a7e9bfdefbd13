import inspect
import subprocess
import sys

import pytest

import adscore_client

PUBLIC = [
    "AccessError",
    "AdscoreError",
    "AsyncClient",
    "AuthenticationError",
    "CallCancelledError",
    "Client",
    "ClientClosedError",
    "Combination",
    "Creative",
    "DeadlineExceededError",
    "FieldViolation",
    "Grid",
    "InputLimits",
    "InvalidCreativeError",
    "InvalidRequestError",
    "Match",
    "MessageTooLargeError",
    "Model",
    "ModelNotFoundError",
    "ModelState",
    "ModelUnsupportedError",
    "OverloadedError",
    "PermissionDeniedError",
    "Score",
    "ServerError",
    "ServerUnavailableError",
    "TargetScore",
    "Tls",
    "TrainingSummary",
    "UnsupportedError",
    "Warning",
    "to_arrow",
    "to_pandas",
]

# Beside what `import grpc` loads by itself, which depends on what else is installed.
LOADED = """
import sys, grpc
before = set(sys.modules)
import adscore_client
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
print(*sorted(sys.modules))
"""


def test_public_names_are_these():
    assert adscore_client.__all__ == PUBLIC
    assert sorted(name for name in vars(adscore_client) if not name.startswith("_")) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name: str):
    member = getattr(adscore_client, name)
    # Own words: neither inherited nor made up by dataclass, which starts with the signature.
    assert member.__dict__["__doc__"]
    assert not member.__doc__.startswith(f"{name}(")
    for part, value in vars(member).items():
        if not part.startswith("_") and inspect.isroutine(value):
            assert inspect.getdoc(getattr(member, part)), f"{name}.{part}"


def test_import_loads_the_base_dependencies_alone():
    output = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    ).stdout
    added, everything = (line.split() for line in output.splitlines())
    third_party = set(added) - set(sys.stdlib_module_names)
    assert third_party <= {"adscore_client", "adscore_protos", "google", "grpc"}
    heavy = {"numpy", "PIL", "tensorflow", "keras", "adscore", "adscore_server"}
    assert not heavy & set(everything)
    assert "google.rpc" not in everything  # only a failed call needs it
