"""SQLite files of users. Each call opens the file anew: that costs microseconds and leaves no state behind."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agentflow.errors import NodeError
from agentflow.sources.databases import base, markers, sql, values
from agentflow.sources.databases.base import QueryResult, Statement, UserDatabase

_FORBIDDEN_ACTIONS = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}
)
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_MAX_VALUE_BYTES = 20_000_000
_OPCODES_BETWEEN_LOOKS = 5_000


class SqliteDatabase(UserDatabase):
    """A SQLite file, reached through an authorizer that keeps statements inside that one file."""

    dialect = "sqlite"

    def __init__(self, source_id: str, path: Path, *, writable: bool, forbidden: Sequence[Path]) -> None:
        """Open nothing yet.

        Args:
            source_id: the source's name, for messages.
            path: the file.
            writable: whether statements may change it.
            forbidden: files that this must not be, by whatever name: the control database.
        """
        self._source_id = source_id
        self._path = path
        self._writable = writable
        self._forbidden = forbidden

    async def run(
        self, statements: Sequence[Statement], *, read_only: bool, timeout_s: float, max_rows: int, effect: str | None = None
    ) -> Sequence[QueryResult]:
        """Run statements in one transaction; see ``UserDatabase.run``."""
        if not read_only and not self._writable:
            raise base.read_only_refused()
        call = _Call(self._checked_path(), read_only=read_only, timeout_s=timeout_s, max_rows=max_rows)
        try:
            return await asyncio.to_thread(call.run, statements, effect)
        finally:
            call.stop()

    async def remembers(self) -> bool:
        """Return True: whoever may write to the file may make the table, and does so in the same transaction."""
        if not self._writable:
            raise base.read_only_refused()
        return True

    async def close(self) -> None:
        """Close nothing: no connection outlives its call."""

    def _checked_path(self) -> Path:
        for control in self._forbidden:
            if _same_file(self._path, control):
                raise base.control_database_refused(self._source_id)
        return self._path


def _same_file(path: Path, other: Path) -> bool:
    """Compare what the names lead to: links of both kinds do not hide a file."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


class _Call:
    """One transaction, run in a thread of its own until it is through, out of time, or stopped."""

    def __init__(self, path: Path, *, read_only: bool, timeout_s: float, max_rows: int) -> None:
        self._path = path
        self._read_only = read_only
        self._timeout_s = timeout_s
        self._max_rows = max_rows
        self._deadline = time.monotonic() + timeout_s
        self._stopped = threading.Event()
        self._denied = False

    def stop(self) -> None:
        """Interrupt what still runs, soon."""
        self._stopped.set()

    def run(self, statements: Sequence[Statement], effect: str | None) -> list[QueryResult]:
        try:
            with closing(self._connect()) as connection:
                connection.execute("BEGIN" if self._read_only else "BEGIN IMMEDIATE")
                if effect is not None:
                    connection.execute(markers.create("sqlite"))
                    before = markers.noted(self._one(connection, *markers.find(effect)))
                    if before is not None:
                        connection.execute("ROLLBACK")
                        return before
                connection.set_authorizer(self._authorize)
                results = [self._one(connection, text, params) for text, params in statements]
                connection.set_authorizer(None)
                if effect is not None:
                    self._one(connection, *markers.note(effect, results))
                connection.execute("ROLLBACK" if self._read_only else "COMMIT")
                return results
        except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeError) as error:
            raise self._failure(error) from error

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        uri = f"file:{quote(str(self._path))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=self._timeout_s, check_same_thread=False)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        connection.text_factory = lambda data: data.decode(errors="replace")
        connection.execute("PRAGMA foreign_keys = ON")
        if self._read_only:
            connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(self._must_end, _OPCODES_BETWEEN_LOOKS)
        return connection

    def _must_end(self) -> bool:
        return self._stopped.is_set() or time.monotonic() > self._deadline

    def _authorize(self, action: int, _first: str | None, function: str | None, *_names: str | None) -> int:
        """Judge one action of a statement that SQLite is about to prepare."""
        outside = action == sqlite3.SQLITE_FUNCTION and (function or "").lower() in _FORBIDDEN_FUNCTIONS
        if outside or action in _FORBIDDEN_ACTIONS:
            self._denied = True
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def _one(self, connection: sqlite3.Connection, text: str, params: Mapping[str, Any]) -> QueryResult:
        statement, arguments = sql.translate(text, params, "sqlite")
        with closing(connection.execute(statement, [base.bindable(value) for value in arguments])) as cursor:
            if cursor.description is None:
                return QueryResult([], max(cursor.rowcount, 0))
            rows = base.Rows((column[0] for column in cursor.description), self._max_rows)
            for row in cursor:
                rows.add([values.to_json(value) for value in row])
            return QueryResult(rows.rows, len(rows.rows))

    def _failure(self, error: Exception) -> NodeError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT or time.monotonic() > self._deadline:
            return base.timed_out(self._timeout_s, retryable=True)
        if code == sqlite3.SQLITE_READONLY:
            return base.read_only_refused()
        if self._denied:
            return NodeError(
                "The statement uses ATTACH, DETACH, PRAGMA, transaction control or a function that reaches outside the file.",
                error_code="DB_FORBIDDEN",
                hint="Work on the tables of the one file; the statements of a node are one transaction.",
            )
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_PERM}:
            return NodeError(
                f"The SQLite file cannot be opened: {base.reason(error)}.", error_code="DB_CONNECT", hint="Check the path of the source."
            )
        return NodeError(
            f"SQLite refused the statement: {base.reason(error)}.",
            error_code="DB_QUERY",
            retryable=code == sqlite3.SQLITE_BUSY,
            details={"code": code},
        )
