"""Guards every request: checks its host and origin, and adds security headers to responses."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Load and run only the page's own files, and allow no frames. Images that the browser already has
# are shown as blob:. No inline scripts or styles; strings never become markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:@/\s]+)(?::\d{1,5})?", re.IGNORECASE)
_READING = frozenset({"GET", "HEAD"})


class Guard:
    """Refuses foreign hosts and origins, and adds security headers to every response.

    Another site's page can make a browser send requests here, and can point its own name at this
    machine (DNS rebinding). Origin and Sec-Fetch-Site, which a page cannot forge, reveal the first;
    Host reveals the second.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles an ASGI request; there are no WebSockets."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app = PlainTextResponse(refusal, 403) if refusal else self._app
        await app(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        """Why a request is refused; empty if it is accepted."""
        hosts = headers.getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None or match[1].lower() not in self._hosts:
            return (
                "Expected a Host that this page is known by. Behind a proxy, start it with "
                "--allowed-host NAME."
            )
        if method in _READING:
            return ""
        # A proxy may terminate TLS, so compare only host and port.
        origin = headers.get("origin", "").partition("://")[2]
        site = headers.get("sec-fetch-site", "same-origin")
        if origin.lower() != hosts[0].lower() or site != "same-origin":
            return "Expected a request of the page itself. Received: one of another site."
        return ""
