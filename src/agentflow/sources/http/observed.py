"""Every outgoing HTTP request, counted and traced up to the head of its answer, by OpenTelemetry's conventions."""

import time
from collections.abc import Awaitable, Callable

import httpx
from prometheus_client import Counter, Histogram

from agentflow.infra.observability import tracing
from agentflow.infra.observability.metrics import SECONDS, bounded
from agentflow.infra.observability.tracing import NO_SPAN, Span, SpanKind, Value, error_code
from agentflow.sources.http.guard import Guard, port_of

REQUESTS = bounded(
    Counter(
        "agentflow_outgoing_http_requests_total",
        "Requests of nodes and models; `host_class` is `named` (allowed by an operator) or `public`, `outcome` a class of status or an error.",
        ["host_class", "method", "outcome"],
    )
)
TIMES = bounded(
    Histogram(
        "agentflow_outgoing_http_request_duration_seconds",
        "Time from a request of a node or model to the head of its answer.",
        ["host_class", "method"],
        buckets=SECONDS,
    )
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ERROR = 400

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]


async def observed(send: Send, request: httpx.Request, guard: Guard) -> httpx.Response:
    """Send a request; see ``GuardedTransport``."""
    method = request.method if request.method in _METHODS else "_OTHER"
    host_class = "named" if guard.allows(request.url) else "public"
    began, outcome = time.perf_counter(), "cancelled"
    try:
        with _span(method, request, hands_on=host_class == "named") as span:
            response = await send(request)
            status = response.status_code
            span.set({"http.response.status_code": status})
            if status >= _ERROR:
                span.fail(str(status))
        outcome = f"{status // 100}xx"
    except Exception as error:
        outcome = error_code(error)
        raise
    finally:
        REQUESTS(host_class, method, outcome).inc()
        TIMES(host_class, method).observe(time.perf_counter() - began)
    return response


def _span(method: str, request: httpx.Request, *, hands_on: bool) -> Span:
    """Begin the span of a request, and hand the trace on to hosts that an operator has named.

    Path and query stay out of the span unless content may be shown: both carry credentials (tokens of webhooks, API keys). A stranger's
    server learns nothing of our traces; a ``traceparent`` that the node itself sets is left alone.
    """
    if not tracing.is_on():
        return NO_SPAN
    url = request.url
    attributes: dict[str, Value | None] = {
        "http.request.method": method,
        "server.address": url.host,
        "server.port": port_of(url),
        "url.scheme": url.scheme,
        "url.full": str(url) if tracing.shows_content() else None,
    }
    span = tracing.span(method, SpanKind.CLIENT, attributes)
    if hands_on and "traceparent" not in request.headers:
        with span.current():
            request.headers["traceparent"] = tracing.traceparent() or ""
    return span
