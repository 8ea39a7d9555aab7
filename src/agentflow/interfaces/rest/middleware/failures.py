"""The last resort: a fault of ours becomes a problem that tells nothing of the inside, and a log line that tells everything."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.interfaces.rest.problems import internal_error

log = structlog.get_logger(__name__)


class Failures:
    """Answers 500 for an exception that nothing else translated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def answer(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            if has_begun:
                raise  # the server cuts the connection: half an answer must not look whole
            await internal_error(scope)(scope, receive, send)
