"""Column types that are compact on SQLite, native on PostgreSQL and plain in Python."""

import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import JSON, TEXT, BigInteger, DateTime, LargeBinary, Uuid
from sqlalchemy.dialects.postgresql import JSON as PgJson  # noqa: N811 - told apart from the generic JSON
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from agentflow.kit import json
from agentflow.kit.clock import from_microseconds, to_microseconds


@lru_cache(maxsize=8192)
def _parsed(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _uuid(text: str | None) -> uuid.UUID | None:
    return None if text is None else _parsed(text)


@lru_cache(maxsize=8192)
def _bytes(text: str | None) -> bytes | None:
    parsed = None if text is None else _parsed(text)
    return None if parsed is None else parsed.bytes


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


class Id(TypeDecorator[str]):
    """A UUID: text in Python, 16 bytes on SQLite, ``uuid`` on PostgreSQL. Text that is no UUID matches nothing."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect."""
        return dialect.type_descriptor(Uuid() if dialect.name == "postgresql" else LargeBinary(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Turn text into the driver's value."""
        if value is None:
            return None
        parsed = _parsed(value)
        # Nothing equals NULL, and a column that must have an id refuses it.
        return parsed if parsed is None or dialect.name == "postgresql" else parsed.bytes

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return a plain function: every row of every run passes here, most of them with an id seen before."""
        return _uuid if dialect.name == "postgresql" else _bytes

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """Turn the driver's value into canonical text."""
        if value is None:
            return None
        return str(value) if dialect.name == "postgresql" else str(uuid.UUID(bytes=value))


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time: microseconds since 1970 on SQLite, ``timestamptz`` on PostgreSQL."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn an aware time into the driver's value."""
        return value if dialect.name == "postgresql" else _microseconds(value)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return a plain function, as ``Id`` does; None for PostgreSQL, whose driver takes the value as it is."""
        return None if dialect.name == "postgresql" else _microseconds

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Turn the driver's value into an aware time."""
        if value is None:
            return None
        moment: datetime = value.astimezone(UTC) if dialect.name == "postgresql" else from_microseconds(value)
        return moment


class Encoded:
    """JSON text in the place of a value that was encoded before it is bound."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text.decode()


def _json_text(value: Any) -> str | None:
    if type(value) is Encoded:
        return value.text
    return None if value is None else json.dumps(value)


class JsonText(TypeDecorator[Any]):
    """A JSON payload kept to the letter (key order, 1.0 against 1): text on SQLite, ``json`` on PostgreSQL.

    A column that is SQL NULL reads as None; a stored JSON null reads as None too.
    """

    impl = TEXT
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect; both take text, so that no driver encodes twice."""
        return dialect.type_descriptor(_RawPgJson() if dialect.name == "postgresql" else TEXT())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode a value; None is stored as SQL NULL."""
        return _json_text(value)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return a plain function, as ``Id`` does."""
        return _json_text

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decode a stored text."""
        # asyncpg's codec has parsed it already, with the engine's json_deserializer.
        return value if value is None or dialect.name == "postgresql" else orjson.loads(value)


class _RawPgJson(PgJson):
    """PostgreSQL's ``json`` without SQLAlchemy's own encoding on either side."""

    def bind_processor(self, dialect: Dialect) -> Any:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return None


Jsonb = JSON().with_variant(JSONB(), "postgresql")
"""A JSON value that is searched inside the database: ``jsonb`` on PostgreSQL."""
