"""Reads request bodies up to a limit."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.endpoints.requests import BODY
from agentflow.errors import AgentFlowError, Malformed, TooLarge
from agentflow.interfaces.rest.problems import problem_of


class BodyLimit:
    """Gathers the whole body, then hands it on in one piece.

    Every endpoint needs its body whole, so nothing is lost by waiting for it; and the limit holds the same for a body that tells
    its length and one that comes in chunks. What is too large is read on and thrown away by the HTTP server, so that the client gets
    its answer instead of a broken connection.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            length = _declared_length(scope)
            body = b"" if length == 0 else await self._read(length, receive)
        except AgentFlowError as error:
            await problem_of(error, scope)(scope, receive, send)
            return
        if body is None:
            return  # the client went away in the middle
        scope[BODY] = body
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def hand_over() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, receive if length == 0 else hand_over, send)

    async def _read(self, length: int | None, receive: Receive) -> bytes | None:
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                raise self._too_large()
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The body is larger than {self._max_bytes} bytes (setting max_body_bytes).",
            hint="Send less at a time, or raise AGENTFLOW_MAX_BODY_BYTES.",
        )


def _declared_length(scope: Scope) -> int | None:
    """Return the length the client declared: 0 without a body, None for a body in chunks."""
    length = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            if not value.isdigit():
                raise Malformed("Content-Length must be a number.")
            length = int(value[:20])
    return length
