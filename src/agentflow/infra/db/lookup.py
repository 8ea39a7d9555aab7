"""Queries that are built once, and that PostgreSQL's driver runs without SQLAlchemy around each.

At every request something is looked up by its key. Around one such query SQLAlchemy spends twice what the driver does: it keys the
statement, makes a context, a cursor and a result, and changes into a greenlet for each step. What it knows of the statement, its text and
how values are turned, does not change and is asked once.
"""

from collections import namedtuple
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import asyncpg
from sqlalchemy import BindParameter, Select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.util import greenlet_spawn

from agentflow.infra.db.as_tenant import END, FAILURES, begin_as
from agentflow.infra.db.pool import NoFreeConnection

_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()
_Turn = Callable[[Any], Any] | None


class Lookup:
    """A query by key, to be made once where a module is read.

    Args:
        statement: whose parameters are named and take one value each.

    Raises:
        ValueError: a parameter is a list, which would change the text with each call.
    """

    def __init__(self, statement: Select[Any]) -> None:
        if any(isinstance(part, BindParameter) and part.expanding for part in iterate(statement)):
            raise ValueError("a lookup takes no lists")
        self.statement = statement

    @cached_property
    def prepared(self) -> "Prepared":
        """The query as PostgreSQL's driver takes it."""
        return Prepared(self.statement)


class Prepared:
    """The text of a query, how its parameters are turned into the driver's values, and how those of its rows are turned back.

    Args:
        statement: the query.
    """

    def __init__(self, statement: Select[Any]) -> None:
        compiled = statement.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what a query is compiled by
        binds = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self.text = compiled.string
        self._parameters = [(name, bind.required, bind.value, _binding(bind.type)) for name, bind in binds]
        columns = list(statement.selected_columns)
        turns = [column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in columns]
        self._turns = [(index, turn) for index, turn in enumerate(turns) if turn is not None]
        self._row: Any = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc] # made as it runs

    def arguments(self, values: Mapping[str, Any] | None) -> list[Any]:
        """Return the driver's arguments.

        Raises:
            KeyError: a parameter has no value.
        """
        given, found = values or {}, []
        for name, required, default, turn in self._parameters:
            value = given[name] if required else default
            found.append(value if turn is None else turn(value))
        return found

    def row(self, record: Sequence[Any]) -> Any:
        """Return a row of the driver as a named tuple of what our columns hold."""
        values = list(record)
        for index, turn in self._turns:
            values[index] = turn(values[index])
        return self._row._make(values)


def _binding(kind: Any) -> _Turn:
    turn: _Turn = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return turn


class DriverReads:
    """Runs lookups; one that fails costs its connection.

    Args:
        engine: of PostgreSQL; its pool lends the connections.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # What the driver says, and what SQLAlchemy's adapter of it makes of that while a connection is opened.
        self._errors = (*FAILURES, engine.dialect.loaded_dbapi.Error)

    async def rows(self, lookup: Lookup, values: Mapping[str, Any] | None, tenant_id: str | None) -> Sequence[Any]:
        """Run a lookup and return its rows; ``tenant_id`` as for ``Database.reading``.

        Raises:
            OperationalError: what the database says.
            NoFreeConnection: none became free in time.
        """
        prepared = lookup.prepared
        arguments = prepared.arguments(values)
        try:
            async with self._driver() as driver:
                if tenant_id is None:
                    found = await driver.fetch(prepared.text, *arguments)
                else:
                    await driver.execute(begin_as(tenant_id))
                    found = await driver.fetch(prepared.text, *arguments)
                    await driver.execute(END)
        except NoFreeConnection:
            raise
        except self._errors as error:
            # What the server says has a code, which tells whether it is out of service. A value that the driver cannot send is our mistake.
            is_silent = getattr(error, "sqlstate", None) is None and not isinstance(error, ValueError)
            raise OperationalError(prepared.text, None, error, hide_parameters=True, connection_invalidated=is_silent) from error
        return [prepared.row(record) for record in found]

    @asynccontextmanager
    async def _driver(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the driver's connection. After an error it is closed: a transaction may be open in it, which is one tenant's."""
        borrowed = await self._engine.raw_connection()
        try:
            yield borrowed.driver_connection
        except BaseException as error:
            borrowed.invalidate(error)
            raise
        await greenlet_spawn(borrowed.close)
