"""Nothing is lost between the wire and the types of the client."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adscore_client import (
    Creative,
    InputLimits,
    InvalidCreativeError,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)
from adscore_client._convert import fill_creative, model_from_wire, score_from_wire
from adscore_client._image_reader import ImageReader
from adscore_client.testing._wire import model_to_wire, score_to_wire
from adscore_protos.v1 import model_pb2, scoring_pb2

text = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.floats(allow_nan=False)
counts = st.integers(0, 2**63 - 1)
names = st.lists(text, max_size=3).map(tuple)
unknown_numbers = st.integers(100, 2**31 - 1)


def open_enum(kind):
    return st.sampled_from(kind) | unknown_numbers.map(lambda n: kind(f"UNRECOGNISED_{n}"))


scores = st.builds(
    Score,
    creative_id=text,
    targets=st.dictionaries(
        text, st.builds(TargetScore, numbers, numbers, numbers, numbers), max_size=3
    ),
    agreement=st.none() | numbers,
    warnings=st.lists(open_enum(Warning), max_size=4).map(tuple),
    model=text,
    model_version=text,
)
models = st.builds(
    Model,
    name=text,
    version=text,
    state=open_enum(ModelState),
    state_reason=text,
    targets=names,
    limits=st.builds(
        InputLimits, *(counts,) * 3, names, *(st.booleans(),) * 2, names, *(counts,) * 3
    ),
    training=st.builds(TrainingSummary, text, counts, counts, counts, text, text),
    metrics=st.dictionaries(text, st.dictionaries(text, numbers, max_size=3), max_size=3),
    has_agreement=st.booleans(),
)
creatives = st.builds(
    Creative,
    headline=st.none() | text,
    image=st.none() | st.binary(min_size=1, max_size=50),
    id=text,
    context=st.dictionaries(text, text, max_size=3),
)


@given(scores)
def test_score_survives_the_wire(score):
    encoded = score_to_wire(score).SerializeToString()
    assert score_from_wire(scoring_pb2.Score.FromString(encoded)) == score


@given(models)
def test_model_survives_the_wire(model):
    encoded = model_to_wire(model).SerializeToString()
    assert model_from_wire(model_pb2.Model.FromString(encoded)) == model


@given(creatives)
def test_creative_survives_the_wire(creative):
    sent = scoring_pb2.Creative()
    assert fill_creative(sent, creative, ImageReader(10_000)) == sent.ByteSize()
    wire = scoring_pb2.Creative.FromString(sent.SerializeToString())
    assert wire.id == creative.id
    assert wire.headline == (creative.headline or "")
    assert wire.image == (creative.image or b"")
    assert dict(wire.context) == creative.context


@given(creatives, st.integers(1, 200))
def test_creative_is_refused_exactly_above_the_limit(creative, limit):
    size = fill_creative(scoring_pb2.Creative(), creative, ImageReader(10_000))
    if size <= limit:
        assert fill_creative(scoring_pb2.Creative(), creative, ImageReader(limit)) == size
        return
    with pytest.raises(InvalidCreativeError) as caught:
        fill_creative(scoring_pb2.Creative(), creative, ImageReader(limit))
    assert caught.value.reason == "CREATIVE_TOO_LARGE"


@pytest.mark.parametrize(
    ("ours", "wire", "prefix"),
    [
        (Warning, scoring_pb2.Warning, "WARNING_"),
        (ModelState, model_pb2.ModelState, "MODEL_STATE_"),
    ],
)
def test_enums_have_the_names_of_the_contract(ours, wire, prefix):
    assert [prefix + member for member in ours] == wire.keys()[1:]  # zero is unused


@pytest.mark.parametrize(
    ("ours", "wire"),
    [
        (Creative, scoring_pb2.Creative),
        (Score, scoring_pb2.Score),
        (TargetScore, scoring_pb2.TargetScore),
        (Model, model_pb2.Model),
        (InputLimits, model_pb2.InputLimits),
        (TrainingSummary, model_pb2.TrainingSummary),
    ],
)
def test_types_have_the_fields_of_the_contract(ours, wire):
    assert {field.name for field in dataclasses.fields(ours)} == set(wire.DESCRIPTOR.fields_by_name)


def test_unused_zero_of_an_enum_is_no_member():
    assert model_from_wire(model_pb2.Model()).state == "UNRECOGNISED_0"
    score = score_from_wire(scoring_pb2.Score(warnings=[0]))
    assert score.warnings == ("UNRECOGNISED_0",)


def test_agreement_of_zero_is_not_absent():
    assert score_from_wire(scoring_pb2.Score(agreement=0.0)).agreement == 0.0
    assert score_from_wire(scoring_pb2.Score()).agreement is None


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_size_of_a_creative_is_that_of_its_message(size):
    for creative in (Creative("h", bytes(size) or None), Creative("\u00e9" * (size // 2), id="a")):
        wire = scoring_pb2.Creative()
        assert fill_creative(wire, creative, ImageReader(1 << 24)) == wire.ByteSize()
