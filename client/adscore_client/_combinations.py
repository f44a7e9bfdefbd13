"""The answer to a ScoreCombinations call -> a Grid."""

from collections.abc import Sequence

from adscore_client._convert import warnings_from_wire
from adscore_client._exceptions import ServerError
from adscore_client._grid import Grid
from adscore_client._results import Score, TargetScore, Warning
from adscore_protos.v1 import scoring_pb2


def grid_from_wire(
    wire: scoring_pb2.ScoreCombinationsResponse,
    request: scoring_pb2.ScoreCombinationsRequest,
    address: str,
) -> Grid:
    """Converts the answer to a request.

    Raises:
        ServerError: It has more or fewer numbers than the request has combinations.
    """
    height, width = len(request.headlines), len(request.images)
    _check_sizes(wire, height, width, address)
    targets = {
        name: list(map(TargetScore, grid.means, grid.lowers, grid.uppers, grid.percentiles))
        for name, grid in wire.targets.items()
    }
    shared = warnings_from_wire(wire.warnings)
    of_headlines = _by_part(wire.headline_warnings, height)
    of_images = _by_part(wire.image_warnings, width)

    def score(row: int, column: int) -> Score:
        place = row * width + column
        warnings = (*of_images[column], *of_headlines[row], *shared)
        return Score(
            creative_id="",
            targets={name: scores[place] for name, scores in targets.items()},
            agreement=wire.agreements[place] if wire.agreements else None,
            warnings=tuple(dict.fromkeys(warnings)),
            model=wire.model,
            model_version=wire.model_version,
        )

    return Grid(
        scores=tuple(tuple(score(row, column) for column in range(width)) for row in range(height)),
        model=wire.model,
        model_version=wire.model_version,
    )


def _by_part(parts: Sequence[scoring_pb2.PartWarnings], count: int) -> list[tuple[Warning, ...]]:
    return [warnings_from_wire(part.warnings) for part in parts] or [()] * count


def _check_sizes(
    wire: scoring_pb2.ScoreCombinationsResponse, height: int, width: int, address: str
) -> None:
    lists = [
        column
        for grid in wire.targets.values()
        for column in (grid.means, grid.lowers, grid.uppers, grid.percentiles)
    ]
    sizes = {len(column) for column in lists} | ({len(wire.agreements)} - {0})
    parts = (len(wire.headline_warnings), len(wire.image_warnings))
    is_whole = sizes <= {height * width} and parts[0] in (0, height) and parts[1] in (0, width)
    if not is_whole:
        raise ServerError(
            f"Expected {height * width} numbers for each figure, and warnings for {height} "
            f"headlines and {width} images, from {address}. Received: {sorted(sizes)} numbers, "
            f"and warnings for {parts[0]} and {parts[1]}"
        )
