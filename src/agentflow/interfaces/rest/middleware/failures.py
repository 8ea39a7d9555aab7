"""The last resort: a fault of ours becomes a problem that tells nothing of the inside, and a log line that tells everything."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.infra.db.failures import as_unavailable
from agentflow.interfaces.rest.problems import internal_error, problem_of

log = structlog.get_logger(__name__)


class Failures:
    """Answers 503 when the database is down, 500 for any other exception that nothing translated."""

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
        except Exception as error:
            unavailable = as_unavailable(error)
            if unavailable is None:
                log.exception("request failed", method=scope["method"], path=scope["path"])
            else:
                log.error("database unavailable", method=scope["method"], path=scope["path"], error=str(error))
            if has_begun:
                raise  # the server cuts the connection: half an answer must not look whole
            answer_for = internal_error(scope) if unavailable is None else problem_of(unavailable, scope)
            await answer_for(scope, receive, send)
