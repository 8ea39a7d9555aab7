"""Pages of other origins that may call this server from a browser (CORS); not there unless origins are set."""

from collections.abc import Set

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

MAX_AGE_S = 600
"""Seconds that a browser remembers what it may do."""
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_ASKED = ("Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-API-Key", "X-Request-ID", "traceparent")
_SHOWN = (
    *("ETag", "Location", "Retry-After", "X-Request-ID"),
    *("RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)


class CrossOrigin(CORSMiddleware):
    """Answers browsers that ask on behalf of a page.

    Never with credentials: a page of another origin brings its own key or token, and the browser's cookie stays at home. So it does no harm
    to allow every origin.
    """

    def __init__(self, app: ASGIApp, origins: Set[str]) -> None:
        super().__init__(app, sorted(origins), _METHODS, _ASKED, expose_headers=_SHOWN, max_age=MAX_AGE_S)
