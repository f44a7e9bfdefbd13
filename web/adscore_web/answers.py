"""Converts results and exceptions of the client to JSON for the page's script."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from adscore_client import (
    AccessError,
    AdscoreError,
    AuthenticationError,
    DeadlineExceededError,
    InvalidRequestError,
    MessageTooLargeError,
    Model,
    ModelNotFoundError,
    ModelState,
    OverloadedError,
    Score,
    ServerUnavailableError,
    UnsupportedError,
)
from adscore_web.frames import RefusedError

# HTTP status of each exception, and the name under which the page has a text for it; the first
# match counts. An answer about a creative, or that a feature is not offered, has status 200, since
# browsers log any other status to their console as an error of the page.
_KINDS: tuple[tuple[type[AdscoreError], int, str], ...] = (
    (AuthenticationError, 401, "token"),
    (AccessError, 403, "forbidden"),
    (InvalidRequestError, 200, "invalid"),
    (ModelNotFoundError, 404, "model_gone"),
    (MessageTooLargeError, 413, "too_large"),
    (OverloadedError, 429, "busy"),
    (UnsupportedError, 200, "unsupported"),
    (DeadlineExceededError, 504, "server_slow"),
    (ServerUnavailableError, 503, "server_gone"),
    (AdscoreError, 502, "server_failed"),
)


_STARTING = "SERVER_STARTING"  # reason code of the server
_UNHEALTHY = "unhealthy"  # gRPC's word for a server that reports NOT_SERVING


def error_fields(error: AdscoreError) -> dict[str, Any]:
    """An exception of the client, for the page; its message quotes only what caused it."""
    kind = next(name for cause, _, name in _KINDS if isinstance(error, cause))
    if error.reason == _STARTING or (kind == "server_gone" and _UNHEALTHY in str(error)):
        kind = "not_ready"
    return {
        "kind": kind,
        "reason": error.reason,
        "field": getattr(error, "field", ""),
        "message": str(error),
        "retry_after_seconds": error.retry_after_seconds,
    }


# Exceptions that are not bugs of the page: those of the client, the page's own, and those that the
# client raises for arguments that the page's script never sends.
EXPECTED = (AdscoreError, RefusedError, TypeError, ValueError)


def error_answer(error: Exception) -> JSONResponse:
    """The response to a request that failed."""
    if isinstance(error, RefusedError):
        fields: dict[str, Any] = {"kind": error.kind, "message": str(error)}
        return JSONResponse({"error": fields}, error.status)
    if isinstance(error, AdscoreError):
        status = next(status for cause, status, _ in _KINDS if isinstance(error, cause))
        return JSONResponse({"error": error_fields(error)}, status)
    if isinstance(error, EXPECTED):
        return JSONResponse({"error": {"kind": "invalid", "message": str(error)[:300]}}, 422)
    return JSONResponse({"error": {"kind": "page_failed", "message": ""}}, 500)


def score_fields(score: Score | AdscoreError) -> dict[str, Any]:
    """One cell of the grid."""
    if isinstance(score, AdscoreError):
        return {"error": error_fields(score)}
    targets: Mapping[str, Any] = {name: one.to_dict() for name, one in score.targets.items()}
    return {
        "targets": targets,
        "agreement": score.agreement,
        "warnings": [str(warning) for warning in score.warnings],
    }


def model_fields(models: list[Model]) -> list[dict[str, Any]]:
    """The models that are ready, the newest version of each first."""
    return [model.to_dict() for model in models if model.state == ModelState.READY]
