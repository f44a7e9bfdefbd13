"""Grids: from the columns of the wire to a score for each combination."""

import grpc
import pytest
from google.rpc import error_details_pb2

from adscore_client import (
    Client,
    Creative,
    InvalidCreativeError,
    MessageTooLargeError,
    Score,
    ServerError,
    TargetScore,
    Warning,
)
from adscore_client.testing import FakeServer
from adscore_protos.v1 import scoring_pb2


def grid_of(height: int, width: int, **fields) -> scoring_pb2.ScoreCombinationsResponse:
    numbers = [float(n) for n in range(height * width)]
    target = scoring_pb2.TargetGrid(
        means=numbers, lowers=numbers, uppers=numbers, percentiles=numbers
    )
    return scoring_pb2.ScoreCombinationsResponse(
        targets={"ctr": target}, model="banners", model_version="3", **fields
    )


def test_each_combination_has_its_own_numbers_and_warnings(connect):
    answer = grid_of(
        2,
        3,
        agreements=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        headline_warnings=[
            scoring_pb2.PartWarnings(),
            scoring_pb2.PartWarnings(warnings=[scoring_pb2.WARNING_HEADLINE_TRUNCATED]),
        ],
        image_warnings=[
            scoring_pb2.PartWarnings(),
            scoring_pb2.PartWarnings(),
            scoring_pb2.PartWarnings(warnings=[scoring_pb2.WARNING_IMAGE_DOWNSCALED]),
        ],
        warnings=[scoring_pb2.WARNING_UNKNOWN_CONTEXT],
    )
    requests = []

    def handler(request, context):
        requests.append(request)
        return answer

    client = connect(ScoreCombinations=handler)
    grid = client.score_combinations(["a", "b"], [b"1", b"2", b"3"], context={"placement": "x"})
    assert requests[0].context == {"placement": "x"}
    assert (len(grid.scores), {len(row) for row in grid.scores}) == (2, {3})
    assert grid.scores[1][2] == Score(
        creative_id="",
        targets={"ctr": TargetScore(5.0, 5.0, 5.0, 5.0)},
        agreement=0.6,
        warnings=(Warning.IMAGE_DOWNSCALED, Warning.HEADLINE_TRUNCATED, Warning.UNKNOWN_CONTEXT),
        model="banners",
        model_version="3",
    )
    assert grid.scores[0][0].warnings == (Warning.UNKNOWN_CONTEXT,)
    assert [(one.headline, one.image) for one in grid.best(2)] == [(1, 2), (1, 1)]
    assert grid.to_dict()["scores"][0][1]["targets"]["ctr"]["mean"] == 1.0
    assert repr(grid) == "Grid(2 headlines x 3 images, model='banners', model_version='3')"


def test_target_to_rank_by_must_be_clear(connect):
    answer = grid_of(1, 1)
    answer.targets["cvr"].CopyFrom(answer.targets["ctr"])
    grid = connect(ScoreCombinations=lambda _r, _c: answer).score_combinations(["a"], [b"1"])
    assert len(grid.best(9, target="cvr")) == 1
    for name in (None, "clicks"):
        with pytest.raises(ValueError, match=r"\['ctr', 'cvr'\]"):
            grid.best(target=name)


@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (0, 0)])
def test_answer_of_another_shape_is_a_server_error(shape, connect):
    client = connect(ScoreCombinations=lambda _request, _context: grid_of(*shape))
    with pytest.raises(ServerError, match="Expected 4 numbers"):
        client.score_combinations(["a", "b"], [b"1", b"2"])


def test_refused_part_is_named_by_its_place(connect, refuse):
    def fail(request, context):
        violation = error_details_pb2.BadRequest.FieldViolation(field="images[1]")
        bad_request = error_details_pb2.BadRequest(field_violations=[violation])
        text = "images[1]: expected a JPEG"
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text, bad_request)

    with pytest.raises(InvalidCreativeError) as caught:
        connect(ScoreCombinations=fail).score_combinations(["a"], [b"1", b"2"])
    assert caught.value.field == "images[1]"


def test_parts_that_fit_into_no_message_are_refused_without_a_call(connect):
    client = connect(max_message_bytes=2048)
    with pytest.raises(MessageTooLargeError, match=r"up to images\[2\]"):
        client.score_combinations(["a"], [bytes(900)] * 3)


def test_grid_has_the_scores_of_single_creatives():
    with FakeServer() as server, Client(server.address) as client:
        grid = client.score_combinations(["a", "b"], [b"1", b"2"])
        for one in grid:
            alone = client.score("ab"[one.headline], [b"1", b"2"][one.image])
            assert one.score == alone
        assert server.creatives[0] == Creative("a", b"1", context={})


def test_grid_of_nothing_is_empty(connect):
    client = connect(ScoreCombinations=lambda _request, _context: grid_of(0, 0))
    assert list(client.score_combinations([], [])) == []
