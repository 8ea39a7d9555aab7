"""Whose work is being done: what every log line of a run and of its nodes carries.

A run's task has a context of its own, so that what is bound to the request, or to another run, that happened to start it does not leak in.
"""

from collections.abc import Mapping
from contextvars import Context, ContextVar, Token
from typing import Any, Protocol

from structlog.contextvars import get_contextvars
from structlog.typing import EventDict, WrappedLogger

from agentflow.infra.observability import tracing


class Work(Protocol):
    """Something that lines are written about; asked only when there is a line."""

    def log_fields(self) -> Mapping[str, Any]:
        """Return what identifies it."""
        ...


_WORK: ContextVar[Work | None] = ContextVar("agentflow_work", default=None)
_NODE: ContextVar[str | None] = ContextVar("agentflow_node", default=None)
_CALLER: ContextVar[str | None] = ContextVar("agentflow_caller", default=None)


def context_of(work: Work) -> Context:
    """Return a fresh context for a task that does nothing but ``work``."""
    context = Context()
    context.run(_WORK.set, work)
    return context


def enter_node(node_id: str) -> Token[str | None]:
    """Bind the node whose attempt begins; undone with ``leave_node``."""
    return _NODE.set(node_id)


def leave_node(token: Token[str | None]) -> None:
    """Bind again what was bound before ``enter_node``."""
    _NODE.reset(token)


def enter_request(traceparent: str | None) -> Token[str | None]:
    """Bind the valid ``traceparent`` that a caller sent, if any; undone with ``leave_request``."""
    return _CALLER.set(traceparent)


def leave_request(token: Token[str | None]) -> None:
    """Bind again what was bound before ``enter_request``."""
    _CALLER.reset(token)


def caller() -> str | None:
    """Return the ``traceparent`` of whoever sent the request under way, or None."""
    return _CALLER.get()


def origin() -> tuple[str | None, str | None]:
    """Return the request id and the ``traceparent`` that work accepted now belongs to.

    The trace is that of the current span. Without tracing it is what the caller sent, or what the run that starts a child belongs to, so
    that lines of other processes can still be found by it.
    """
    work = _WORK.get()
    inherited = {} if work is None else work.log_fields()
    request_id = get_contextvars().get("request_id") or inherited.get("request_id")
    return request_id, tracing.traceparent() or _CALLER.get() or inherited.get("traceparent")


def merge_work(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the run and node that a line is about into it: a processor of structlog; what the line says itself wins."""
    work = _WORK.get()
    facts: dict[str, Any] = {} if work is None else dict(work.log_fields())
    facts["node_id"] = _NODE.get()
    stored = facts.pop("traceparent", None)
    trace = tracing.ids(tracing.traceparent() or stored)
    if trace is not None:
        facts["trace_id"] = trace[0]
    for name, value in facts.items():
        if value is not None:
            event.setdefault(name, value)
    return event
