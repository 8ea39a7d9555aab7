"""PostgreSQL databases of users, through asyncpg's extended protocol: one statement a message, values bound by the server."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.sources.databases import base, markers, sql, values
from agentflow.sources.databases.base import QueryResult, Statement, UserDatabase
from agentflow.sources.databases.settings import Place

if TYPE_CHECKING:
    import asyncpg

_SSL = {"prefer": "prefer", "disable": "disable", "require": "require", "verify": "verify-full"}
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_BATCH = 500
# Names, aliases and addresses of a server may differ; these do not. The identifier is shared by copies of a server, which hold our
# data too, but some servers keep it from ordinary roles; the time of its start is for all to see.
IDENTITY = (
    "SELECT CASE WHEN has_function_privilege('pg_control_system()', 'execute')"
    " THEN (SELECT system_identifier FROM pg_control_system())::text END,"
    " pg_postmaster_start_time()::text, (SELECT oid FROM pg_database WHERE datname = current_database())::text"
)
_INTEGERS = ("int2", "int4", "int8", "oid")
_FLOATS = ("float4", "float8")
_MOMENTS = ("timestamp", "timestamptz")
# Among them anonymous records: in binary form the driver would read their fields with the decoders of text.
_TEXTS = (
    "text",
    "varchar",
    "bpchar",
    "name",
    "numeric",
    "money",
    "date",
    "time",
    "timetz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "xml",
    "bit",
    "varbit",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "record",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a database from every other, whatever it is called."""

    server: str | None
    started: str
    database: str

    def is_same(self, other: "Identity") -> bool:
        """Tell whether two connections led to the same database, or to copies of it."""
        same_server = self.server is not None and self.server == other.server
        return self.database == other.database and (same_server or self.started == other.started)


class PostgresDatabase(UserDatabase):
    """A PostgreSQL database behind a pool of its own."""

    dialect = "postgresql"

    def __init__(
        self,
        source_id: str,
        place: Place,
        *,
        writable: bool,
        pool_size: int,
        ssl: str,
        control_identity: Callable[[], Awaitable[Identity | None]],
    ) -> None:
        """Open nothing yet; ``control_identity`` tells which database is never to be entered."""
        self._source_id = source_id
        self._place = place
        self._writable = writable
        self._pool_size = pool_size
        self._ssl = _SSL[ssl]
        self._control_identity = control_identity
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()
        self._remembers = False

    async def run(
        self, statements: Sequence[Statement], *, read_only: bool, timeout_s: float, max_rows: int, effect: str | None = None
    ) -> Sequence[QueryResult]:
        """Run statements in one transaction; see ``UserDatabase.run``."""
        import asyncpg

        if not read_only and not self._writable:
            raise base.read_only_refused()
        repeatable = read_only or effect is not None  # a commit of unknown outcome is found by its note
        try:
            async with asyncio.timeout(timeout_s):
                pool = await self._opened()
                async with pool.acquire() as connection:
                    return await _transaction(connection, statements, read_only=read_only, max_rows=max_rows, effect=effect)
        except TimeoutError as error:
            raise base.timed_out(timeout_s, retryable=repeatable) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError) as error:
            raise _failure(error, repeatable=repeatable) from error

    async def remembers(self) -> bool:
        """Make the table of effects, or tell whether it is there; see ``UserDatabase.remembers``."""
        if self._remembers:
            return True
        try:
            await self.run([(markers.create("postgresql"), {})], read_only=False, timeout_s=_CONNECT_SECONDS, max_rows=1)
        except NodeError as error:
            if error.error_code not in {"DB_FORBIDDEN", "DB_QUERY"}:
                raise
            try:
                await self.run([(_MAY_NOTE, {}), (markers.PROBE, {})], read_only=False, timeout_s=_CONNECT_SECONDS, max_rows=1)
            except NodeError:
                return False
        self._remembers = True
        return True

    async def _opened(self) -> "asyncpg.Pool[Any]":
        async with self._opening:
            if self._pool is None:
                self._pool = await self._open()
            return self._pool

    async def _open(self) -> "asyncpg.Pool[Any]":
        """Make the pool; it connects when it is used."""
        import asyncpg

        return await asyncpg.create_pool(
            host=self._place.host,
            port=self._place.port,
            user=self._place.user,
            password=self._place.password,
            database=self._place.database,
            ssl=self._ssl,
            timeout=_CONNECT_SECONDS,
            min_size=0,
            max_size=self._pool_size,
            max_inactive_connection_lifetime=_IDLE_SECONDS,
            statement_cache_size=0,
            init=self._prepare,
            reset=_forget,
            server_settings={
                "application_name": "agentflow db node",
                "datestyle": "ISO, YMD",
                "intervalstyle": "iso_8601",
                "timezone": "UTC",
            },
        )

    async def _prepare(self, connection: "asyncpg.Connection[Any]") -> None:
        control = await self._control_identity()
        if control is not None and control.is_same(await identity(connection)):
            raise base.control_database_refused(self._source_id)
        await _speak_json(connection)

    async def close(self) -> None:
        """Close every connection, waiting for those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


async def identity(connection: "asyncpg.Connection[Any]") -> Identity:
    """Ask a database who it is."""
    row = await connection.fetchrow(IDENTITY)
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return Identity(row[0], row[1], row[2])


async def _forget(connection: "asyncpg.Connection[Any]") -> None:
    # SET, temporary tables, advisory locks and LISTEN must not reach the next run.
    await connection.execute("DISCARD ALL")


async def _transaction(
    connection: "asyncpg.Connection[Any]", statements: Sequence[Statement], *, read_only: bool, max_rows: int, effect: str | None
) -> list[QueryResult]:
    transaction = connection.transaction(readonly=read_only)
    await transaction.start()
    try:
        # Reading the time takes the snapshot, after which SET TRANSACTION READ WRITE is refused; and it marks this transaction.
        mark = await _mark(connection)
        if effect is not None and (before := markers.noted(await _one(connection, *markers.find(effect), 1))) is not None:
            await transaction.rollback()
            return before
        results = []
        for text, params in statements:
            results.append(await _one(connection, text, params, max_rows))
            if not connection.is_in_transaction() or await _mark(connection) != mark:
                raise base.transaction_control_refused()
        if effect is not None:
            await _one(connection, *markers.note(effect, results), 1)
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if read_only else transaction.commit())
    return results


async def _mark(connection: "asyncpg.Connection[Any]") -> Any:
    return await connection.fetchval("SELECT extract(epoch from transaction_timestamp())::text || current_setting('transaction_read_only')")


async def _one(connection: "asyncpg.Connection[Any]", text: str, params: Mapping[str, Any], max_rows: int) -> QueryResult:
    statement, arguments = sql.translate(text, params, "postgresql")
    prepared = await connection.prepare(statement)
    columns = [attribute.name for attribute in prepared.get_attributes()]
    if not columns:
        await prepared.fetch(*arguments)
        count = prepared.get_statusmsg().rpartition(" ")[2]
        return QueryResult([], int(count) if count.isdecimal() else 0)
    rows = base.Rows(columns, max_rows)
    cursor = await prepared.cursor(*arguments)
    while batch := await cursor.fetch(_BATCH):
        for record in batch:
            rows.add([values.to_json(value) for value in record])
    return QueryResult(rows.rows, len(rows.rows))


async def _speak_json(connection: "asyncpg.Connection[Any]") -> None:
    """Exchange values as text, so that the server reads a date or a number as it reads a literal."""
    decoders: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(_TEXTS, str),
        **dict.fromkeys(_INTEGERS, int),
        **dict.fromkeys(_FLOATS, float),
        **dict.fromkeys(_MOMENTS, _moment),
        "bool": lambda text: text == "t",
        "bytea": _bytes,
    }
    for name, decoder in decoders.items():
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_as_text, decoder=decoder, format="text")
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=json.dumps, decoder=_document, format="text")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(base.bindable(value))


def _moment(text: str) -> str:
    moment = text.replace(" ", "T", 1)
    return moment.removesuffix("+00") + "Z" if moment.endswith("+00") else moment


def _bytes(text: str) -> str:
    return b64encode(bytes.fromhex(text.removeprefix("\\x"))).decode()


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except json.InvalidJson:
        return text


def _failure(error: Exception, *, repeatable: bool) -> NodeError:
    import asyncpg

    state = getattr(error, "sqlstate", None)
    details, reason = {"sqlstate": state} if state else {}, base.reason(error)
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return base.read_only_refused()
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return NodeError(
            f"PostgreSQL refused: {reason}.", error_code="DB_FORBIDDEN", hint="Grant it to the source's user.", details=details
        )
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError | asyncpg.InvalidCatalogNameError):
        return NodeError(f"PostgreSQL refused the connection: {reason}.", error_code="DB_CONNECT", hint=_CHECK_SOURCE, details=details)
    if isinstance(error, OSError | asyncpg.PostgresConnectionError | asyncpg.CannotConnectNowError | asyncpg.TooManyConnectionsError):
        return NodeError(
            f"There is no connection to PostgreSQL: {reason}.",
            error_code="DB_CONNECT",
            retryable=repeatable,
            hint=_CHECK_SOURCE,
            details=details,
        )
    # Types of which the driver has only a binary form, such as ranges.
    hint = "Cast the column to text." if isinstance(error, asyncpg.UnsupportedClientFeatureError) else None
    again = isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError)
    if isinstance(error, asyncpg.UniqueViolationError) and error.table_name == markers.TABLE:
        again = True  # another owner of the run was faster; the next look finds its note
    return NodeError(f"PostgreSQL refused the statement: {reason}.", error_code="DB_QUERY", retryable=again, hint=hint, details=details)


_MAY_NOTE = f"SELECT 1 / has_table_privilege('{markers.TABLE}', 'INSERT')::int"
_CHECK_SOURCE = "Check host, port, database, user and password of the source, and that the server runs."
