"""Refuses starts of runs while the server is overloaded, before their bodies are read or their callers known."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest.problems import problem_of
from agentflow.runtime.runs.overload import Overload, Start

ENTRY = "agentflow.start"
"""Key of the ASGI scope that holds what became of a start at the gate: a ``Start``, or the error that refuses it."""
_STARTS = re.compile(r"/api/v1/(execute|workflows/[^/]+/execute|runs/[^/]+/(retry|fork))")


class Shedding:
    """Lets everything but starts pass, and of starts what can be done in time; what has come through the gate was decided on there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if not is_start(scope):
            await self._app(scope, receive, send)
            return
        try:
            start = _entered(scope)
        except AgentFlowError as error:
            await problem_of(error, scope)(scope, receive, send)
            return
        start.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            start.end()


def is_start(scope: Scope) -> bool:
    """Tell whether a request starts a run."""
    return scope["type"] == "http" and scope["method"] == "POST" and _STARTS.fullmatch(scope["path"]) is not None


def begin(overload: Overload, scope: Scope) -> Start:
    """Count a start that has come in.

    One with an ``Idempotency-Key`` may repeat one that was accepted, which is never refused: it goes on to where that is known.

    Raises:
        Overloaded: there is too much to do.
    """
    is_repeatable = any(name == b"idempotency-key" for name, _ in scope["headers"])
    return overload.admit() if is_repeatable else overload.begin()


def _entered(scope: Scope) -> Start:
    entry = scope.get(ENTRY)
    if isinstance(entry, AgentFlowError):
        raise entry
    return entry if isinstance(entry, Start) else begin(scope["app"].state.container.runs.overload, scope)
