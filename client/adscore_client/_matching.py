"""The answer to a Match call -> a Match."""

from adscore_client._exceptions import ServerError
from adscore_client._results import Match
from adscore_protos.v1 import scoring_pb2


def match_from_wire(
    wire: scoring_pb2.MatchResponse, request: scoring_pb2.MatchRequest, address: str
) -> Match:
    """Converts the answer to a request.

    Raises:
        ServerError: It has more or fewer numbers than the request has pairs.
    """
    widths = [len(row.agreements) for row in wire.rows]
    if widths != [len(request.images)] * len(request.headlines):
        raise ServerError(
            f"Expected {len(request.headlines)} rows of {len(request.images)} numbers from "
            f"{address}. Received: {len(widths)} rows of {sorted(set(widths))}"
        )
    return Match(
        agreement=tuple(tuple(row.agreements) for row in wire.rows),
        model=wire.model,
        model_version=wire.model_version,
    )
