"""A connection to SQLite whose transaction ends when it is closed."""

import sqlite3


class EndingConnection(sqlite3.Connection):
    """Rolls back before it closes.

    ``sqlite3_close_v2`` keeps a connection with its locks for as long as a statement of it is left, and Python leaves one for as long as its
    cursor lives: that of a statement whose task was cancelled lives in the traceback, until the garbage is collected. Nobody else could
    write until then. See https://www.sqlite.org/c3ref/close.html.
    """

    def close(self) -> None:
        """Undo what was not committed, and close."""
        try:
            if self.in_transaction:
                self.rollback()
        finally:
            super().close()
