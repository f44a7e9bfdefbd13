"""What calls the methods of a server over a channel."""

from typing import Any

from adscore_protos.v1 import model_pb2_grpc, scoring_pb2_grpc

# Health.Check is one field each way, too little for a dependency of its own: a request
# without a service asks for the whole server, and the answer's first field is its status.
_HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


def bind_methods(channel: Any) -> dict[str, Any]:
    """Returns what calls each method, by the method's name.

    Args:
        channel: Of ``grpc`` or of ``grpc.aio``.
    """
    return {
        **vars(scoring_pb2_grpc.ScoringServiceStub(channel)),
        **vars(model_pb2_grpc.ModelServiceStub(channel)),
        "Check": channel.unary_unary(_HEALTH_CHECK),
    }


def is_serving(health: bytes) -> bool:
    """Says whether an answer of Health.Check means that calls are served."""
    return health == _SERVING
