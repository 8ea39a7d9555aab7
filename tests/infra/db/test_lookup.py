"""Lookups: what they read is what anybody else reads, and whatever becomes of one, the next finds its connection in order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given
from sqlalchemy import Column, Integer, MetaData, Select, Table, and_, bindparam, func, insert, or_, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, OperationalError

from agentflow.infra.db.engine import Database
from agentflow.infra.db.failures import is_outage
from agentflow.infra.db.lookup import Lookup
from agentflow.infra.db.pool import NoFreeConnection
from agentflow.kit.ids import new_id
from tests.infra.db.values import MANY, VALUES, documents, moments

BY_VALUES = select(VALUES, (VALUES.c.n + 1).label("next")).where(
    or_(and_(VALUES.c.id == bindparam("id"), VALUES.c.at == bindparam("at")), and_(VALUES.c.id == bindparam("id"), VALUES.c.n == -1)),
    VALUES.c.n < 100,
)
LOOKUP = Lookup(BY_VALUES)
ANY = Lookup(select(VALUES.c.n))
STATE = Lookup(
    select(
        func.current_user().label("name"),
        func.current_setting("agentflow.tenant", True).label("tenant"),
        func.pg_backend_pid().label("pid"),
    )
)
TENANT = "0190a4c8-1f7e-7d3c-8f7a-5b1c2d3e4f50"
ENDLESS = Lookup(select(func.pg_sleep(600)))


@pytest.fixture
async def single(postgres_url: str) -> AsyncIterator[Database]:
    """Give a handle on PostgreSQL whose pool holds one connection: what a lookup leaves behind, the next one meets."""
    handle = Database(postgres_url, pool_size=1)
    yield handle
    await handle.close()


@MANY
@given(moments, documents)
async def test_a_lookup_reads_what_a_session_reads(table: Database, moment: datetime, document: Any) -> None:
    """Parameters and columns of every type of ours; one parameter stands in two places, and one has its value from the start."""
    values = {"id": new_id(), "at": moment}
    async with table.connection() as connection:
        await connection.execute(VALUES.delete())
        await connection.execute(insert(VALUES).values(n=1, data=document, searchable=document, **values))
    async with table.reading() as session:
        expected = (await session.execute(BY_VALUES, values)).one()
    row = await table.read_one(LOOKUP, values)
    assert tuple(row) == tuple(expected)
    assert (row.id, row.at, row.data, row.next) == (values["id"], moment.astimezone(UTC), document, 2)
    assert row._asdict() == expected._asdict()


async def test_nothing_no_id_and_too_much_are_told_apart(table: Database) -> None:
    """As for any other query."""
    async with table.connection() as connection:
        await connection.execute(insert(VALUES), [{"n": 1}, {"n": 2}])
    assert await table.read_one(LOOKUP, {"id": new_id(), "at": None}) is None
    assert await table.read_one(LOOKUP, {"id": "no id at all", "at": None}) is None
    assert [row.n for row in await table.read_rows(ANY)] == [1, 2]
    with pytest.raises(MultipleResultsFound):
        await table.read_one(ANY)


def test_lists_are_refused_where_a_lookup_is_made() -> None:
    """They would be written into its text with each call."""
    query: Select[Any] = select(VALUES.c.n).where(VALUES.c.n.in_(bindparam("numbers", expanding=True)))
    with pytest.raises(ValueError, match="no lists"):
        Lookup(query)


async def test_a_parameter_without_a_value_is_a_mistake_of_the_caller(single: Database) -> None:
    """It costs no connection: nothing was sent."""
    before = (await single.read_rows(STATE))[0].pid
    with pytest.raises(KeyError, match="at"):
        await single.read_one(LOOKUP, {"id": new_id()})
    assert (await single.read_rows(STATE))[0].pid == before


async def test_what_the_database_refuses_is_an_error_of_the_database(database: Database) -> None:
    """There is no such table; the next lookup goes on."""
    with pytest.raises(DBAPIError, match=r"no such table|does not exist") as caught:
        await database.read_one(Lookup(select(Table("nowhere", MetaData(), Column("n", Integer)).c.n)))
    assert not is_outage(caught.value)
    assert await database.read_one(Lookup(select(func.abs(-1).label("one")))) == (1,)


async def test_a_value_that_cannot_be_sent_is_no_outage(single: Database) -> None:
    """It is a mistake of ours, and no fault of the server."""
    query = Lookup(select(func.abs(bindparam("n", type_=Integer))))
    with pytest.raises(OperationalError) as caught:
        await single.read_one(query, {"n": "one"})
    assert not is_outage(caught.value)
    assert await single.read_one(query, {"n": -1}) == (1,)


async def test_a_lookup_of_a_tenant_is_one_only_while_it_lasts(single: Database) -> None:
    """Role and name of the tenant are those of its transaction; the connection goes back without them."""
    before = (await single.read_rows(STATE))[0]
    within = await single.read_one(STATE, tenant_id=TENANT)
    assert (within.name, within.tenant, within.pid) == ("agentflow_tenant", TENANT, before.pid)
    after = (await single.read_rows(STATE))[0]
    assert (after.name, after.pid, after.tenant or None) == (before.name, before.pid, None)


@pytest.mark.parametrize("tenant_id", [None, TENANT], ids=["nobody", "tenant"])
async def test_a_lookup_that_is_cancelled_leaves_nobody_its_tenant(single: Database, postgres_url: str, tenant_id: str | None) -> None:
    """The only connection was closed; the next one has neither role nor tenant."""
    before = (await single.read_rows(STATE))[0]
    reading = asyncio.create_task(single.read_rows(ENDLESS, tenant_id=tenant_id))
    await _until_it_sleeps(postgres_url, before.pid)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    after = (await single.read_rows(STATE))[0]
    assert (after.name, after.tenant or None) == (before.name, None)
    assert after.pid != before.pid


@pytest.mark.parametrize("tenant_id", [None, TENANT], ids=["nobody", "tenant"])
async def test_a_connection_that_ends_within_a_lookup_is_an_outage_and_replaced(
    single: Database, postgres_url: str, tenant_id: str | None
) -> None:
    """A restart of the server: one error that can be told, and the next lookup is served."""
    before = (await single.read_rows(STATE))[0]
    reading = asyncio.create_task(single.read_rows(ENDLESS, tenant_id=tenant_id))
    await _until_it_sleeps(postgres_url, before.pid)
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", (before.pid,))
    with pytest.raises(OperationalError) as caught:
        await reading
    assert is_outage(caught.value)
    assert (await single.read_rows(STATE))[0].pid != before.pid


async def test_a_lookup_that_hangs_is_given_up(postgres_url: str) -> None:
    """After as long as a statement may take its connection counts as lost."""
    database = Database(postgres_url, pool_size=1, timeout_s=1.0)
    with pytest.raises(OperationalError) as caught:
        await database.read_rows(ENDLESS)
    assert is_outage(caught.value)
    assert await database.read_rows(STATE)
    await database.close()


async def test_without_a_server_a_lookup_is_an_outage() -> None:
    """Nobody listens there."""
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(OperationalError) as caught:
        await database.read_rows(STATE)
    assert is_outage(caught.value)
    await database.close()


async def test_a_server_that_refuses_the_name_is_there(postgres_url: str) -> None:
    """What it says of a user it does not know is not that it is out of service."""
    database = Database(make_url(postgres_url).set(username="nobody_of_this_name").render_as_string(hide_password=False))
    with pytest.raises(OperationalError) as caught:
        await database.read_rows(STATE)
    assert not is_outage(caught.value)
    await database.close()


async def test_a_lookup_waits_for_a_connection_as_long_as_anybody(single: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it says that none became free."""
    monkeypatch.setattr(single.engine.sync_engine.pool, "_timeout", 0.05)
    async with single.engine.connect():
        with pytest.raises(NoFreeConnection) as caught:
            await single.read_rows(STATE)
    assert is_outage(caught.value)
    assert await single.read_rows(STATE)


async def _until_it_sleeps(url: str, process: int) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    async with asyncio.timeout(20), await psycopg.AsyncConnection.connect(url, autocommit=True) as server:
        while (await (await server.execute(query, (process,))).fetchone()) != (1,):
            pass
