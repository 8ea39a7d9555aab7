"""Bulk statements, compiled once, many rows in each.

SQLAlchemy compiles, quotes and knows the types; but for each execution it builds a parameter dictionary and a result per row set. Here
the SQL text and the type processors are taken from it once, and rows go to the driver in one statement.

On SQLite that statement lists the rows: the driver lets go of Python's interpreter lock once per step, and a busy event loop gives it back
only after its switch interval, so a step per row would wait for that interval again and again. On PostgreSQL it unnests one array a
column: the server plans and starts it once, whatever the number of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

_CHUNKS = (128, 64, 32, 16, 8, 4, 2, 1)
"""Rows per statement on SQLite: any number of rows takes few statements, and the driver's cache of prepared ones holds them all."""
PREPARED = 512
"""Statements that the driver has to keep prepared for that: these sizes of some thirty bulk statements, and the single ones."""

Row = Mapping[str, Any]
Run = Callable[[Connection, Sequence[Sequence[Any]]], None]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement in one dialect.

    Attributes:
        values: takes the parameters out of a row, in order.
        processors: what turns which of them into what the driver takes.
        run: writes rows.
    """

    values: Callable[[Row], tuple[Any, ...]]
    processors: Sequence[tuple[int, Callable[[Any], Any]]]
    run: Run

    def bound(self, row: Row) -> list[Any]:
        """Return the parameters of a row as the driver takes them; None, which most of them are, stays what it is."""
        values = list(self.values(row))
        for place, process in self.processors:
            value = values[place]
            if value is not None:
                values[place] = process(value)
        return values


class BulkStatement:
    """An insert or upsert with named parameters, ready for many rows.

    Args:
        name: for logs and errors.
        rank: its place in a transaction; parents are written before children.
        sql: a statement of SQLAlchemy Core; one that is no insert runs once per row.
        unique_by: names of the parameters that tell rows apart; of rows that agree in them only the last is written, because one
            statement cannot update a row twice.
    """

    def __init__(self, name: str, rank: int, sql: Executable, *, unique_by: Sequence[str] = ()) -> None:
        self.name = name
        self.rank = rank
        self._sql = sql
        self._unique_by = tuple(unique_by)
        self._compiled: WeakKeyDictionary[Dialect, _Ready] = WeakKeyDictionary()

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Write the rows; every row names the same parameters."""
        if self._unique_by:
            rows = list({tuple(row[name] for name in self._unique_by): row for row in rows}.values())
        ready = self._compiled.get(connection.dialect)
        if ready is None:
            ready = self._compiled[connection.dialect] = self._compile(connection.dialect, list(rows[0]))
        ready.run(connection, [ready.bound(row) for row in rows])

    def _compile(self, dialect: Dialect, names: list[str]) -> _Ready:
        compiled = self._sql.compile(dialect=dialect, column_keys=names)  # type: ignore[attr-defined]  # every Core statement has it
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - Core statements compile to SQL
        places = list(compiled.positiontup or ())
        types = [compiled.binds[name].type for name in places]
        head, values, tail = _cut(compiled.string)
        if not values:
            return _ready(dialect, places, types, lambda connection, rows: _each(connection, compiled.string, rows))
        return _ready(dialect, places, types, _whole(dialect, types, f"{head}{{rows}}{tail}"))


class BulkUpdate(BulkStatement):
    """An update of many rows by their key, each with its own values.

    Args:
        name: for logs and errors.
        rank: its place in a transaction.
        table: what is updated.
        key: the column that finds the row; its parameter has the same name.
        columns: the columns that get new values; their parameters have the same names.
    """

    def __init__(self, name: str, rank: int, table: Table, key: str, columns: Sequence[str]) -> None:
        super().__init__(name, rank, table.update(), unique_by=(key,))
        self._table = table
        self._names = (key, *columns)

    def _compile(self, dialect: Dialect, names: list[str]) -> _Ready:
        quote = dialect.identifier_preparer.quote
        table, key = quote(self._table.name), quote(self._names[0])
        aliases = [f"column{index}" for index in range(1, len(self._names) + 1)]
        changes = ", ".join(f"{quote(name)} = fresh.{alias}" for name, alias in zip(self._names[1:], aliases[1:], strict=True))
        listed = "({rows}) AS fresh" if dialect.name == "sqlite" else f"({{rows}}) AS fresh({', '.join(aliases)})"
        template = f"UPDATE {table} SET {changes} FROM {listed} WHERE {table}.{key} = fresh.{aliases[0]}"  # noqa: S608 - our own names, quoted
        types = [self._table.c[name].type for name in self._names]
        return _ready(dialect, self._names, types, _whole(dialect, types, template))


def _ready(dialect: Dialect, names: Sequence[str], types: Sequence[TypeEngine[Any]], run: Run) -> _Ready:
    processors = [kind.dialect_impl(dialect).bind_processor(dialect) for kind in types]
    assert not any(kind.should_evaluate_none for kind in types)  # noqa: S101 - of our types none makes something of None
    values = itemgetter(*names) if len(names) > 1 else lambda row: tuple(row[name] for name in names)
    return _Ready(values, [(place, process) for place, process in enumerate(processors) if process is not None], run)


def _cut(text: str) -> tuple[str, str, str]:
    """Cut an insert into what stands before its values, the values, and what stands behind them; no values when it is no insert."""
    head, found, rest = text.partition("VALUES (")
    values, _, tail = rest.partition(")")
    return (head, values, tail) if found and text.startswith("INSERT ") else (text, "", "")


def _whole(dialect: Dialect, types: Sequence[TypeEngine[Any]], template: str) -> Run:
    """Return a function that writes all rows by ``template``, in which ``{rows}`` stands for a list of rows."""
    if dialect.name == "sqlite":
        row = f"({', '.join('?' * len(types))})"
        texts = {size: template.replace("{rows}", f"VALUES {', '.join([row] * size)}") for size in _CHUNKS}
        return lambda connection, rows: _listed(connection, texts, rows)
    render = dialect.type_compiler_instance.process
    arrays = ", ".join(f"${place}::{render(kind)}[]" for place, kind in enumerate(types, start=1))
    text = template.replace("{rows}", f"SELECT * FROM unnest({arrays})")  # noqa: S608 - types of our own columns
    return lambda connection, rows: _unnested(connection, text, rows)


def _listed(connection: Connection, texts: Mapping[int, str], rows: Sequence[Sequence[Any]]) -> None:
    done = 0
    for size in _CHUNKS:
        while len(rows) - done >= size:
            connection.exec_driver_sql(texts[size], tuple(chain.from_iterable(rows[done : done + size])))
            done += size


def _unnested(connection: Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.exec_driver_sql(text, tuple(map(list, zip(*rows, strict=True))))


def _each(connection: Connection, text: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.exec_driver_sql(text, list(map(tuple, rows)))
