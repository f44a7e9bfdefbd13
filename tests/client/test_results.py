import dataclasses
import json
import pickle

import pytest

from adscore_client import (
    InputLimits,
    Match,
    Model,
    ModelState,
    Score,
    TargetScore,
    TrainingSummary,
    Warning,
)

SCORE = Score(
    creative_id="a7",
    targets={"ctr": TargetScore(0.0123456, 0.01, 0.015, 83.3333)},
    warnings=(Warning.MISSING_IMAGE,),
    model="banners",
    model_version="3",
)
MODEL = Model(
    name="banners",
    version="3",
    state=ModelState.READY,
    state_reason="",
    targets=("ctr",),
    limits=InputLimits(1000, 10, 50, ("JPEG",), True, False, ("placement",)),
    training=TrainingSummary("default", 900, 90, 0, "2025-01-01T00:00:00Z", "0.1.0"),
    metrics={"ctr": {"auc": 0.8}},
    has_agreement=True,
)
MATCH = Match(((0.5, -0.25, 0.75), (0.25, 0.25, -1.0)), "banners", "3")


def test_repr_of_a_score_is_for_people():
    assert repr(SCORE) == (
        "Score(creative_id='a7', targets={'ctr': TargetScore(mean=0.01235, lower=0.01, "
        "upper=0.015, percentile=83.33)}, agreement=None, warnings=(Warning.MISSING_IMAGE,), "
        "model='banners', model_version='3')"
    )
    assert str(SCORE.targets["ctr"]) == ("1.235% (90 % interval 1.000% to 1.500%), percentile 83")


def test_dict_of_a_score_is_plain():
    plain = SCORE.to_dict()
    assert plain == {
        "creative_id": "a7",
        "targets": {
            "ctr": {"mean": 0.0123456, "lower": 0.01, "upper": 0.015, "percentile": 83.3333}
        },
        "agreement": None,
        "warnings": ["MISSING_IMAGE"],
        "model": "banners",
        "model_version": "3",
    }
    assert type(plain["warnings"][0]) is str
    assert json.loads(json.dumps(plain)) == plain


def test_dict_of_a_model_has_every_field():
    plain = MODEL.to_dict()
    assert list(plain) == [field.name for field in dataclasses.fields(Model)]
    assert plain["limits"]["image_formats"] == ["JPEG"]
    assert plain["metrics"] == {"ctr": {"auc": 0.8}}
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("result", [SCORE, MODEL, MATCH, SCORE.targets["ctr"], MODEL.limits])
def test_results_are_frozen_hashable_and_survive_a_process_boundary(result):
    name = dataclasses.fields(result)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(result, name, None)
    assert not hasattr(result, "__dict__")
    copied = pickle.loads(pickle.dumps(result))
    assert copied == result
    assert hash(copied) == hash(result)


def test_match_ranks_the_best_first_and_equal_ones_in_their_order():
    assert MATCH.images_for(0) == (2, 0, 1)
    assert MATCH.images_for(1) == (0, 1, 2)
    assert MATCH.headlines_for(0) == (0, 1)
    assert MATCH.headlines_for(1) == (1, 0)
    with pytest.raises(IndexError):
        MATCH.images_for(2)
    with pytest.raises(IndexError):
        MATCH.headlines_for(3)


def test_dict_of_a_match_is_plain():
    plain = MATCH.to_dict()
    assert plain["agreement"] == [[0.5, -0.25, 0.75], [0.25, 0.25, -1.0]]
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize("kind", [Warning, ModelState])
def test_value_of_a_newer_server_behaves_like_a_member(kind):
    unknown = kind("UNRECOGNISED_12")
    assert isinstance(unknown, kind)
    assert unknown == kind("UNRECOGNISED_12") == "UNRECOGNISED_12"
    assert unknown != kind("UNRECOGNISED_13")
    assert len({unknown, kind("UNRECOGNISED_12")}) == 1
    assert unknown.name == unknown.value == str(unknown) == "UNRECOGNISED_12"
    assert pickle.loads(pickle.dumps(unknown)) == unknown
    assert unknown not in list(kind)


@pytest.mark.parametrize("value", ["MISSPELT", "UNRECOGNISED_", "UNRECOGNISED_x", "", 3, None])
def test_misspelt_value_is_refused(value):
    with pytest.raises(ValueError, match="is not a valid Warning"):
        Warning(value)
