"""The settings of a channel, the same for both clients: retries, balancing, encryption."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import grpc
import grpc.aio

from adscore_client._access import Certificates
from adscore_client._address import Target
from adscore_client._retry import (
    BACKOFF_MULTIPLIER,
    INITIAL_BACKOFF_SECONDS,
    MAX_ATTEMPTS,
    MAX_BACKOFF_SECONDS,
    RETRIED,
)
from adscore_protos.v1 import model_pb2, scoring_pb2

SCORING_SERVICE = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
_MODEL_SERVICE = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """All that is needed to open a channel, and nothing of gRPC's own yet.

    A process may fork once it has its client: gRPC must not have been started by then.

    Attributes:
        target: Where the servers are.
        max_message_bytes: Limit of an answer. Requests are measured before they are sent.
        certificates: What to encrypt with; None for no encryption.
        server_name: Name that the server's certificate is for; empty where it is the target's.
    """

    target: Target
    max_message_bytes: int
    certificates: Certificates | None = None
    server_name: str = ""

    def open(self) -> grpc.Channel:
        """Opens a channel for calls that block."""
        if self.certificates is None:
            return grpc.insecure_channel(self.target.uri, options=self.options())
        credentials = grpc.ssl_channel_credentials(**asdict(self.certificates))
        return grpc.secure_channel(self.target.uri, credentials, options=self.options())

    def open_async(self) -> grpc.aio.Channel:
        """Opens a channel for calls of the running event loop."""
        if self.certificates is None:
            return grpc.aio.insecure_channel(self.target.uri, options=self.options())
        credentials = grpc.ssl_channel_credentials(**asdict(self.certificates))
        return grpc.aio.secure_channel(self.target.uri, credentials, options=self.options())

    def options(self) -> list[tuple[str, Any]]:
        """Returns the settings as gRPC names them."""
        options: list[tuple[str, Any]] = [
            ("grpc.service_config", json.dumps(service_config())),
            # Without room to keep a request, gRPC does not retry it: banners are larger than
            # the 256 KiB that it keeps by default.
            ("grpc.per_rpc_retry_buffer_size", min(2 * self.max_message_bytes, _MAX_INT)),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", -1),
            # By default a lost server is looked for ever more rarely, up to every 2 minutes, and
            # calls fail at once meanwhile; one that restarts should be found within seconds.
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # Else all channels of a process to one address share that waiting time, so that a
            # new client fails because an old one did.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.target.is_local:
            # gRPC would ask the proxy of the environment for this very machine.
            options.append(("grpc.enable_http_proxy", 0))
        if self.server_name:
            options.append(("grpc.ssl_target_name_override", self.server_name))
        elif self.target.authority:
            options.append(("grpc.default_authority", self.target.authority))
        return options


def service_config() -> dict[str, Any]:
    """Returns gRPC's service config: what it does by itself with servers and failed calls."""
    retry_policy = {
        "maxAttempts": MAX_ATTEMPTS,
        "initialBackoff": f"{INITIAL_BACKOFF_SECONDS}s",
        "maxBackoff": f"{MAX_BACKOFF_SECONDS}s",
        "backoffMultiplier": BACKOFF_MULTIPLIER,
        "retryableStatusCodes": [code.name for code in RETRIED],
    }
    return {
        # Calls go to all servers in turn, and to none that says it is not serving.
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": SCORING_SERVICE},
        "methodConfig": [
            {
                "name": [{"service": SCORING_SERVICE}, {"service": _MODEL_SERVICE}],
                "retryPolicy": retry_policy,
            },
            # gRPC could only start a stream again that has had no answer yet; see _bulk.py.
            {"name": [{"service": SCORING_SERVICE, "method": "StreamScore"}]},
        ],
    }
