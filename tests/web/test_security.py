"""What a hostile site, a hostile caller or a hostile file name can do to the page: nothing."""

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adscore_web.guard import POLICY, Guard

SCRIPT = "<script>alert(1)</script>\"'&{{7*7}}"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "", "127.0.0.1@evil"]
)
def test_a_foreign_host_is_refused(page: Any, host: str) -> None:
    answer = page.request("GET", "/", host=host)
    assert answer.status == 403
    assert b"<html" not in answer.body


@pytest.mark.parametrize("host", ["localhost:{port}", "LOCALHOST:{port}", "127.0.0.1", "[::1]:80"])
def test_names_of_this_machine_are_served(page: Any, host: str) -> None:
    assert page.request("GET", "/", host=host.format(port=page.port)).status == 200


def test_a_host_that_was_allowed_is_served(start_page: Callable[..., Any]) -> None:
    live = start_page(allowed_hosts=("Ads.example.com",))
    assert live.request("GET", "/", host="ads.example.com").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": None},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_post_of_another_site_is_refused(page: Any, headers: dict[str, str | None]) -> None:
    assert page.post("scores", {"headlines": ["a"]}, **headers).status == 403


def test_a_form_of_another_site_cannot_send_what_the_page_takes(page: Any) -> None:
    for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded", None):
        answer = page.post("scores", {"headlines": ["a"]}, content_type=kind)
        assert (answer.status, answer.error["kind"]) == (415, "request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/api/models"),
        ("GET", "/nothing"),
        ("GET", "/static/x/app.js"),
        ("PUT", "/"),
        ("POST", "/api/scores"),
    ],
)
def test_every_answer_forbids_what_is_not_the_pages_own(page: Any, method: str, path: str) -> None:
    headers = page.request(method, path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    assert headers["cache-control"] == "no-store"


def test_policy_has_no_hole(page: Any) -> None:
    assert "unsafe" not in POLICY
    assert re.findall(r"https?:|\*|data:", POLICY) == []
    body = page.request("GET", "/").body.decode()
    inline = re.findall(r"<script(?![^>]*(?:src=|type=\"application/json\"))|<style|\son\w+=", body)
    assert inline == []
    assert re.findall(r"(?:src|href)=\"(?!/static/|#)", body) == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../config.py",
        "/static/{version}/../../config.py",
        "/static/{version}/..%2f..%2fconfig.py",
        "/static/{version}/%2e%2e/texts.json",
        "/static/{version}//etc/passwd",
        "/static/{version}/app.js%00.css",
        "/static/0/app.js",
        "//evil.example/",
    ],
)
def test_no_path_leads_out_of_the_assets(page: Any, path: str) -> None:
    body = page.request("GET", "/").body.decode()
    [version] = re.findall(r"/static/(\w+)/app.js\"></script>", body)
    assert page.request("GET", f"/static/{version}/app.js").status == 200
    answer = page.request("GET", path.format(version=version))
    assert answer.status == 404
    assert answer.body == b"Not Found" or answer.body == b"Not found."


def test_an_upload_that_says_too_much_is_refused_before_it_is_sent(page: Any) -> None:
    # One byte arrives; the answer does not wait for the others.
    answer = page.request(
        "POST", "/api/scores", b"x", content_type="application/octet-stream",
        content_length=str(10**9),
    )  # fmt: skip
    assert (answer.status, answer.error["kind"]) == (413, "too_large")


def test_an_endless_upload_is_refused(page: Any) -> None:
    lines = [
        "POST /api/scores HTTP/1.1", f"host: {page.place}", f"origin: http://{page.place}",
        "content-type: application/octet-stream", "transfer-encoding: chunked", "", "",
    ]  # fmt: skip
    with socket.create_connection((page.host, page.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 411 ")


def test_a_slow_upload_is_cut_off(start_page: Callable[..., Any]) -> None:
    live = start_page(read_seconds=0.2)
    answer = live.request(
        "POST", "/api/scores", b"x", content_type="application/octet-stream", content_length="1000"
    )
    assert (answer.status, answer.error["kind"]) == (408, "slow")


def test_requests_wait_for_memory_and_give_up(start_page: Callable[..., Any]) -> None:
    live = start_page(read_seconds=0.2, max_pending_bytes=1000)
    answer = live.post("scores", {"headlines": ["a"]}, bytes(2000))
    assert (answer.status, answer.error["kind"]) == (503, "busy")


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xff\xff\xff{}",
        b"\0\0\0\0",
        b"\0\0\0\x02[]",
        b"\0\0\0\x02{]",
        b"\0\0",
        b"\0\0\0\x04{\"a\xff",
        (100_000).to_bytes(4) + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_request_of_the_page_is_refused(page: Any, body: bytes) -> None:
    answer = page.request("POST", "/api/scores", body, content_type="application/octet-stream")
    assert (answer.status, answer.error["kind"]) == (400, "request")


@pytest.mark.parametrize(
    "values",
    [
        {"headlines": "text"},
        {"headlines": [1]},
        {"headlines": ["a"], "context": ["a"]},
        {"headlines": ["a"], "context": {"a": 1}},
        {"headlines": ["a"], "model": 3},
    ],
)
def test_values_of_another_kind_are_refused(page: Any, values: dict[str, Any]) -> None:
    answer = page.post("scores", values)
    assert (answer.status, answer.error["kind"]) == (400, "request")


def test_too_many_headlines_are_refused(start_page: Callable[..., Any]) -> None:
    live = start_page(max_headlines=3)
    answer = live.post("scores", {"headlines": ["a"] * 4})
    assert (answer.status, answer.error["kind"]) == (413, "too_many")


def test_content_of_creatives_stands_in_no_log(
    page: Any, banner: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture
) -> None:
    secret = "Our unannounced product"
    with caplog.at_level("DEBUG", "adscore_web"), caplog.at_level("INFO", "uvicorn"):
        page.post("scores", {"headlines": [secret]}, banner)
        page.post("scores", {"headlines": [secret]}, b"no image " + secret.encode())
        page.post("scores", {"headlines": [secret + "\ud800"]}, banner)
    written = caplog.text + "".join(capfd.readouterr())
    assert "unannounced" not in written


def test_script_in_a_text_comes_back_as_json_alone(page: Any, banner: bytes) -> None:
    answer = page.post("scores", {"headlines": [SCRIPT], "context": {SCRIPT: SCRIPT}}, banner)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["kind"] == "invalid"


# === Further ways in ===


def test_refusals_of_every_kind_carry_the_policy(page: Any, banner: bytes) -> None:
    body = page.request("GET", "/").body.decode()
    [script] = re.findall(r"(/static/\w+/app\.js)\"></script>", body)
    answers = {
        200: page.request("GET", script),
        400: page.request("POST", "/api/scores", b"{}", content_type="application/octet-stream"),
        403: page.request("GET", "/", host="evil.example"),
        404: page.post("scores", {"headlines": ["a"], "model": "nothing"}, banner),
        405: page.request("DELETE", "/", origin=f"http://{page.place}"),
        413: page.post("scores", {"headlines": ["a"] * 101}),
        415: page.post("scores", {}, content_type="text/plain"),
    }
    assert {status: one.status for status, one in answers.items()} == {one: one for one in answers}
    policies = {one.headers["content-security-policy"] for one in answers.values()}
    assert policies == {POLICY}


def test_even_an_answer_of_a_fault_carries_the_policy() -> None:
    async def faulty(_: Request) -> Response:
        raise RuntimeError

    app = Guard(Starlette(routes=[Route("/", faulty)]), frozenset({"localhost"}))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }  # fmt: skip
    with pytest.raises(RuntimeError):
        asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 500
    assert (b"content-security-policy", POLICY.encode()) in sent[0]["headers"]


def test_a_websocket_is_not_opened(page: Any) -> None:
    answer = page.request(
        "GET", "/api/models", connection="upgrade", upgrade="websocket",
        sec_websocket_version="13", sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    assert answer.status == 200  # an answer like any other, and no change of the protocol
    assert "upgrade" not in answer.headers


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"headlines": ["a"] * 150_000}, 413),
        ({"headlines": ["a"], "context": {str(one): "a" for one in range(50_000)}}, 400),
        ({"headlines": [["a"] * 100_000]}, 400),
        ({"headlines": ["a" * 2_000_000]}, 400),
    ],
    ids=["headlines", "names", "nested", "long"],
)
def test_no_number_of_parts_is_too_much(page: Any, values: dict[str, Any], status: int) -> None:
    assert page.post("scores", values).status == status


def test_no_number_of_boxes_or_arms_is_too_much(page: Any, banner: bytes) -> None:
    assert (
        page.post("explain", {"headline": "a", "boxes": [[0, 0, 9, 9]] * 5000}, banner).status
        == 413
    )
    assert page.post("decide", {"arms": [{}] * 5000}).status == 413


def test_headers_without_end_are_cut_off(page: Any) -> None:
    with socket.create_connection((page.host, page.port), timeout=60) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nhost: {page.place}\r\nx: ".encode())
        with contextlib.suppress(ConnectionError):  # it hangs up before all of it is sent
            for _ in range(64):
                connection.sendall(b"a" * 16_384)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(4096)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert page.request("GET", "/healthz").status == 200


def test_two_hosts_or_a_forwarded_one_are_no_way_in(page: Any) -> None:
    lines = ["GET / HTTP/1.1", f"host: {page.place}", "host: evil.example", "", ""]
    with socket.create_connection((page.host, page.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert re.match(rb"HTTP/1.1 40[03] ", connection.recv(4096))
    answer = page.request("GET", "/", host="evil.example", x_forwarded_host=page.place)
    assert answer.status == 403


def test_behind_a_proxy_its_name_and_the_prefix_alone_are_served(
    start_page: Callable[..., Any],
) -> None:
    live = start_page(prefix="/ads", allowed_hosts=("ads.example.com",))
    proxied = {"host": "ads.example.com", "x_forwarded_proto": "https"}
    assert live.request("GET", "/", **proxied).status == 200
    # The proxy ends TLS, so browsers say https of the very host.
    own = live.post("scores", {"headlines": ["a"]}, origin="https://ads.example.com", **proxied)
    assert own.status == 200
    other = live.post("scores", {"headlines": ["a"]}, origin="https://evil.example", **proxied)
    assert other.status == 403
    live.prefix = ""
    for path in ("/", "/healthz", "/api/models", "/ads/../healthz", "/adsx/"):
        assert live.request("GET", path, **proxied).status == 404
    live.prefix = "/ads"
    refused = live.request("GET", "/nothing", **proxied)
    assert (refused.status, refused.headers["content-security-policy"]) == (404, POLICY)
