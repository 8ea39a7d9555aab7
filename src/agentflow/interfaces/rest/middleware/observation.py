"""Measures requests, and logs each at level debug."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.infra.observability.metrics import IN_FLIGHT, observe_request

log = structlog.get_logger(__name__)


class Observation:
    """Counts requests under way and times them to the beginning of their answer, by route and not by path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                observe(scope, message["status"], time.perf_counter() - started)
            await send(message)

        with IN_FLIGHT.track_inprogress():
            await self._app(scope, receive, answer)


def observe(scope: Scope, status: int, elapsed_s: float) -> None:
    """Count and log a request whose answer begins."""
    route = getattr(scope.get("route"), "path", "unmatched")
    observe_request(scope["method"], route, status, elapsed_s)
    log.debug("request", method=scope["method"], path=scope["path"], status=status, ms=round(elapsed_s * 1000, 2))
