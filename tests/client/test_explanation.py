"""Explain: what is sent, what comes back, and what is refused before anything is sent."""

import json

import pytest

from adscore_client import (
    Client,
    ElementEffect,
    ElementKind,
    Explanation,
    Idea,
    IdeaKind,
    InvalidCreativeError,
    ModelNotFoundError,
    Parts,
    ServerError,
    Warning,
    WhatIf,
    WordEffect,
)
from adscore_client.testing import FakeServer
from adscore_protos.v1 import scoring_pb2

WIRE = scoring_pb2.Explanation(
    creative_id="c1",
    target="ctr",
    mean=0.25,
    lower=0.125,
    upper=0.5,
    base=-1.5,
    headline=0.25,
    context={"placement": 0.0},
    remainder=0.125,
    warnings=[scoring_pb2.WARNING_MISSING_IMAGE],
    words=[scoring_pb2.WordEffect(text="Zapatos", start=0, end=7, effect=0.5)],
    phrases=[scoring_pb2.WordEffect(text="hoy", start=9, end=12, effect=-0.5)],
    elements=[
        scoring_pb2.ElementEffect(
            kind=scoring_pb2.ELEMENT_KIND_TEXT,
            box=scoring_pb2.Box(left=1, top=2, right=3, bottom=4),
            effect=-0.5,
        )
    ],
    ideas=[
        scoring_pb2.Idea(
            kind=scoring_pb2.IDEA_KIND_CONTEXT,
            what="placement: feed",
            effect=0.5,
            lower=0.25,
            upper=0.75,
            context_name="placement",
            context_value="feed",
        ),
        scoring_pb2.Idea(kind=99, position=3),  # of a newer server
    ],
    model="banners",
    model_version="3",
)

EXPLANATION = Explanation(
    target="ctr",
    mean=0.25,
    lower=0.125,
    upper=0.5,
    base=-1.5,
    parts=Parts(0.25, None, {"placement": 0.0}),
    remainder=0.125,
    warnings=(Warning.MISSING_IMAGE,),
    words=(WordEffect("Zapatos", 0, 7, 0.5),),
    phrases=(WordEffect("hoy", 9, 12, -0.5),),
    elements=(ElementEffect(ElementKind.TEXT, (1, 2, 3, 4), -0.5),),
    ideas=(
        Idea(IdeaKind.CONTEXT, "placement: feed", 0.5, 0.25, 0.75, 0, "placement", "feed"),
        Idea(IdeaKind("UNRECOGNISED_99"), "", 0.0, 0.0, 0.0, 3),
    ),
    creative_id="c1",
    model="banners",
    model_version="3",
)


@pytest.fixture
def explainer():
    """An Explain handler that keeps the requests, as ``explainer.requests``."""

    def handler(request, context):
        handler.requests.append(request)
        return scoring_pb2.ExplainResponse(explanation=WIRE)

    handler.requests = []
    return handler


def test_explanation_has_what_the_server_says(connect, explainer):
    explanation = connect(Explain=explainer).explain("Zapatos")
    assert explanation == EXPLANATION
    assert json.loads(json.dumps(explanation.to_dict()))["elements"][0]["box"] == [1, 2, 3, 4]


def test_request_has_every_argument(connect, explainer, tmp_path):
    path = tmp_path / "banner.png"
    path.write_bytes(b"of a path")
    client = connect(Explain=explainer, model="banners", model_version="2")
    what_if = WhatIf(
        boxes=[(1, 2, 3, 4)],
        find_text=True,
        swaps=[("Zapatos", "Botas")],
        headlines=["Otro 👟"],
        images=[path, b"bytes"],
    )
    client.explain("Zapatos", path, context={"a": "b"}, target="ctr", what_if=what_if)
    client.explain("Zapatos", model="posts")
    assert explainer.requests == [
        scoring_pb2.ExplainRequest(
            creative=scoring_pb2.Creative(
                headline="Zapatos", image=b"of a path", context={"a": "b"}
            ),
            model="banners",
            model_version="2",
            target="ctr",
            boxes=[scoring_pb2.Box(left=1, top=2, right=3, bottom=4)],
            find_text=True,
            swaps=[scoring_pb2.WordSwap(word="Zapatos", replacement="Botas")],
            headlines=["Otro 👟"],
            images=[b"of a path", b"bytes"],
        ),
        scoring_pb2.ExplainRequest(
            creative=scoring_pb2.Creative(headline="Zapatos"), model="posts"
        ),
    ]


@pytest.mark.parametrize(
    ("what_if", "name"),
    [
        (WhatIf(boxes=[(1, 2, 3)]), r"boxes\[0\]"),
        (WhatIf(boxes=[(1, 2, 3, 4), (1, 2, 3, 4.5)]), r"boxes\[1\]"),
        (WhatIf(boxes=[(0, 0, 1, 2**40)]), r"boxes\[0\]"),
        (WhatIf(boxes=[7]), r"boxes\[0\]"),
        (WhatIf(swaps=[("a", None)]), r"swaps\[0\]"),
        (WhatIf(headlines="one"), "headlines"),
        (WhatIf(headlines=["a", 7]), r"headlines\[1\]"),
        (WhatIf(images=[b"i", None]), r"images\[1\]"),
    ],
)
def test_argument_of_the_wrong_type_is_named(what_if, name, connect, explainer):
    with pytest.raises(TypeError, match=f"^{name}: expected .* Received: "):
        connect(Explain=explainer).explain("a", b"i", what_if=what_if)
    assert explainer.requests == []


def test_image_that_cannot_be_read_is_named(connect, explainer):
    client = connect(Explain=explainer)
    with pytest.raises(InvalidCreativeError, match="no-such-file") as caught:
        client.explain("a", what_if=WhatIf(images=[b"i", "no-such-file.png"]))
    assert caught.value.field == "images[1]"


def test_answer_without_an_explanation_is_a_server_error(connect):
    client = connect(Explain=lambda request, context: scoring_pb2.ExplainResponse())
    with pytest.raises(ServerError, match="Expected an explanation"):
        client.explain("a")


def test_fake_server_explains_by_the_base_alone():
    with FakeServer(lambda creative: 0.5) as server, Client(server.address) as client:
        explanation = client.explain("a")
        assert (explanation.target, explanation.mean, explanation.base) == ("ctr", 0.5, 0.0)
        with pytest.raises(ModelNotFoundError):
            client.explain("a", model="another")
