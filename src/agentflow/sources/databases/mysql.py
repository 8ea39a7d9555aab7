"""MySQL and MariaDB databases of users, through prepared statements: one statement each, values bound by the server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from agentflow.errors import NodeError
from agentflow.sources.databases import base, markers, sql, values
from agentflow.sources.databases.base import QueryResult, Statement, UserDatabase
from agentflow.sources.databases.settings import Place

_CONNECT_SECONDS = 10
_IN_TRANSACTION = 0x0001
_IN_READ_ONLY_TRANSACTION = 0x2000
_READ_ONLY_CODES = frozenset({1290, 1792, 1836})
_FORBIDDEN_CODES = frozenset({1044, 1142, 1143, 1227, 1370})
_CONNECT_CODES = frozenset({1040, 1045, 1049, 1130, 1698, 2002, 2003, 2005, 2006, 2013, 2026})
_LOST_CODES = frozenset({1040, 2002, 2003, 2006, 2013})
_DUPLICATE_KEY = 1062
_TRY_AGAIN_CODES = frozenset({1205, 1213})


class MysqlDatabase(UserDatabase):
    """A MySQL or MariaDB database. Each call has a connection of its own: MySQL keeps too much state on one to share it."""

    dialect = "mysql"

    def __init__(self, place: Place, *, writable: bool, pool_size: int, ssl_mode: str) -> None:
        """Open nothing yet."""
        self._place = place
        self._writable = writable
        self._turns = asyncio.Semaphore(pool_size)
        self._ssl_mode = ssl_mode
        self._remembers = False

    async def run(
        self, statements: Sequence[Statement], *, read_only: bool, timeout_s: float, max_rows: int, effect: str | None = None
    ) -> Sequence[QueryResult]:
        """Run statements in one transaction; see ``UserDatabase.run``."""
        from asyncmy import errors

        if not read_only and not self._writable:
            raise base.read_only_refused()
        repeatable = read_only or effect is not None  # a commit of unknown outcome is found by its note
        try:
            async with asyncio.timeout(timeout_s), self._turns, self._connection() as connection:
                return await _transaction(connection, statements, read_only=read_only, max_rows=max_rows, effect=effect)
        except TimeoutError as error:
            raise base.timed_out(timeout_s, retryable=repeatable) from error
        except (errors.MySQLError, OSError, ValueError, RuntimeError) as error:
            raise _failure(error, repeatable=repeatable, effect=effect) from error

    async def remembers(self) -> bool:
        """Make the table of effects, or tell whether it is there; see ``UserDatabase.remembers``."""
        if self._remembers:
            return True
        for statement in (markers.create("mysql"), markers.PROBE):
            try:
                await self.run([(statement, {})], read_only=False, timeout_s=_CONNECT_SECONDS, max_rows=1)
            except NodeError as error:
                if error.error_code not in {"DB_FORBIDDEN", "DB_QUERY"}:
                    raise
            else:
                self._remembers = True
                return True
        return False

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        connection = await self._connect()
        try:
            yield connection
        except asyncio.CancelledError:
            # The server would go on with the statement; ending it needs a connection besides.
            with suppress(Exception):
                await asyncio.shield(self._kill(connection.thread_id()))
            raise
        finally:
            connection.close()

    async def _connect(self) -> Any:
        import asyncmy

        return await asyncmy.connect(
            host=self._place.host,
            port=self._place.port,
            user=self._place.user,
            password=self._place.password,
            database=self._place.database,
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            ssl=_tls(self._ssl_mode),
            local_infile=False,
            # Without it the driver overlooks the end of a transaction: it takes a status of zero for no news.
            autocommit=True,
        )

    async def _kill(self, thread_id: int) -> None:
        async with asyncio.timeout(_CONNECT_SECONDS):
            connection = await self._connect()
            try:
                await connection.query(f"KILL {int(thread_id)}")
            finally:
                connection.close()

    async def close(self) -> None:
        """Close nothing: no connection outlives its call."""


def _tls(mode: str) -> ssl.SSLContext | None:
    if mode in {"prefer", "disable"}:
        return None
    context = ssl.create_default_context()
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _transaction(
    connection: Any, statements: Sequence[Statement], *, read_only: bool, max_rows: int, effect: str | None
) -> list[QueryResult]:
    access = "READ ONLY" if read_only else "READ WRITE"
    await connection.query(f"SET SESSION TRANSACTION {access}")
    # One more than allowed tells "too many" without fetching them all.
    await connection.query(f"SET SESSION sql_select_limit = {max_rows + 1}")
    await connection.query(f"START TRANSACTION {access}")
    if effect is not None and (before := markers.noted(await _one(connection, *markers.find(effect), 1))) is not None:
        await connection.query("ROLLBACK")
        return before
    results = []
    for text, params in statements:
        results.append(await _one(connection, text, params, max_rows))
        # A statement on its own may be one that MySQL commits by itself (CREATE TABLE): nothing else could be torn apart.
        if (read_only or effect is not None or len(statements) > 1) and not _still_inside(connection, read_only=read_only):
            raise base.transaction_control_refused()
    if effect is not None:
        await _one(connection, *markers.note(effect, results), 1)
    await connection.query("ROLLBACK" if read_only else "COMMIT")
    return results


def _still_inside(connection: Any, *, read_only: bool) -> bool:
    status = connection.server_status
    return bool(status & _IN_TRANSACTION) and bool(status & _IN_READ_ONLY_TRANSACTION) == read_only


async def _one(connection: Any, text: str, params: Mapping[str, Any], max_rows: int) -> QueryResult:
    statement, arguments = sql.translate(text, params, "mysql")
    prepared = await connection.prepare(statement)
    result = await prepared.execute([base.bindable(value) for value in arguments])
    await prepared.close()
    if result.rows is None:
        return QueryResult([], result.affected_rows)
    rows = base.Rows((column[0] for column in result.description), max_rows)
    for row in result.rows:
        rows.add([values.to_json(value) for value in row])
    return QueryResult(rows.rows, len(rows.rows))


def _noted_by_another(code: int | None, reason: str, effect: str | None) -> bool:
    """Tell whether another owner of the run noted the same effect first; the next look finds its note."""
    return effect is not None and code == _DUPLICATE_KEY and f"'{markers.short(effect)}'" in reason


def _failure(error: Exception, *, repeatable: bool, effect: str | None) -> NodeError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else None
    reason = base.reason(error.args[1] if len(error.args) > 1 else error)
    details = {"code": code} if code else {}
    if code in _READ_ONLY_CODES:
        return base.read_only_refused()
    if code in _FORBIDDEN_CODES:
        return NodeError(f"MySQL refused: {reason}.", error_code="DB_FORBIDDEN", hint="Grant it to the source's user.", details=details)
    if code in _CONNECT_CODES or isinstance(error, OSError):
        return NodeError(
            f"There is no connection to MySQL: {reason}.",
            error_code="DB_CONNECT",
            retryable=repeatable and (code in _LOST_CODES or isinstance(error, OSError)),
            hint="Check host, port, database, user and password of the source, and that the server runs.",
            details=details,
        )
    return NodeError(
        f"MySQL refused the statement: {reason}.",
        error_code="DB_QUERY",
        retryable=code in _TRY_AGAIN_CODES or _noted_by_another(code, reason, effect),
        details=details,
    )
