"""Single queries of SQLite, done where they are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row


class QuickReads:
    """Keeps one connection for all queries of the event loop: to borrow one and give it back takes longer than to look something up.

    No transaction is ever open on it, so each query sees what is committed. A query that fails costs the connection.

    Args:
        engine: whose connections may be used by any thread, one at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT", single=True)
        self._connection: Connection | None = None

    def rows(self, statement: Executable, values: Mapping[str, Any] | None) -> Sequence[Row[Any]]:
        """Run one query and return its rows.

        Raises:
            DBAPIError: what the database says.
        """
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            return self._connection.execute(statement, values).all()
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def dispose(self) -> None:
        """Close the connection."""
        self._let_go()
        self._engine.dispose()
