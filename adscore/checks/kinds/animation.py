"""Rules of what moves."""

import math
from collections.abc import Mapping

from adscore.checks.kinds.kind import Fault, Kind, Limit, Subject


def _find_animation(_: Limit, subject: Subject) -> Fault | None:
    animation = subject.banner.animation
    if not animation.moves:
        return None
    return Fault("Save a single frame: animation is not shown", f"{animation.frames} frames")


def _find_seconds(limit: Limit, subject: Subject) -> Fault | None:
    animation = subject.banner.animation
    # Delays are whole hundredths.
    if animation.seconds <= limit["max"] + 0.01:
        return None
    if math.isinf(animation.seconds):
        rounds = max(1, int(limit["max"] // max(animation.round_seconds, 0.01)))
        return Fault(
            f"The animation never stops: let it play {rounds} {'times' if rounds > 1 else 'time'}",
            f"a loop of {animation.round_seconds:.1f} seconds without end",
        )
    received = f"{animation.seconds:.1f} seconds"
    return Fault("The animation is too long: shorten it, or play it less often", received)


def _find_frames(limit: Limit, subject: Subject) -> Fault | None:
    frames = subject.banner.animation.frames
    if frames <= limit["max"]:
        return None
    return Fault("The animation has too many frames: leave some out", f"{frames} frames")


def _find_speed(limit: Limit, subject: Subject) -> Fault | None:
    speed = subject.banner.animation.frames_per_second
    if speed <= limit["max"] + 0.01:
        return None
    return Fault("The animation is too fast: show each frame longer", f"{speed:.1f} a second")


ANIMATION_KINDS: Mapping[str, Kind] = {
    "animation": Kind(lambda _: "a single frame", _find_animation, "image"),
    "animation-seconds": Kind(
        lambda limit: f"at most {limit['max']} seconds, all rounds together",
        _find_seconds,
        "image",
    ),
    "animation-frames": Kind(lambda limit: f"at most {limit['max']} frames", _find_frames, "image"),
    "animation-speed": Kind(
        lambda limit: f"at most {limit['max']} frames a second", _find_speed, "image"
    ),
}
