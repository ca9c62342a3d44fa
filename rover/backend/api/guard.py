"""What every request passes first: host check, token, methods; and what every answer gets: security headers.

On loopback there is no token, so a web page of somebody else could reach the API through a name that it makes resolve
to 127.0.0.1 (DNS rebinding). Its requests carry that name in Host: only loopback's own names are answered. Beyond
loopback a token is required, which such a page does not have, and any name may be in use.
"""

from __future__ import annotations

from collections import Counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rover.backend.api.errors import error_response
from rover.listener import Buckets, has_token, is_loopback_host

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_ATTEMPTS = 200
_ATTEMPTS_RATE = 20.0
"""Wrong tokens of one address that are answered at once, and a second: far too few to guess one."""


GRAPHQL = "/graphql"
"""The one path that takes POST; it reads, too."""


class Guard:
    """ASGI middleware around everything. `token` is None on loopback."""

    def __init__(self, app: ASGIApp, token: str | None, refused: Counter[str]) -> None:
        """`refused`: counts requests that are not passed on, by cause."""
        self._app = app
        self._refused = refused
        self._token = token
        self._attempts = Buckets(_ATTEMPTS_RATE, _ATTEMPTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if self._token is None:
            if not is_loopback_host(headers.get("host", "")):
                return self._refuse(421, "wrong_host", "this address is served under the names of loopback only")
        elif not has_token(headers.get("authorization", ""), self._token):
            if not self._attempts.take(_peer(scope)):
                return self._refuse(429, "too_many_attempts", "too many wrong tokens", {"Retry-After": "1"})
            # Browsers ask for a password by themselves; the name given with it does not matter.
            challenge = {"WWW-Authenticate": 'Basic realm="rover", charset="UTF-8"'}
            return self._refuse(401, "no_token", "a token is needed: Authorization: Bearer …", challenge)
        if scope["path"] != GRAPHQL and scope["method"] not in ("GET", "HEAD"):
            return self._refuse(405, "method_not_allowed", "only GET and HEAD", {"Allow": "GET, HEAD"})
        return None

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> ASGIApp:
        self._refused[code] += 1
        return error_response(status, code, message, headers)


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
