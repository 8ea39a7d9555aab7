"""Bulk statements, compiled once.

SQLAlchemy compiles, quotes and knows the types; but for each execution it builds a parameter dictionary and a result per row set. Here
the SQL text and the type processors are taken from it once, and rows go to the driver as tuples: a third of the time per row.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

_Processor = Callable[[Any], Any]


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
        self._compiled: WeakKeyDictionary[Dialect, tuple[str, list[tuple[str, _Processor | None]]]] = WeakKeyDictionary()

    async def execute(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once per row, in order; every row names the same parameters."""
        text, parameters = self._ready(connection.dialect, rows[0])
        tuples = [tuple(row[name] if process is None else process(row[name]) for name, process in parameters) for row in rows]
        await connection.exec_driver_sql(text, tuples)  # type: ignore[arg-type]  # tuples are what drivers with numbered parameters take

    def _ready(self, dialect: Dialect, row: Mapping[str, Any]) -> tuple[str, list[tuple[str, _Processor | None]]]:
        ready = self._compiled.get(dialect)
        if ready is None:
            compiled = self._sql.compile(dialect=dialect, column_keys=list(row))  # type: ignore[attr-defined]  # every Core statement has it
            assert isinstance(compiled, SQLCompiler)  # noqa: S101 - Core statements compile to SQL
            names = list(compiled.positiontup or ())
            types = [compiled.binds[name].type.dialect_impl(dialect) for name in names]
            ready = (compiled.string, [(name, kind.bind_processor(dialect)) for name, kind in zip(names, types, strict=True)])
            self._compiled[dialect] = ready
        return ready
