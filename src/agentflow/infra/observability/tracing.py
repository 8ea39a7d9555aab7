"""Traces, as a small port: spans that name what is done, by which run and node, never what it is done with.

Off unless ``install`` was called; then nothing is made, and hot paths ask ``is_on`` first. The implementation over OpenTelemetry is
``otlp``; nothing else imports that library.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, TypeVar

T = TypeVar("T")

Value = str | int | float | bool | list[str]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
"""W3C Trace Context, level 2; a later version may append fields."""


class SpanKind(StrEnum):
    """On which side of a call a span stands."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """One piece of work. As a context manager it is the parent of what begins inside it, and ends with it."""

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Add attributes; those that are None are left out."""
        ...

    def rename(self, name: str) -> None:
        """Change the name, when the best one is known only later."""
        ...

    def fail(self, code: str) -> None:
        """Mark the work as failed; ``code`` is a name of the error, never its message."""
        ...

    def end(self) -> None:
        """End a span that was not entered."""
        ...

    def current(self) -> AbstractContextManager[object]:
        """Make the span the parent of what begins inside, without ending it."""
        ...

    def __enter__(self) -> Self:
        """Make the span current."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the span; an error that leaves it makes it failed."""
        ...


class Tracer(Protocol):
    """Makes spans."""

    @property
    def shows_content(self) -> bool:
        """Whether spans may carry what users wrote: prompts, answers, SQL, addresses in full."""
        ...

    def span(self, name: str, kind: SpanKind, attributes: Mapping[str, Value | None], parent: str | None) -> Span:
        """Begin a span below ``parent`` (a traceparent), or below the current one."""
        ...

    def traceparent(self) -> str | None:
        """Return the current span as W3C ``traceparent``, or None outside of any."""
        ...


class _NoSpan:
    """Stands for a span while tracing is off; the only one there is."""

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Do nothing."""

    def rename(self, name: str) -> None:
        """Do nothing."""

    def fail(self, code: str) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def current(self) -> AbstractContextManager[object]:
        """Change nothing."""
        return nullcontext()

    def __enter__(self) -> Self:
        """Change nothing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let errors pass."""


NO_SPAN: Span = _NoSpan()
_NOTHING: Mapping[str, Value | None] = {}
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Trace with ``tracer`` from now on; None turns tracing off."""
    global _tracer  # noqa: PLW0603 - like logging, tracing is of the process
    _tracer = tracer


def is_on() -> bool:
    """Tell whether spans are made: hot paths ask before they gather attributes."""
    return _tracer is not None


def shows_content() -> bool:
    """Tell whether spans may carry what users wrote."""
    return _tracer is not None and _tracer.shows_content


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Value | None] = _NOTHING,
    *,
    parent: str | None = None,
) -> Span:
    """Begin a span below ``parent`` (a traceparent, perhaps of another process), or below the current one; enter or end it."""
    return NO_SPAN if _tracer is None else _tracer.span(name, kind, attributes, parent)


def traceparent() -> str | None:
    """Return the current span as W3C ``traceparent``; None when tracing is off or nothing is being traced."""
    return None if _tracer is None else _tracer.traceparent()


def ids(text: str | None) -> tuple[str, str] | None:
    """Return the trace id and span id of a ``traceparent``, or None when it is not a valid one."""
    found = None if text is None else _TRACEPARENT.fullmatch(text)
    return None if found is None else (found[1], found[2])


async def through(over: Span, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what ``items`` gives and end ``over`` with it; the work of ``items`` is inside the span, that of its reader is not."""
    try:
        async with aclosing(items):
            while True:
                with over.current():
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                yield item
    except Exception as error:
        over.fail(error_code(error))
        raise
    finally:
        over.end()


def error_code(error: BaseException) -> str:
    """Return the name of an error: the code of one of ours, else its type."""
    code = getattr(error, "error_code", None) or getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__
