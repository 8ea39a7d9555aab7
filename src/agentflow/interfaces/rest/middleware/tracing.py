"""One span around each request, in the trace of its caller."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.infra.observability import tracing
from agentflow.infra.observability.context import caller

_PROBES = ("/health/", "/metrics")
"""Asked every few seconds by machines: a trace each would bury the others."""
_FAULT = 500


class Tracing:
    """Begins a server span by OpenTelemetry's conventions; does nothing while tracing is off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not tracing.is_on() or scope["path"].startswith(_PROBES):
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                span.set({"http.response.status_code": status})
                if status >= _FAULT:
                    span.fail(str(status))
            await send(message)

        attributes = {"http.request.method": scope["method"], "url.scheme": scope["scheme"], "url.path": scope["path"]}
        with tracing.span(scope["method"], tracing.SpanKind.SERVER, attributes, parent=caller()) as span:
            await self._app(scope, receive, answer)
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.set({"http.route": route})
                span.rename(f"{scope['method']} {route}")
