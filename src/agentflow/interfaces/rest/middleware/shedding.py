"""Refuses starts of runs while the server is overloaded, before their bodies are read or their callers known."""

import re
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest.problems import problem_of
from agentflow.runtime.runs.overload import Overload, Start

ENTRY = "agentflow.start"
"""Key of the ASGI scope that holds what the gate decided on a request."""
Entry: TypeAlias = Start | AgentFlowError | None
"""What becomes of a request: a start that is let in, the error that refuses it, or None for what is no start."""
_STARTS = re.compile(r"/api/v1/(execute|workflows/[^/]+/execute|runs/[^/]+/(retry|fork))")


class Shedding:
    """Lets everything but starts pass, and of starts what can be done in time; what has come through the gate was decided on there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_decided = ENTRY in scope
        entry = scope[ENTRY] if is_decided else _decided(scope)
        if entry is None:
            await self._app(scope, receive, send)
        elif isinstance(entry, AgentFlowError):
            await problem_of(entry, scope)(scope, receive, send)
        else:
            entry.enter()
            try:
                await self._app(scope, receive if is_decided else _noting(entry, receive), send)
            finally:
                entry.end()


def is_start(scope: Scope) -> bool:
    """Tell whether a request starts a run."""
    return scope["type"] == "http" and scope["method"] == "POST" and _STARTS.fullmatch(scope["path"]) is not None


def decide(scope: Scope, overload: Overload) -> Start | AgentFlowError:
    """Count a start that has come in, or refuse it because there is too much to do.

    One with an ``Idempotency-Key`` may repeat one that was accepted, which is never refused: it goes on to where that is known.
    """
    if any(name == b"idempotency-key" for name, _ in scope["headers"]):
        return overload.admit()
    try:
        return overload.begin()
    except AgentFlowError as error:
        return error.with_traceback(None)  # which would keep the frames that keep the error: garbage of every refusal


def _decided(scope: Scope) -> Entry:
    return decide(scope, scope["app"].state.container.runs.overload) if is_start(scope) else None


def _noting(start: Start, receive: Receive) -> Receive:
    """Return ``receive``, which notes that the request is complete: of what did not come through the gate the protocol does not know."""

    async def noting() -> Message:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            start.arrived()
        return message

    return noting
