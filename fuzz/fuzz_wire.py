"""Fuzzes what counts a request's creatives on its bytes: never fewer than the parser makes."""

import sys

import atheris

with atheris.instrument_imports(include=["adscore_server.calls.wire"]):
    from google.protobuf.message import DecodeError

    from adscore_protos.v1 import scoring_pb2
    from adscore_server.calls.wire import Layout, count_parts
    from adscore_server.errors import InvalidRequestError

CREATIVES = Layout(frozenset({1}), frozenset({1}))
OF_STREAM = Layout(frozenset({2}), frozenset({2}))
GRID = Layout(frozenset({1, 2}))
MAX_CREATIVES = 20


def count_any(data: bytes) -> None:
    """One request as each kind; whatever else it raises is a finding."""
    for kind, layout in (
        (scoring_pb2.BatchScoreRequest, CREATIVES),
        (scoring_pb2.StreamScoreRequest, OF_STREAM),
        (scoring_pb2.MatchRequest, GRID),
        (scoring_pb2.ScoreCombinationsRequest, GRID),
    ):
        try:
            counted = count_parts(data, layout, MAX_CREATIVES)
        except InvalidRequestError:
            continue
        try:
            request = kind.FromString(data)
        except DecodeError:
            continue
        if layout is GRID:
            made = len(request.headlines) + len(request.images)
        else:
            made = len(request.creatives)
        if counted < made:
            raise AssertionError(kind.__name__, counted, made)


if __name__ == "__main__":
    atheris.Setup(sys.argv, count_any)
    atheris.Fuzz()
