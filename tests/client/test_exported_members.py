import dataclasses
import inspect
import subprocess
import sys

import pytest

import adscore_client
from adscore_client import AsyncClient, Client, testing

PUBLIC = [
    "AccessError",
    "AdscoreError",
    "Aim",
    "Arm",
    "ArmDecision",
    "ArmPrediction",
    "AsyncClient",
    "AuthenticationError",
    "CallCancelledError",
    "CheckReport",
    "CheckedCreative",
    "Client",
    "ClientClosedError",
    "ClientUnusableError",
    "Combination",
    "Counts",
    "Creative",
    "DeadlineExceededError",
    "Decision",
    "DecisionStatus",
    "DecisionWarning",
    "ElementEffect",
    "ElementKind",
    "Explanation",
    "FieldViolation",
    "Finding",
    "Grid",
    "Idea",
    "IdeaKind",
    "ImageBox",
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
    "Parts",
    "PermissionDeniedError",
    "Placement",
    "PlacementRule",
    "Score",
    "ServerError",
    "ServerUnavailableError",
    "Severity",
    "TargetDecision",
    "TargetPrediction",
    "TargetScore",
    "Tls",
    "TrainingSummary",
    "UnsupportedError",
    "Warning",
    "WhatIf",
    "WordEffect",
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
    names = {name for name, value in vars(adscore_client).items() if not inspect.ismodule(value)}
    assert sorted(name for name in names if not name.startswith("_")) == PUBLIC
    assert testing.__all__ == ["FAKE_MODEL", "FakeCall", "FakeServer"]


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module in (adscore_client, testing) for name in module.__all__],
)
def test_public_name_is_documented(module, name: str):
    member = getattr(module, name)
    assert member.__doc__
    if not inspect.isclass(member):
        return
    # Own words: neither inherited nor made up by dataclass, which starts with the signature.
    assert member.__dict__["__doc__"]
    assert not member.__doc__.startswith(f"{name}(")
    for part, value in vars(member).items():
        if not part.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(member, part)), f"{name}.{part}"
    if dataclasses.is_dataclass(member):
        undocumented = [
            f.name for f in dataclasses.fields(member) if f"{f.name}:" not in member.__doc__
        ]
        assert not undocumented


@pytest.mark.parametrize("name", [n for n in vars(Client) if not n.startswith("_")])
def test_both_clients_have_the_same_surface(name: str):
    blocking = inspect.signature(getattr(Client, name)).parameters
    awaited = inspect.signature(getattr(AsyncClient, name)).parameters
    assert list(awaited) == list(blocking)
    for parameter in blocking.keys() - {"creatives"}:  # an async iterable too
        assert awaited[parameter] == blocking[parameter]


def test_both_clients_have_no_methods_beyond_it():
    names = [{n for n in dir(kind) if not n.startswith("_")} for kind in (Client, AsyncClient)]
    assert names[0] == names[1]


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
