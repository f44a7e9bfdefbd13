"""Reads values from the page's requests and checks their types; the server checks their meaning."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from adscore_client import Arm, ArmPrediction, Counts, TargetPrediction, Warning
from adscore_web.frames import RefusedError

_MAX_CONTEXT_NAMES = 100
_MAX_BOXES = 32
_MAX_ARMS = 1_000


class Asked(NamedTuple):
    """What all calls specify beside creatives.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        context: Context of all creatives in the call.
    """

    name: str
    version: str
    context: Mapping[str, str]


def text(values: Mapping[str, Any], name: str) -> str:
    """A text; empty if it was not sent.

    Raises:
        RefusedError: It is not a text.
    """
    value = values.get(name, "")
    if not isinstance(value, str):
        raise RefusedError(400, "request", f"{name}: expected a text.")
    return value


def texts(values: Mapping[str, Any], name: str, limit: int) -> list[str]:
    """A list of texts; empty if it was not sent.

    Raises:
        RefusedError: It is not a list of texts, or is longer than the limit.
    """
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise RefusedError(400, "request", f"{name}: expected a list of texts.")
    if len(value) > limit:
        raise RefusedError(
            413, "too_many", f"{name}: expected at most {limit}. Received: {len(value)}."
        )
    return value


def context_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The context of all creatives in a request.

    Raises:
        RefusedError: It is not an object of texts, or is too large.
    """
    value = values.get("context", {})
    is_plain = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if not is_plain or len(value) > _MAX_CONTEXT_NAMES:
        raise RefusedError(400, "request", "context: expected an object of texts.")
    return dict(value)


def asked_of(values: Mapping[str, Any]) -> Asked:
    """The model and context of a request.

    Raises:
        RefusedError: A value is of the wrong type.
    """
    return Asked(text(values, "model"), text(values, "model_version"), context_of(values))


def number(values: Mapping[str, Any], name: str) -> float | None:
    """A number; None if it was not sent.

    Raises:
        RefusedError: It is not a number.
    """
    value = values.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise RefusedError(400, "request", f"{name}: expected a number.")
    return value


def boxes_of(values: Mapping[str, Any]) -> list[tuple[int, int, int, int]]:
    """Boxes in whole pixels: left, top, right, bottom.

    Raises:
        RefusedError: They are of the wrong form, or too many.
    """
    boxes = _items(values, "boxes", _MAX_BOXES)
    for box in boxes:
        is_box = isinstance(box, list) and len(box) == 4 and all(type(one) is int for one in box)
        if not is_box:
            raise RefusedError(400, "request", "boxes: expected four whole numbers each.")
    return [(box[0], box[1], box[2], box[3]) for box in boxes]


def arms_of(values: Mapping[str, Any]) -> list[Arm]:
    """Arms with their predictions and counts.

    Raises:
        RefusedError: They are of the wrong form, or too many.
    """
    try:
        return [_arm(one) for one in _items(values, "arms", _MAX_ARMS)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        text = "arms: expected predictions as they were sent, and counts."
        raise RefusedError(400, "request", text) from error


def _arm(values: Mapping[str, Any]) -> Arm:
    prediction = values["prediction"]
    targets = {
        str(name): TargetPrediction(float(one["logit"]), float(one["spread"]))
        for name, one in prediction["targets"].items()
    }
    warnings = tuple(Warning(str(one)) for one in prediction["warnings"])
    model = (str(prediction["model"]), str(prediction["model_version"]))
    counts = {
        str(name): Counts(float(trials), float(successes))
        for name, (trials, successes) in values["counts"].items()
    }
    return Arm(str(values["id"]), ArmPrediction(targets, warnings, *model), counts)


def _items(values: Mapping[str, Any], name: str, limit: int) -> list[Any]:
    items = values.get(name, [])
    if not isinstance(items, list):
        raise RefusedError(400, "request", f"{name}: expected a list.")
    if len(items) > limit:
        raise RefusedError(413, "too_many", f"{name}: expected at most {limit}.")
    return items
