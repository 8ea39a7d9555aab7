"""What holds on SQLite, PostgreSQL and MySQL alike: transactions, read-only access, bound values, bounds."""

import asyncio

import pytest

from agentflow.nodes.context import ResolvedSource
from tests.support.user_databases import TENANT

# The last of each deletes. The ways out of a transaction differ by dialect; none may lead to the row being gone.
ESCAPES = [
    ["DELETE FROM {t}"],
    ["COMMIT", "DELETE FROM {t}"],
    ["ROLLBACK", "DELETE FROM {t}"],
    ["COMMIT AND CHAIN", "SET TRANSACTION READ WRITE", "DELETE FROM {t}"],
    ["SET TRANSACTION READ WRITE", "DELETE FROM {t}"],
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "COMMIT", "DELETE FROM {t}"],
    ["SET SESSION TRANSACTION READ WRITE", "COMMIT", "DELETE FROM {t}"],
    ["START TRANSACTION READ WRITE", "DELETE FROM {t}"],
    ["BEGIN", "DELETE FROM {t}"],
    ["SET transaction_read_only = off", "DELETE FROM {t}"],
    ["SET default_transaction_read_only = off", "DELETE FROM {t}"],
    ["PRAGMA query_only = OFF", "DELETE FROM {t}"],
    ["SELECT 1; DELETE FROM {t}"],
    ["SELECT 1; COMMIT; DELETE FROM {t}"],
    ["SAVEPOINT a", "ROLLBACK TO a", "DELETE FROM {t}"],
    ["DROP TABLE {t}"],
    ["WITH gone AS (DELETE FROM {t} RETURNING id) SELECT * FROM gone"],
]


@pytest.mark.parametrize("statements", ESCAPES, ids=" / ".join)
@pytest.mark.parametrize("access", ["read_only", "read_write"])
async def test_nothing_leads_out_of_a_read_only_transaction(user, statements: list[str], access: str) -> None:
    """S51: the database itself refuses writes, and statements that end or change the transaction are found out."""
    error = await user.refused(*statements, access=access)
    assert error.error_code in {"DB_READ_ONLY", "DB_FORBIDDEN", "DB_QUERY"}
    assert await user.names() == ["ann", "bob"]


async def test_a_write_needs_a_source_that_allows_it(user) -> None:
    """A node may ask for writing; only the source can grant it."""
    error = await user.refused("DELETE FROM {t}", access="read_only", write=True)
    assert (error.error_code, "read_write" in (error.hint or "")) == ("DB_READ_ONLY", True)
    assert await user.names() == ["ann", "bob"]


async def test_all_statements_happen_or_none(user) -> None:
    """When one fails, those before it are undone."""
    error = await user.refused("DELETE FROM {t} WHERE id = 1", "INSERT INTO {t} VALUES (2, 'twice')", write=True)
    assert error.error_code == "DB_QUERY"
    assert await user.names() == ["ann", "bob"]


async def test_a_statement_cannot_commit_half_of_the_others(user) -> None:
    """COMMIT between statements is refused, so that all or none stays true of what follows."""
    error = await user.refused("COMMIT", "DELETE FROM {t}", write=True)
    assert error.error_code == "DB_FORBIDDEN"
    assert await user.names() == ["ann", "bob"]


@pytest.mark.parametrize("value", ["ann", "a'b", 'a"b', "a\\'; DROP TABLE x; --", ":name", "?", "$1", "%s", "", "ü漢🎉"])
async def test_values_are_bound_not_written(user, value: str) -> None:
    """S51: whatever a value holds, it arrives as it is and means nothing to SQL."""
    await user.run(("INSERT INTO {t} VALUES (3, :v)", {"v": value}), write=True)
    assert (await user.run(("SELECT name FROM {t} WHERE name = :v AND id = :id", {"v": value, "id": 3})))[0].rows == [{"name": value}]


async def test_results_tell_rows_and_counts(user) -> None:
    """A SELECT counts its rows, a change those it touched."""
    read, none = await user.run("SELECT id, name FROM {t} WHERE id = 1", "SELECT id FROM {t} WHERE id = 9")
    assert (read.rows, read.rowcount, none.rows, none.rowcount) == ([{"id": 1, "name": "ann"}], 1, [], 0)
    changed = await user.run("UPDATE {t} SET name = 'x'", "DELETE FROM {t} WHERE id = 9", write=True)
    assert [(result.rows, result.rowcount) for result in changed] == [([], 2), ([], 0)]


async def test_columns_of_the_same_name_are_all_kept(user) -> None:
    """The second of two equal names gets a number instead of hiding the first."""
    assert (await user.run("SELECT id, name, id FROM {t} WHERE id = 2"))[0].rows == [{"id": 2, "name": "bob", "id_2": 2}]


async def test_more_rows_than_allowed_fail(user) -> None:
    """S51: rows are never cut off in silence."""
    assert len((await user.run("SELECT id FROM {t}", max_rows=2))[0].rows) == 2
    error = await user.refused("SELECT id FROM {t}", max_rows=1)
    assert (error.error_code, error.details) == ("LIMIT_EXCEEDED", {"limit": "max_rows"})


async def test_a_marker_without_a_value_and_a_value_without_a_marker_are_refused(user) -> None:
    """Names in SQL and in params must match."""
    assert ":missing" in (await user.refused("SELECT :missing")).message
    assert "extra" in (await user.refused(("SELECT 1", {"extra": 1}))).message


SLOW = {
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60)",
}


async def test_a_slow_statement_is_ended_in_time(user) -> None:
    """S51: after timeout_s the statement is stopped, also in the database."""
    async with asyncio.timeout(5):
        error = await user.refused(SLOW[user.dialect], timeout_s=0.3)
    assert (error.error_code, error.retryable) == ("DB_TIMEOUT", True)


async def test_a_cancelled_run_leaves_the_database_usable(user) -> None:
    """Cancelling in the middle of a statement breaks nothing for the next."""
    task = asyncio.create_task(user.run(SLOW[user.dialect], timeout_s=60))
    await asyncio.wait({task}, timeout=0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await user.names() == ["ann", "bob"]


async def test_settings_of_one_call_do_not_reach_the_next(user) -> None:
    """Temporary tables and session variables end with the call that made them."""
    await user.run("CREATE TEMPORARY TABLE mine (a INTEGER)", write=True)
    assert (await user.refused("SELECT * FROM mine")).error_code == "DB_QUERY"


async def test_calls_at_the_same_time_wait_for_a_connection(user) -> None:
    """More calls than connections are served one after the other."""
    database = user.pool.open(user.source("read_only", pool_size=2), TENANT)
    calls = (database.run([("SELECT 1 AS one", {})], read_only=True, timeout_s=10, max_rows=1) for _ in range(12))
    assert [result[0].rows for result in await asyncio.gather(*calls)] == [[{"one": 1}]] * 12


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "postgresql://nobody:secret-word@127.0.0.1:1/nothing"},
        {"url": "mysql://nobody:secret-word@127.0.0.1:1/nothing"},
        {"path": "missing.db"},
    ],
    ids=["postgresql", "mysql", "sqlite"],
)
async def test_a_database_that_is_not_there_is_named_without_its_password(pool, settings) -> None:
    """A failed connection is typed, and shows no secret."""
    database = pool.open(ResolvedSource("shop", "db", settings), TENANT)
    with pytest.raises(Exception, match=r"connection|opened") as raised:
        await database.run([("SELECT 1", {})], read_only=True, timeout_s=5, max_rows=1)
    assert raised.value.error_code == "DB_CONNECT"
    assert "secret-word" not in str(raised.value) + str(raised.value.details)
