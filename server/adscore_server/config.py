"""The settings of a server."""

import os
from dataclasses import dataclass, field


def _core_count() -> int:
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server listens and how much it takes on at once.

    Attributes:
        address: HOST:PORT to listen on; port 0 means any free one.
        max_message_bytes: Largest request accepted, in bytes.
        max_batch_creatives: Largest number of creatives in one BatchScore.
        threads: Most calls that are worked on at once; others wait their turn.
        decode_threads: Threads that decode the images of batches, shared by all calls.
        drain_seconds: How long calls in flight may take to finish when the server stops.
        reflection: Whether the server describes its services to tools such as grpcurl.

    Raises:
        ValueError: A setting is outside its range.
    """

    # Loopback: whoever opens the server to a network decides to do so.
    address: str = "127.0.0.1:50051"
    # A full-size image of 10 MiB, or some hundred banners in a batch.
    max_message_bytes: int = 16 * 1024 * 1024
    # As the contract says; with usual banners the message limit is met first.
    max_batch_creatives: int = 1_000
    # On 2 cores with 32 callers, 2 to 8 give the same throughput and 32 gives 10 % less; a caller
    # who sends slowly holds one meanwhile, so not the fewest.
    threads: int = 8
    # Pillow releases the GIL, so every core can decode.
    decode_threads: int = field(default_factory=_core_count)
    # Below the 30 seconds that Kubernetes waits before it kills.
    drain_seconds: float = 20.0
    # The contract is public; an operator can still switch it off.
    reflection: bool = True

    def __post_init__(self) -> None:
        host, separator, port = self.address.rpartition(":")
        if not (host and separator and port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(
                f"address: expected HOST:PORT, e.g. 127.0.0.1:50051. Received: {self.address!r}"
            )
        for name in (
            "max_message_bytes",
            "max_batch_creatives",
            "threads",
            "decode_threads",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1. Received: {getattr(self, name)}")
        if self.drain_seconds < 0:
            raise ValueError(f"drain_seconds: expected 0 or more. Received: {self.drain_seconds}")
