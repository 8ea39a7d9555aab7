"""Headers that keep a browser from doing what nobody meant."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_DEFAULTS = {
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


_OVER_TLS = (b"strict-transport-security", b"max-age=31536000")
"""A browser that came over TLS once comes no other way for a year; not said over plain HTTP, where it would count for nothing."""


class SecurityHeaders:
    """Adds them to every answer; an answer's own caching and content policies win."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_security(message.get("headers", ()), scope)
            await send(message)

        await self._app(scope, receive, answer if scope["type"] == "http" else send)


def with_security(given: Iterable[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    """Return an answer's headers and those that it needs besides."""
    headers = list(given)
    present = {name for name, _ in headers}
    headers.extend(_ALWAYS)
    if scope["scheme"] == "https":
        headers.append(_OVER_TLS)
    headers.extend(item for item in _DEFAULTS.items() if item[0] not in present)
    return headers
