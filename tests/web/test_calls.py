"""The calls of the page's script, in front of a real model."""

import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adscore_client import Client
from adscore_server.server import Server

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[3] / "shared" / "data"))
CASES = DATA.parent / "cases" / "images"
HEADLINES = ["Save 20 % on running shoes", "Run a little further", "Fresh air"]


def scores(page: Any, image: bytes = b"", **values: Any) -> Any:
    answer = page.post("scores", values, image)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)["scores"]


def test_scores_are_those_of_the_client(page: Any, scoring_server: Server, banner: bytes) -> None:
    context = {"placement": "feed"}
    with Client(scoring_server.address) as client:
        grid = client.score_combinations(HEADLINES, [banner], context=context)
    found = scores(page, banner, headlines=HEADLINES, context=context)
    expected = [row[0].targets["ctr"].to_dict() for row in grid.scores]
    assert [one["targets"]["ctr"] for one in found] == expected
    assert [one["warnings"] for one in found] == [list(row[0].warnings) for row in grid.scores]


def test_a_bad_headline_costs_the_others_nothing(page: Any, banner: bytes) -> None:
    texts = [HEADLINES[0], "long " * 1000, HEADLINES[1], "\u200b", HEADLINES[2]]
    found = scores(page, banner, headlines=texts)
    reasons = [one.get("error", {}).get("reason") for one in found]
    assert reasons == [None, "HEADLINE_TOO_LONG", None, "HEADLINE_MISSING", None]


def test_a_bad_banner_is_refused_with_its_reason(page: Any) -> None:
    answer = page.post("scores", {"headlines": HEADLINES}, b"<svg></svg>")
    assert answer.error["kind"] == "invalid"
    assert answer.error["reason"] == "IMAGE_UNREADABLE"


@pytest.mark.realdata
@pytest.mark.skipif(not CASES.is_dir(), reason="ADSCORE_DATA has no folder of cases beside it")
def test_odd_files_are_scored_or_refused_with_a_reason(page: Any) -> None:
    files = [path for path in sorted(CASES.rglob("*")) if path.suffix in (".png", ".jpg")]
    refused = set()
    for path in files:
        values = json.loads(page.post("scores", {"headlines": HEADLINES}, path.read_bytes()).body)
        if "error" in values:
            assert values["error"]["reason"] == "IMAGE_UNREADABLE", path
            refused.add(path.parent.name)
        else:
            assert len(values["scores"]) == len(HEADLINES)
    assert refused == {"not_an_image"}


def test_headlines_or_a_banner_alone_are_scored(page: Any, banner: bytes) -> None:
    alone = scores(page, headlines=HEADLINES)
    assert all({"MISSING_IMAGE", "MISSING_CONTEXT"} <= set(one["warnings"]) for one in alone)
    [one] = scores(page, banner, headlines=[])
    assert {"MISSING_HEADLINE", "MISSING_CONTEXT"} <= set(one["warnings"])


def test_models_come_with_the_values_of_their_context(page: Any) -> None:
    found = json.loads(page.request("GET", "/api/models").body)
    [model] = found["models"]
    assert found["default"] == {"name": model["name"], "version": model["version"]}
    assert model["limits"]["context_values"] == {"placement": ["feed", "stories"]}
    assert model["training"]["creatives"] > 0


@pytest.mark.parametrize(
    ("values", "status", "kind"),
    [
        ({"model": "nothing"}, 404, "model_gone"),
        ({"model_version": "99"}, 404, "model_gone"),
        ({"context": {"nothing": "a"}}, 200, "invalid"),
    ],
)
def test_failures_have_a_kind(
    page: Any, banner: bytes, values: dict[str, Any], status: int, kind: str
) -> None:
    answer = page.post("scores", {"headlines": HEADLINES, **values}, banner)
    assert (answer.status, answer.error["kind"]) == (status, kind)


def test_a_server_that_is_gone_is_said_to_be(start_page: Callable[..., Any]) -> None:
    live = start_page("127.0.0.1:1", timeout_seconds=0.5)
    answer = live.request("GET", "/api/models")
    assert (answer.status, answer.error["kind"]) == (503, "server_gone")
    assert live.request("GET", "/healthz").status == 200


def test_everything_stands_below_the_prefix(start_page: Callable[..., Any]) -> None:
    live = start_page(prefix="/ads/page")
    body = live.request("GET", "/").body.decode()
    links = re.findall(r"(?:src|href)=\"(/[^\"]*)\"", body)
    assert len(links) > 10
    assert all(link.startswith("/ads/page/static/") for link in links)
    assert live.request("GET", links[0].removeprefix("/ads/page")).status == 200
    assert live.request("GET", "").status == 200
    assert live.request("GET", "/healthz").status == 200
    assert live.post("scores", {"headlines": HEADLINES}).status == 200


def test_assets_are_small_and_kept_by_browsers(page: Any) -> None:
    body = page.request("GET", "/").body.decode()
    links = set(re.findall(r"(?:src|href)=\"(/static/[^\"]*)\"", body))
    answers = [page.request("GET", link) for link in links]
    assert all("immutable" in answer.headers["cache-control"] for answer in answers)
    assert len(body) + sum(len(answer.body) for answer in answers) <= 150_000


def test_each_text_that_the_script_asks_for_is_there() -> None:
    package = Path(__file__).parents[2] / "web" / "adscore_web"
    texts = json.loads((package / "texts.json").read_text(encoding="utf-8"))
    code = "".join(path.read_text(encoding="utf-8") for path in (package / "static").glob("*.js"))
    asked = set(re.findall(r'\bt\(\s*"([a-z_.]+)"', code))
    assert len(asked) > 50

    def text_of(key: str) -> Any:
        return functools.reduce(lambda part, name: part.get(name, {}), key.split("."), texts)

    assert [key for key in sorted(asked) if not isinstance(text_of(key), str | list)] == []
