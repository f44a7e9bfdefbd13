"""Arguments, requests, answers and deadlines."""

import io
import socket
import threading
import time

import pytest

from adscore_client import (
    AdscoreError,
    Client,
    DeadlineExceededError,
    InvalidCreativeError,
    Model,
    ModelState,
    Score,
    TargetScore,
    Warning,
)
from adscore_protos.v1 import model_pb2, scoring_pb2


def test_score_has_what_the_server_says(connect):
    def answer(request, context):
        score = scoring_pb2.Score(
            creative_id=request.creative.id,
            targets={
                "ctr": scoring_pb2.TargetScore(mean=0.5, lower=0.25, upper=0.75, percentile=9)
            },
            agreement=0.0,
            warnings=[scoring_pb2.WARNING_MISSING_IMAGE, 77],
            model="banners",
            model_version="3",
        )
        return scoring_pb2.ScoreResponse(score=score)

    assert connect(Score=answer).score("headline", id="a7") == Score(
        creative_id="a7",
        targets={"ctr": TargetScore(0.5, 0.25, 0.75, 9.0)},
        agreement=0.0,
        warnings=(Warning.MISSING_IMAGE, Warning("UNRECOGNISED_77")),
        model="banners",
        model_version="3",
    )


def test_request_has_every_argument(connect, score_recorder):
    connect(Score=score_recorder).score(
        "Zapatos 👟",
        b"image",
        id="a7",
        context={"placement": "feed"},
        model="banners",
        model_version="3",
    )
    assert score_recorder.requests == [
        scoring_pb2.ScoreRequest(
            creative=scoring_pb2.Creative(
                id="a7", headline="Zapatos 👟", image=b"image", context={"placement": "feed"}
            ),
            model="banners",
            model_version="3",
        )
    ]


@pytest.mark.parametrize(
    ("arguments", "headline", "image"),
    [
        ({"headline": "h"}, "h", b""),
        ({"headline": "h", "image": None}, "h", b""),
        ({"image": b"i"}, "", b"i"),
        ({"headline": None, "image": b"i"}, "", b"i"),
        ({}, "", b""),
    ],
)
def test_either_part_may_be_left_out(arguments, headline, image, connect, score_recorder):
    connect(Score=score_recorder).score(**arguments)
    (request,) = score_recorder.requests
    assert (request.creative.headline, request.creative.image) == (headline, image)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("banners", "3")),
        ({"model_version": "4"}, ("banners", "4")),
        ({"model_version": ""}, ("banners", "")),
        ({"model": "posts"}, ("posts", "")),
        ({"model": "posts", "model_version": "7"}, ("posts", "7")),
        ({"model": ""}, ("", "")),
    ],
)
def test_version_of_the_client_is_for_its_own_model(arguments, expected, connect, score_recorder):
    connect(Score=score_recorder, model="banners", model_version="3").score("headline", **arguments)
    assert (score_recorder.requests[0].model, score_recorder.requests[0].model_version) == expected


def test_models_and_model_describe_the_server(connect):
    wire = model_pb2.Model(
        name="banners",
        version="3",
        state=model_pb2.MODEL_STATE_READY,
        targets=["ctr"],
        metrics={"ctr": model_pb2.TargetMetrics(figures={"auc": 0.8})},
        has_agreement=True,
    )

    def get(request, context):
        wire.version = request.model_version
        return model_pb2.GetModelResponse(model=wire)

    def list_all(request, context):
        return model_pb2.ListModelsResponse(models=[wire, wire])

    client = connect(ListModels=list_all, GetModel=get)
    first, second = client.models()
    assert isinstance(first, Model)
    assert first == second
    assert (first.name, first.state, first.targets) == ("banners", ModelState.READY, ("ctr",))
    assert first.metrics["ctr"]["auc"] == 0.8
    assert first.has_agreement
    assert client.model("banners", "12").version == "12"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"address": 50051}, TypeError),
        ({"address": ""}, ValueError),
        ({"address": "http://127.0.0.1:50051"}, ValueError),
        ({"timeout_seconds": 0}, ValueError),
        ({"timeout_seconds": -1.0}, ValueError),
        ({"timeout_seconds": float("nan")}, ValueError),
        ({"timeout_seconds": float("inf")}, ValueError),
        ({"timeout_seconds": 1e10}, ValueError),  # beyond what gRPC can count
        ({"timeout_seconds": "10"}, TypeError),
        ({"timeout_seconds": True}, TypeError),
        ({"model": 3}, TypeError),
        ({"model_version": 3}, TypeError),
        ({"max_message_bytes": 1.5}, TypeError),
        ({"max_message_bytes": 100}, ValueError),
        ({"max_message_bytes": 2**31}, ValueError),
    ],
)
def test_wrong_argument_of_the_client_is_named(arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=rf"{name}: expected .* Received: "):
        Client(**arguments)


def test_unknown_setting_and_option_are_named(connect):
    with pytest.raises(TypeError, match=r"Received: 'timeout'. Did you mean 'timeout_seconds'\?"):
        Client(timeout=5)
    with pytest.raises(TypeError, match="timeout"):
        connect().score("headline", timeout=5)


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"headline": 7}, TypeError, "headline"),
        ({"headline": b"bytes"}, TypeError, "headline"),
        ({"headline": "h", "id": 7}, TypeError, "id"),
        ({"headline": "h", "context": "feed"}, TypeError, "context"),
        ({"headline": "h", "context": {1: "feed"}}, TypeError, "context"),
        ({"headline": "h", "context": {"placement": None}}, TypeError, r"context\[placement\]"),
        ({"headline": "h", "model_version": 3}, TypeError, "model_version"),
        ({"headline": "h", "timeout_seconds": 0}, ValueError, "timeout_seconds"),
        ({"headline": "lone \ud83d"}, InvalidCreativeError, "headline"),
        ({"headline": "h", "id": "\udc80"}, InvalidCreativeError, "id"),
        ({"headline": "h", "context": {"a": "\udc80"}}, InvalidCreativeError, r"context\[a\]"),
    ],
)
def test_wrong_argument_of_a_call_is_named(arguments, error, name, connect, score_recorder):
    with pytest.raises(error, match=f"{name}: expected .* Received: ") as caught:
        connect(Score=score_recorder).score(**arguments)
    assert score_recorder.requests == []
    assert getattr(caught.value, "code", None) is None


def test_call_ends_at_its_deadline(connect):
    release = threading.Event()

    def wait(request, context):
        release.wait(60)

    client = connect(Score=wait)
    started = time.monotonic()
    try:
        with pytest.raises(DeadlineExceededError, match=r"within 0\.6 s") as caught:
            client.score("headline", timeout_seconds=0.6)
    finally:
        release.set()
    assert time.monotonic() - started < 20
    assert caught.value.timeout_seconds == 0.6
    assert caught.value.retryable


def test_server_that_accepts_and_says_nothing_is_given_up_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with Client(address, timeout_seconds=0.3) as client, pytest.raises(AdscoreError):
            client.score("headline")
    assert time.monotonic() - started < 20


def test_time_of_reading_the_image_counts(connect, score_recorder):
    class SlowFile(io.BytesIO):
        def read(self, size):
            time.sleep(0.15)
            return super().read(size)

    with pytest.raises(DeadlineExceededError, match="before the call was sent"):
        connect(Score=score_recorder).score("headline", SlowFile(b"image"), timeout_seconds=0.1)
    assert score_recorder.requests == []


def test_deadline_reaches_the_server(connect):
    remaining = []

    def answer(request, context):
        remaining.append(context.time_remaining())
        return scoring_pb2.ScoreResponse(score=scoring_pb2.Score())

    client = connect(Score=answer, timeout_seconds=50)
    client.score("headline")
    client.score("headline", timeout_seconds=1e9)
    assert 40 < remaining[0] <= 51
    assert remaining[1] > 1e6


def test_left_out_context_is_said_once_for_each_model(connect):
    def scored(name):
        warnings = [scoring_pb2.WARNING_MISSING_CONTEXT]
        return scoring_pb2.Score(model=name, model_version="3", warnings=warnings)

    def answer(request, context):
        return scoring_pb2.ScoreResponse(score=scored(request.model))

    def answer_many(request, context):
        result = scoring_pb2.BatchScoreResult(score=scored(request.model))
        return scoring_pb2.BatchScoreResponse(results=[result] * len(request.creatives))

    client = connect(Score=answer, StreamScore=answer_many)

    def score(model):
        client.score("headline", model=model)
        list(client.score_many([("headline", None)] * 3, model=model))
        client.score("headline", model=model)

    for model in ("a", "b"):
        with pytest.warns(UserWarning, match=f"model {model}, version 3, reads context") as said:
            score(model)
        assert len(said) == 1
