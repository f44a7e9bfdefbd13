"""docs/warnings.md explains every warning, and all who name warnings name the same ones."""

import re
from pathlib import Path

import adscore_client
from adscore.creative import Warning
from adscore_protos.v1 import scoring_pb2

PAGE = Path(__file__).parents[2] / "docs" / "warnings.md"


def test_page_explains_every_warning_once() -> None:
    explained = re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(Warning)


def test_server_client_and_wire_know_the_same_warnings() -> None:
    values = scoring_pb2.Warning.DESCRIPTOR.values
    wire = {value.name.removeprefix("WARNING_") for value in values} - {"UNSPECIFIED"}
    assert wire == set(Warning) == {warning.value for warning in adscore_client.Warning}
