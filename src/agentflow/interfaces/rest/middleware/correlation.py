"""One id per request, in the answer and in every log line; the caller's trace likewise."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from agentflow.endpoints.edges import address_of
from agentflow.endpoints.requests import REQUEST_ID
from agentflow.infra.audit.trail import enter_address
from agentflow.infra.observability import tracing
from agentflow.infra.observability.context import enter_request, leave_request
from agentflow.kit.ids import new_id

_SANE = re.compile(rb"[A-Za-z0-9._~-]{1,128}")


class Correlation:
    """Takes ``X-Request-ID`` when it is harmless to log, else makes one; reads W3C ``traceparent``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        trace = tracing.ids(parent)
        request_id = request_id_of(scope)
        scope[REQUEST_ID] = request_id.decode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        bound = {"request_id": scope[REQUEST_ID]}
        if trace is not None:
            bound |= {"trace_id": trace[0], "parent_span_id": trace[1]}
        enter_address(address_of(scope) or None)
        entered = enter_request(None if trace is None else parent)
        try:
            with bound_contextvars(**bound):
                await self._app(scope, receive, answer)
        finally:
            leave_request(entered)


def request_id_of(scope: Scope) -> bytes:
    """Return the id that a request has given itself if it may be logged, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given if _SANE.fullmatch(given) else new_id().encode()
