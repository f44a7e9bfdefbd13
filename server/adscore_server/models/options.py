"""Which models of its folder a server serves, and when it looks for others."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelRootOptions:
    """Which models are served.

    Attributes:
        default_model: Name of the model that calls without a name mean; empty means the
            only one there is.
        keep_versions: How many versions of each model are served, the newest first.
        poll_seconds: Time between two looks at the folder; 0 means that it is looked at once.
        wait_for_model: Whether a server starts without a model, and waits for the first one.
        required_key: File of the public key whose signature each version must carry; None means
            that none is asked for.

    Raises:
        ValueError: A setting is outside its range.
    """

    default_model: str = ""
    # Callers compare scores of one version; a second one costs its memory again.
    keep_versions: int = 1
    # A look costs a millisecond; a model that is there a few seconds later disturbs nobody.
    poll_seconds: float = 5.0
    # A wrong path is told at once; waiting is for volumes that are filled beside the server.
    wait_for_model: bool = False
    # Whoever can write to the folder decides what is served, unless somebody else must vouch.
    required_key: Path | None = None

    def __post_init__(self) -> None:
        if self.keep_versions < 1:
            raise ValueError(f"keep_versions: expected at least 1. Received: {self.keep_versions}")
        if self.poll_seconds < 0:
            raise ValueError(f"poll_seconds: expected 0 or more. Received: {self.poll_seconds}")
        if self.wait_for_model and not self.poll_seconds:
            raise ValueError("wait_for_model: expected poll_seconds above 0. Received: 0")
