"""One id per request, in the answer and in every log line; the caller's trace likewise."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from agentflow.endpoints.requests import REQUEST_ID
from agentflow.kit.ids import new_id

_SANE = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


class Correlation:
    """Takes ``X-Request-ID`` when it is harmless to log, else makes one; reads W3C ``traceparent``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given, trace = b"", None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
            elif name == b"traceparent":
                trace = _TRACEPARENT.fullmatch(value)
        request_id = given if _SANE.fullmatch(given) else new_id().encode()
        scope[REQUEST_ID] = request_id.decode()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            await send(message)

        bound = {"request_id": scope[REQUEST_ID]}
        if trace:
            bound |= {"trace_id": trace[1].decode(), "parent_span_id": trace[2].decode()}
        with bound_contextvars(**bound):
            await self._app(scope, receive, answer)
