"""Spans over OpenTelemetry, sent as OTLP over HTTP from a thread of the SDK; the one place that knows the library."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import structlog

from agentflow import __version__
from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.observability import tracing
from agentflow.infra.observability.redaction import LOGGED
from agentflow.infra.observability.tracing import SpanKind, Value, error_code

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

log = structlog.get_logger(__name__)

T = TypeVar("T")

_STANDARD = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PATH = "v1/traces"
FLUSH_MS = 5_000
"""Longest wait for the collector when the process stops."""


class TracingNotInstalled(AgentFlowError):
    """An address for traces is set, but the library that sends them is not installed."""

    kind, code, title = Kind.INVALID, "TRACING_NOT_INSTALLED", "Tracing is not installed"


@asynccontextmanager
async def exporting(endpoint: str | None, *, content: bool, service: str) -> AsyncIterator[None]:
    """Send traces while the context lasts, when an endpoint is given here or by OpenTelemetry's own variables.

    The SDK reads its other variables itself (``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_RESOURCE_ATTRIBUTES``, …).
    Inside another such context nothing changes: the first one of a process traces.

    Args:
        endpoint: base URL of the collector, or None for that of the environment.
        content: whether spans carry prompts, answers, SQL and full addresses.
        service: ``service.name`` unless ``OTEL_SERVICE_NAME`` names another.

    Raises:
        TracingNotInstalled: the extra ``tracing`` is missing.
    """
    if tracing.is_on() or not (endpoint or any(os.environ.get(name) for name in _STANDARD)):
        yield
        return
    provider = _provider(endpoint, service)
    tracing.install(OtlpTracer(provider, content=content))
    try:
        yield
    finally:
        tracing.install(None)
        # In a thread: it waits for the collector.
        await asyncio.to_thread(_stop, provider)


def _provider(endpoint: str | None, service: str) -> "TracerProvider":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingNotInstalled(
            "An address for traces is set, but OpenTelemetry is not installed.", hint="pip install 'agentflow[tracing]'"
        ) from error
    named = os.environ.get("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": named, "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/{_PATH}" if endpoint else None)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _stop(provider: "TracerProvider") -> None:
    if not provider.force_flush(FLUSH_MS):
        log.warning("traces not sent", waited_ms=FLUSH_MS)
    provider.shutdown()


def _known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """Return the attributes that are there, without the secrets that this process knows."""
    return {key: _shown(value) for key, value in attributes.items() if value is not None}


def _shown(value: T) -> T:
    shown: T = LOGGED.value(value) if LOGGED else value
    return shown


class OtlpTracer:
    """Fulfils ``tracing.Tracer``."""

    def __init__(self, provider: "TracerProvider", *, content: bool) -> None:
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.shows_content = content
        self._tracer = provider.get_tracer("agentflow", __version__)
        self._trace, self._context = trace, context
        self._kinds = {kind: trace.SpanKind[kind.name] for kind in SpanKind}
        self._propagator = TraceContextTextMapPropagator()

    def span(self, name: str, kind: SpanKind, attributes: Mapping[str, Value | None], parent: str | None) -> "OtlpSpan":
        """Begin a span; see ``Tracer.span``."""
        # A parent that is given replaces the current one: what is bound in this task may belong to other work.
        above = None if parent is None else self._propagator.extract({"traceparent": parent}, self._context.Context())
        return OtlpSpan(self, self._tracer.start_span(_shown(name), above, self._kinds[kind], _known(attributes)))

    def traceparent(self) -> str | None:
        """Return the current span; see ``Tracer.traceparent``."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def within(self, span: "OtelSpan") -> Iterator[None]:
        """Make a span the parent of what begins inside."""
        token = self._context.attach(self.around(span))
        try:
            yield
        finally:
            self._context.detach(token)

    def around(self, span: "OtelSpan") -> "Context":
        """Return the current context with ``span`` in it."""
        return self._trace.set_span_in_context(span)

    def failed(self, span: "OtelSpan", code: str) -> None:
        """Mark a span as failed."""
        span.set_attribute("error.type", code)
        span.set_status(self._trace.StatusCode.ERROR, code)


class OtlpSpan:
    """Fulfils ``tracing.Span``."""

    __slots__ = ("_inside", "_span", "_tracer")

    def __init__(self, tracer: OtlpTracer, span: "OtelSpan") -> None:
        self._tracer = tracer
        self._span = span

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Add attributes that are known."""
        self._span.set_attributes(_known(attributes))

    def rename(self, name: str) -> None:
        """Change the name."""
        self._span.update_name(_shown(name))

    def fail(self, code: str) -> None:
        """Mark the span as failed."""
        self._tracer.failed(self._span, code)

    def end(self) -> None:
        """End the span."""
        self._span.end()

    def current(self) -> AbstractContextManager[None]:
        """Make the span current without ending it."""
        return self._tracer.within(self._span)

    def __enter__(self) -> Self:
        """Make the span current."""
        self._inside = self._tracer.within(self._span)
        self._inside.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the span, failed when an error leaves it."""
        self._inside.__exit__(None, None, None)
        if isinstance(error, Exception):
            self.fail(error_code(error))
        elif error is not None:
            # A signal, not a fault: the work was cancelled, or waits for a person.
            self._span.set_attribute("agentflow.stopped_by", type(error).__name__)
        self._span.end()
