"""The interceptors of a server, in their order."""

from collections.abc import Sequence

import grpc

from adscore_server.access.bearer import AccessInterceptor
from adscore_server.access.rate_limit import RateLimiter, RateLimitInterceptor
from adscore_server.access.tokens import TokenFile
from adscore_server.calls.interceptor import CallInterceptor
from adscore_server.calls.observation import Observer, ObservingInterceptor
from adscore_server.config import ServerConfig


def interceptors(
    config: ServerConfig, observers: Sequence[Observer], calls: CallInterceptor
) -> list[grpc.ServerInterceptor]:
    """From the outermost, which sees every call, to the innermost, which sees good requests.

    Args:
        config: Says who may call, and how much.
        observers: Are told of every call.
        calls: Turns errors of what lies inside into a status.

    Raises:
        StartError: The token file is no good.
    """
    chain: list[grpc.ServerInterceptor] = [ObservingInterceptor(observers)]
    if config.tokens is not None:
        chain.append(AccessInterceptor(TokenFile(config.tokens), calls.refused))
    chain.append(calls)
    if config.creatives_per_second is not None:
        chain.append(RateLimitInterceptor(RateLimiter(config.creatives_per_second)))
    return chain
