"""Two organisations on one server: neither sees, starts, changes or finds out about anything of the other."""

import asyncio
from contextlib import nullcontext

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from agentflow.bootstrap.tables import METADATA
from agentflow.identity.models import RoleRow, TeamRow
from agentflow.infra.db import row_security
from agentflow.infra.db.engine import Database
from agentflow.infra.db.repository import UnscopedQuery
from agentflow.kit.ids import new_id
from tests.identity.people import bearer, mint, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
SPEC = {"name": "w", "nodes": [{"id": "a", "type": "input"}], "edges": [], "start_node": "a"}
on_postgres = pytest.mark.parametrize("settings_on_both", ["postgresql"], indirect=True)


@pytest.fixture
async def two(app, client):
    """Give two clients, owners of two organisations."""
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        token = (await ada.post("/auth/tenant", json={"tenant_id": second})).json()["access_token"]
        async with speaking(app, bearer(token)) as there:
            yield client, there


async def furnish(client):
    """Make one of everything, and return the paths of it all."""
    workflow = (await client.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    run = (await client.post(f"/workflows/{workflow}/execute?wait=20", json={"inputs": {}})).json()["id"]
    collection = (await client.post("/collections", json={"name": "papers", "embedding_model": "hashing-384"})).json()["id"]
    added = await client.post(f"/collections/{collection}/documents", json={"documents": [{"id": "d", "text": "secret papers"}]})
    assert added.status_code == 201, added.text
    artifact = await client.post("/artifacts", files={"file": ("a.txt", b"secret", "text/plain")})
    assert artifact.status_code == 201, artifact.text
    team = (await client.post("/teams", json={"name": "research"})).json()["id"]
    key = (await mint(client))["id"]
    user = await client.post("/users", json={"username": f"robot-{new_id()[-6:]}", "kind": "service", "roles": ["viewer"]})
    await client.post("/roles", json={"name": "support", "permissions": ["runs:read"]})
    return {
        "workflow": [
            f"/workflows/{workflow}",
            f"/workflows/{workflow}/versions",
            f"/workflows/{workflow}/nodes",
            f"/workflows/{workflow}/export",
        ],
        "run": [f"/runs/{run}", f"/runs/{run}/nodes", f"/runs/{run}/events", f"/runs/{run}/checkpoints", f"/runs/{run}/explain"],
        "collection": [f"/collections/{collection}", f"/collections/{collection}/documents"],
        "artifact": [f"/artifacts/{artifact.json()['id']}", f"/artifacts/{artifact.json()['id']}/content"],
        "team": [f"/teams/{team}"],
        "key": [f"/api-keys/{key}"],
        "user": [f"/users/{user.json()['id']}"],
        "role": ["/roles/support"],
    }


async def test_s39_nothing_of_another_organisation_is_there(two):
    """Reading, changing, starting and deleting by foreign ids answers 404, as for ids that never were; lists are empty."""
    here, there = two
    mine = await furnish(here)
    for paths in mine.values():
        for path in paths:
            assert (await here.get(path)).status_code == 200, path
            answer = await there.get(path)
            assert answer.status_code == 404, path
    for path in ("/workflows", "/runs", "/collections", "/artifacts", "/teams", "/api-keys", "/users"):
        items = (await there.get(path)).json()["items"]
        assert items == [], path
    workflow, run, collection = mine["workflow"][0], mine["run"][0], mine["collection"][0]
    attacks = (
        ("POST", f"{workflow}/execute", {"inputs": {}}),
        ("PATCH", workflow, {"name": "stolen"}),
        ("PUT", workflow, {"name": "stolen", "spec": SPEC}),
        ("DELETE", workflow, None),
        ("POST", f"{run}/cancel", {}),
        ("POST", f"{run}/retry", {}),
        ("POST", f"{collection}/search", {"query": "secret"}),
        ("DELETE", collection, None),
        ("DELETE", mine["artifact"][0], None),
        ("DELETE", mine["team"][0], None),
        ("DELETE", mine["key"][0], None),
        ("POST", f"{mine['key'][0]}/rotate", {}),
        ("PATCH", mine["user"][0], {"is_disabled": True}),
        ("DELETE", mine["user"][0], None),
    )
    for method, path, body in attacks:
        answer = await there.request(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code in {404, 405}, (method, path, answer.text)
    for paths in mine.values():
        assert (await here.get(paths[0])).status_code == 200


async def test_s39_foreign_and_missing_look_the_same(two):
    """The answer about another organisation's workflow differs from that about none in its id alone."""
    here, there = two
    foreign = (await here.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    missing = new_id()
    answers = [(await there.get(f"/workflows/{ref}")).json() for ref in (foreign, missing)]
    shown = [
        {**answer, "instance": "", "detail": answer["detail"].replace(ref, "ID")}
        for answer, ref in zip(answers, (foreign, missing), strict=True)
    ]
    assert shown[0] == shown[1]


async def test_s31_nobody_grants_things_of_others(two):
    """A grant on another organisation's workflow, or to somebody who is no member, is not made."""
    here, there = two
    foreign = (await here.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    me = (await there.get("/auth/me")).json()["user_id"]
    grant = {"grantee_kind": "user", "grantee_id": me, "resource_kind": "workflow", "resource_id": foreign, "role": "viewer"}
    assert (await there.post("/grants", json=grant)).json()["code"] == "RESOURCE_NOT_FOUND"
    stranger = (await here.get("/auth/me")).json()["user_id"]
    own = (await there.post("/workflows", json={"name": "own", "spec": SPEC})).json()["id"]
    answer = await there.post("/grants", json={**grant, "grantee_id": stranger, "resource_id": own})
    assert answer.json()["code"] == "MEMBER_NOT_FOUND"


async def test_s40_the_same_key_and_name_in_two_organisations_are_two(two):
    """Idempotency keys and names are each organisation's own."""
    made = [
        (await person.post("/workflows", json={"name": "same", "spec": SPEC}, headers={"Idempotency-Key": "k1"})).json()["id"]
        for person in two
    ]
    assert made[0] != made[1]
    for person, workflow in zip(two, made, strict=True):
        again = await person.post("/workflows", json={"name": "same", "spec": SPEC}, headers={"Idempotency-Key": "k1"})
        assert again.json()["id"] == workflow
        assert (await person.get("/workflows/same")).json()["id"] == workflow


async def test_s39_a_transaction_that_names_no_tenant_is_refused(container):
    """On both databases a transaction on behalf of nobody does not begin."""
    with pytest.raises(UnscopedQuery):
        async with container.database.reading(""):
            pass


@on_postgres
async def test_s37_every_table_of_tenants_is_walled_off(container):
    """Row-level security is on and forced, with the two policies; the tenants' role has no power of its own."""
    async with container.database.reading() as session:
        found = {
            row.relname: (row.relrowsecurity, row.relforcerowsecurity)
            for row in await session.execute(text("SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r'"))
        }
        policies = {(row.tablename, row.policyname) for row in await session.execute(text("SELECT tablename, policyname FROM pg_policies"))}
        role = (await session.execute(text("SELECT * FROM pg_roles WHERE rolname = :name"), {"name": row_security.ROLE})).one()
        owned = await session.scalar(text("SELECT count(*) FROM pg_tables WHERE tableowner = :name"), {"name": row_security.ROLE})
        views = await session.scalar(text("SELECT count(*) FROM pg_views WHERE schemaname = 'public'"))
    tables = row_security.tables_of_tenants(METADATA)
    assert {table for table in tables if found[table] != (True, True)} == set()
    assert {(table, policy) for table in tables for policy in ("tenant_rows", "server_rows")} <= policies
    assert (role.rolsuper, role.rolbypassrls, role.rolcanlogin, role.rolcreaterole, owned, views) == (False, False, False, False, 0, 0)


@on_postgres
async def test_s37_without_a_tenant_there_are_no_rows(container, two):
    """The tenants' role sees nothing of anybody when the transaction names nobody, not even by a query without a condition."""
    await two[0].post("/teams", json={"name": "research"})
    async with container.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM teams")) == 1
        await session.execute(text(f"SET LOCAL ROLE {row_security.ROLE}"))
        assert await session.scalar(text("SELECT count(*) FROM teams")) == 0


@on_postgres
async def test_s37_a_row_of_another_tenant_cannot_be_written(container, two):
    """Inserting for somebody else fails in the database, and changing everything changes one's own rows only."""
    tenants = [(await person.get("/tenants/current")).json()["id"] for person in two]
    for person in two:
        await person.post("/teams", json={"name": "research"})
    row = {"id": new_id(), "tenant_id": tenants[1], "name": "intruders", "created_at": container.owners._clock.now()}
    with pytest.raises(DBAPIError, match="row-level security"):
        async with container.database.transaction(tenants[0]) as session:
            await session.execute(insert(TeamRow).values(row))
    async with container.database.transaction(tenants[0]) as session:
        await session.execute(text("UPDATE teams SET name = 'changed'"))
    names = {tenant: (await person.get("/teams")).json()["items"][0]["name"] for tenant, person in zip(tenants, two, strict=True)}
    assert names == {tenants[0]: "changed", tenants[1]: "research"}


@on_postgres
async def test_s37_tables_that_are_nobodys_are_closed_to_tenants(container):
    """What belongs to the installation cannot be read in a tenant's transaction at all."""
    for table in ("tenants", "one_time_tokens", "attempts", "signing_keys"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with container.database.reading(new_id()) as session:
                await session.execute(text(f"SELECT * FROM {table}"))


@on_postgres
async def test_s38_two_tenants_share_one_connection_and_no_row(settings, container, two):
    """A thousand transactions of each on a pool of one connection, some of them broken off: queries without a condition see own rows only."""
    tenants = [(await person.get("/tenants/current")).json()["id"] for person in two]
    for person in two:
        assert (await person.post("/roles", json={"name": "support", "permissions": ["runs:read"]})).status_code == 201
    database = Database(settings.database, pool_size=1)

    async def look(tenant_id, number):
        async with database.reading(tenant_id) as session:
            seen = set((await session.execute(select(RoleRow.tenant_id))).scalars())
            if number % 10 == 0:
                await session.rollback()
            if number % 10 == 1:
                await session.execute(text("SELECT 1 / 0"))
            if number % 100 == 2:
                async with asyncio.timeout(0.01):
                    await session.execute(text("SELECT pg_sleep(60)"))
        assert seen == {tenant_id}

    async def looks(tenant_id, number):
        is_broken_off = number % 10 == 1 or number % 100 == 2
        with pytest.raises((DBAPIError, TimeoutError)) if is_broken_off else nullcontext():
            await look(tenant_id, number)

    try:
        for start in range(0, 1_000, 20):
            await asyncio.gather(*(looks(tenant, start + number) for number in range(20) for tenant in tenants))
        async with database.reading() as session:  # and the connection forgot whose it was
            assert set((await session.execute(select(RoleRow.tenant_id))).scalars()) == set(tenants)
            assert await session.scalar(text("SELECT current_setting('agentflow.tenant', true)")) in (None, "")
            assert await session.scalar(text("SELECT current_user")) != row_security.ROLE
    finally:
        await database.close()
