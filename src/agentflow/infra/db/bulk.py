"""Bulk statements, compiled once.

SQLAlchemy compiles, quotes and knows the types; but for each execution it builds a parameter dictionary and a result per row. Here
the SQL text and the type processors are taken from it once, and rows go to the driver as tuples.

On SQLite an insert carries many rows in one statement: the driver lets go of Python's interpreter lock once per step, and a busy event
loop gives it back only after its switch interval, so a step per row would wait for that interval again and again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

_CHUNKS = (128, 16, 1)
"""Rows per statement on SQLite; few sizes, so that the driver's cache of prepared statements holds them all."""


@dataclass(frozen=True, slots=True)
class _Ready:
    text: str
    parameters: Sequence[tuple[str, Callable[[Any], Any] | None]]
    chunks: dict[int, str]
    """Statements for several rows, by their number; empty where the driver is better at it."""


class BulkStatement:
    """A statement with named parameters, ready for many rows.

    Args:
        name: for logs and errors.
        rank: its place in a transaction; parents are written before children.
        sql: an insert, upsert or update of SQLAlchemy Core.
    """

    def __init__(self, name: str, rank: int, sql: Executable) -> None:
        self.name = name
        self.rank = rank
        self._sql = sql
        self._compiled: WeakKeyDictionary[Dialect, _Ready] = WeakKeyDictionary()

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once per row, in order; every row names the same parameters."""
        ready = self._ready(connection.dialect, rows[0])
        tuples = [tuple(row[name] if process is None else process(row[name]) for name, process in ready.parameters) for row in rows]
        if not ready.chunks:
            connection.exec_driver_sql(ready.text, tuples)
            return
        done = 0
        for size in _CHUNKS:
            while len(tuples) - done >= size:
                connection.exec_driver_sql(ready.chunks[size], tuple(chain.from_iterable(tuples[done : done + size])))
                done += size

    def _ready(self, dialect: Dialect, row: Mapping[str, Any]) -> _Ready:
        ready = self._compiled.get(dialect)
        if ready is None:
            compiled = self._sql.compile(dialect=dialect, column_keys=list(row))  # type: ignore[attr-defined]  # every Core statement has it
            assert isinstance(compiled, SQLCompiler)  # noqa: S101 - Core statements compile to SQL
            names = list(compiled.positiontup or ())
            types = [compiled.binds[name].type.dialect_impl(dialect) for name in names]
            parameters = [(name, kind.bind_processor(dialect)) for name, kind in zip(names, types, strict=True)]
            ready = self._compiled[dialect] = _Ready(compiled.string, parameters, _chunked(compiled.string, len(names), dialect))
        return ready


def _chunked(text: str, columns: int, dialect: Dialect) -> dict[int, str]:
    row = f"({', '.join('?' * columns)})"
    if dialect.name != "sqlite" or f"VALUES {row}" not in text:
        return {}
    return {size: text.replace(f"VALUES {row}", f"VALUES {', '.join([row] * size)}", 1) for size in _CHUNKS}
