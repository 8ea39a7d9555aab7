"""Structured logs: an event name and facts, for people on a console or for machines as JSON lines."""

import io
import logging
import re
import sys
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from agentflow.infra.observability.context import merge_work
from agentflow.infra.observability.redaction import LOGGED

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    merge_work,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
# Without local variables: they may hold a user's data and secrets.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters (line breaks, escape sequences), line separators, and marks that turn the direction of text."""
_LOUD = ("httpx", "httpcore", "alembic", "asyncio", "aiosqlite", "uvicorn.access", "celery", "kombu", "amqp")
"""Libraries whose information is detail to us."""


def configure_logging(level: str, log_format: str) -> None:
    """Send our logs and those of every library to standard error in one form.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        log_format: ``console`` or ``json``.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(log_format), _without_secrets],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _renderers(log_format: str) -> list[Processor]:
    if log_format == "json":
        return [_TRACEBACKS, structlog.processors.JSONRenderer(serializer=_to_json)]
    return [_escaped, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]


def _to_json(event: Any, **_: Any) -> str:
    # JSON escapes what is below a blank; the rest of what a terminal or a reader of lines obeys is escaped here, and stays JSON.
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", orjson.dumps(event, default=str).decode())


def _without_secrets(_logger: WrappedLogger, _method: str, line: Any) -> Any:
    """Take the secrets that this process knows out of a finished line, stack trace and all."""
    return LOGGED.text(line) if LOGGED and isinstance(line, str) else line


def _escaped(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep every value on its line, and from giving orders to the terminal: what is logged was often written by strangers."""
    return {name: value if name == "exc_info" else _harmless(value) for name, value in event.items()}


def _harmless(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return _OBEYED.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Print a stack trace whose lines cannot be taken for lines of the log: the message of an exception may hold anything."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    out.writelines(f"\n  | {_OBEYED.sub(_visible, line)}" for line in text.getvalue().rstrip("\n").split("\n"))
