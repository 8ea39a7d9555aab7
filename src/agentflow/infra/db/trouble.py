"""What an engine does about a database that hangs, and about a file that turns out to be damaged."""

import sqlite3
from collections.abc import Callable

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import OperationalError

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_damage(error: BaseException | None) -> bool:
    """Tell whether SQLite says that its file is not whole."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) in _DAMAGED  # the upper bits say more about the same cause


def give_up_what_hangs(engine: Engine) -> None:
    """Let a statement that took longer than it may count as a lost connection.

    The driver says so with an error of its own kind and would then wait for the server to confirm that the statement was cancelled, which
    a server that hangs does not. So the connection is thrown away.
    """

    def on_error(context: ExceptionContext) -> BaseException | None:
        if not isinstance(context.original_exception, TimeoutError):
            return None
        context.is_disconnect = True
        # The other connections of the pool find out by themselves; those that wait for a lock, not for the server, are well.
        context.invalidate_pool_on_disconnect = False
        cause = context.original_exception
        return OperationalError(context.statement, None, cause, hide_parameters=True, connection_invalidated=True)

    event.listen(engine, "handle_error", on_error, retval=True)


def tell_damage(engine: Engine, tell: Callable[[str], None]) -> None:
    """Call ``tell`` with SQLite's words whenever a statement meets a damaged file."""

    def on_error(context: ExceptionContext) -> None:
        if is_damage(context.original_exception):
            tell(str(context.original_exception))

    event.listen(engine, "handle_error", on_error)
