"""Refuses starts of runs while the server is overloaded, before their bodies are read or their callers known."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest.problems import problem_of
from agentflow.runtime.runs.overload import Overload

_STARTS = re.compile(r"/api/v1/(execute|workflows/[^/]+/execute|runs/[^/]+/(retry|fork))")


class Shedding:
    """Lets everything but starts pass, and of starts what can be done in time.

    A start with an ``Idempotency-Key`` may repeat one that was accepted, which is never refused: it goes on to where that is known.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _STARTS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        overload: Overload = scope["app"].state.container.runs.overload
        try:
            start = overload.admit() if _is_repeatable(scope) else overload.begin()
        except AgentFlowError as error:
            await problem_of(error, scope)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            start.end()


def _is_repeatable(scope: Scope) -> bool:
    return any(name == b"idempotency-key" for name, _ in scope["headers"])
