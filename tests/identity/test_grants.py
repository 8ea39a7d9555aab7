"""What is granted on a single thing; and streams that end when somebody is let in no more."""

import asyncio

import pytest

from agentflow.identity import auth
from tests.identity.people import bearer, hire, mint, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
SPEC = {"name": "w", "nodes": [{"id": "a", "type": "input"}], "edges": [], "start_node": "a"}
WAITS = {
    "name": "waits",
    "nodes": [{"id": "a", "type": "wait_for_event", "config": {"event": "never"}}],
    "edges": [],
    "start_node": "a",
}


@pytest.fixture
async def nobody(app, client):
    """Give a client of a member whose role allows nothing."""
    await client.post("/roles", json={"name": "none", "permissions": []})
    async with working_as(app, client, "nell", "none") as person:
        yield person


async def grant(client, person, workflow, role, **more):
    me = (await person.get("/auth/me")).json()["user_id"]
    body = {"grantee_kind": "user", "grantee_id": me, "resource_kind": "workflow", "resource_id": workflow, "role": role}
    return await client.post("/grants", json={**body, **more})


async def test_a_grant_opens_one_workflow_and_its_runs(client, nobody):
    """The member reads and runs this one, sees its runs alone, and nothing of the others; taken back, nothing is left."""
    mine, other = [(await client.post("/workflows", json={"name": name, "spec": SPEC})).json()["id"] for name in ("mine", "other")]
    foreign_run = (await client.post(f"/workflows/{other}/execute?wait=20", json={})).json()["id"]
    assert (await nobody.get("/workflows")).status_code == 403
    assert (await nobody.get(f"/workflows/{mine}")).status_code == 403
    made = await grant(client, nobody, mine, "executor")
    assert made.status_code == 201, made.text
    assert (await nobody.get("/auth/me")).json()["grants"][0]["id"] == mine
    assert [item["id"] for item in (await nobody.get("/workflows?count=true")).json()["items"]] == [mine]
    assert (await nobody.get(f"/workflows/{mine}")).status_code == 200
    for ref in (other, "other"):
        assert (await nobody.get(f"/workflows/{ref}")).json()["code"] == "WORKFLOW_NOT_FOUND"
        assert (await nobody.post(f"/workflows/{ref}/execute", json={})).json()["code"] == "WORKFLOW_NOT_FOUND"
    ran = await nobody.post(f"/workflows/{mine}/execute?wait=20", json={})
    assert ran.status_code == 200, ran.text
    assert (await nobody.get(f"/runs/{ran.json()['id']}")).status_code == 200
    assert (await nobody.get(f"/runs/{foreign_run}")).json()["code"] == "RUN_NOT_FOUND"
    for method, path in (("PATCH", f"/workflows/{mine}"), ("DELETE", f"/workflows/{mine}"), ("POST", "/workflows"), ("GET", "/runs")):
        answer = await nobody.request(method, path, **({"json": {"name": "x"}} if method in {"PATCH", "POST"} else {}))
        assert answer.status_code == 403, path
    assert (await client.delete(f"/grants/{made.json()['id']}")).status_code == 204
    assert (await nobody.get(f"/workflows/{mine}")).status_code == 403


async def test_a_grant_reaches_the_members_of_a_team_until_it_ends(client, nobody, later):
    """Through the team, with the rights of its role, up to its time."""
    mine = (await client.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    team = (await client.post("/teams", json={"name": "research"})).json()["id"]
    me = (await nobody.get("/auth/me")).json()["user_id"]
    made = await grant(client, nobody, mine, "developer", grantee_kind="team", grantee_id=team, expires_at="2100-01-01T00:00:00Z")
    assert made.status_code == 201, made.text
    assert (await nobody.get(f"/workflows/{mine}")).status_code == 403
    await client.put(f"/teams/{team}/members/{me}")
    changed = await nobody.patch(f"/workflows/{mine}", json={"description": "ours"})
    assert (changed.status_code, changed.json()["description"]) == (200, "ours")
    twice = await grant(client, nobody, mine, "viewer", grantee_kind="team", grantee_id=team)
    assert twice.json()["code"] == "GRANT_EXISTS"
    assert (await client.delete(f"/teams/{team}")).status_code == 204
    assert (await nobody.get(f"/workflows/{mine}")).status_code == 403
    over = await grant(client, nobody, mine, "viewer", expires_at="2000-01-01T00:00:00Z")
    assert over.status_code == 422


async def test_s19_a_key_with_scopes_cuts_grants_down_too(app, client, nobody):
    """What is granted on a thing is not more than what the key may do."""
    mine = (await client.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    await client.put("/roles/none", json={"permissions": ["api-keys:write"]})
    await grant(client, nobody, mine, "developer")
    key = await mint(nobody, scopes=["workflows:read"])
    async with speaking(app, {"X-API-Key": key["secret"]}) as program:
        assert (await program.get(f"/workflows/{mine}")).status_code == 200
        assert (await program.patch(f"/workflows/{mine}", json={"description": "x"})).status_code == 403


@pytest.mark.parametrize("how", ["logout", "disabled", "demoted", "a second factor is demanded"])
async def test_s12_s27_a_stream_ends_when_its_reader_is_let_in_no_more(app, client, stranger, monkeypatch, how):
    """Within seconds of signing out, of being shut out, and of losing the permission."""
    monkeypatch.setattr(auth, "RECHECK_S", 0.05)
    user = await hire(client, "ada", "viewer")
    workflow = (await client.post("/workflows", json={"name": "waits", "spec": WAITS})).json()["id"]
    run = (await client.post(f"/workflows/{workflow}/execute", json={})).json()["id"]
    async with (
        asyncio.timeout(20),
        speaking(app, bearer(await sign_in(stranger, "ada"))) as ada,
        ada.stream("GET", f"/runs/{run}/events", headers={"Accept": "text/event-stream"}) as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        if how == "logout":
            await ada.post("/auth/logout")
        elif how == "disabled":
            await client.patch(f"/users/{user['id']}", json={"is_disabled": True})
        elif how == "demoted":
            await client.put(f"/tenants/current/members/{user['id']}", json={"roles": []})
        else:
            await client.patch("/tenants/current", json={"second_factor_required": True})
        rest = [line async for line in lines]
    assert not any("run.succeeded" in line for line in rest)
    await client.post(f"/runs/{run}/cancel")


async def test_s27_a_stream_needs_a_credential(client, stranger):
    """Without one, or with one that is over, there is no stream at all."""
    for headers in ({}, {"X-API-Key": "afk_nothing"}, {"Authorization": "Bearer a.b.c"}):
        answer = await stranger.get("/runs/x/events", headers={"Accept": "text/event-stream", **headers})
        assert answer.status_code == 401


async def test_a_grant_opens_one_collection(client, nobody):
    """It is searched and listed; the others are not there."""
    made = [(await client.post("/collections", json={"name": name, "embedding_model": "hashing-384"})).json()["id"] for name in ("a", "b")]
    assert (await nobody.get("/collections")).status_code == 403
    me = (await nobody.get("/auth/me")).json()["user_id"]
    body = {"grantee_kind": "user", "grantee_id": me, "resource_kind": "collection", "resource_id": made[0], "role": "viewer"}
    assert (await client.post("/grants", json=body)).status_code == 201
    assert [item["id"] for item in (await nobody.get("/collections")).json()["items"]] == [made[0]]
    assert (await nobody.post(f"/collections/{made[0]}/search", json={"query": "x"})).status_code == 200
    for ref in (made[1], "b"):
        assert (await nobody.post(f"/collections/{ref}/search", json={"query": "x"})).json()["code"] == "COLLECTION_NOT_FOUND"
    assert (await nobody.delete(f"/collections/{made[0]}")).status_code == 403


async def test_a_grant_opens_one_source(client, nobody):
    """It is listed, read, tried and changed as far as the role goes, taken back with the grant; the others are not there."""
    made = [
        (await client.post("/sources", json={"name": name, "kind": "vector", "config": {"collection": "c"}})).json()["id"] for name in "ab"
    ]
    assert (await nobody.get("/sources")).status_code == 403
    me = (await nobody.get("/auth/me")).json()["user_id"]
    body = {"grantee_kind": "user", "grantee_id": me, "resource_kind": "source", "resource_id": made[0], "role": "viewer"}
    assert (await client.post("/grants", json={**body, "resource_id": me})).json()["code"] == "RESOURCE_NOT_FOUND"
    granted = (await client.post("/grants", json=body)).json()
    assert [item["id"] for item in (await nobody.get("/sources?count=true")).json()["items"]] == [made[0]]
    for ref in (made[0], "a"):
        assert (await nobody.get(f"/sources/{ref}")).status_code == 200
    change = {"config": {"collection": "d"}}
    for ref in (made[1], "b"):
        assert (await nobody.get(f"/sources/{ref}")).json()["code"] == "SOURCE_NOT_FOUND"
    assert (await nobody.post(f"/sources/{made[0]}/test")).status_code == 403
    assert (await nobody.put(f"/sources/{made[0]}", json=change)).status_code == 403
    await client.delete(f"/grants/{granted['id']}")
    assert (await nobody.get(f"/sources/{made[0]}")).status_code == 403
    await client.post("/grants", json={**body, "role": "developer"})
    assert (await nobody.put(f"/sources/{made[0]}", json=change)).json()["version"] == 2
    assert (await nobody.post(f"/sources/{made[0]}/test")).status_code == 200
    for method, path in (("PUT", "/sources/b"), ("POST", "/sources/b/test")):
        answer = await nobody.request(method, path, **({"json": change} if method == "PUT" else {}))
        assert answer.json()["code"] == "SOURCE_NOT_FOUND"
    assert (await nobody.delete(f"/sources/{made[0]}")).status_code == 403


async def test_quotas_bound_one_organisation_and_no_other(app, client):
    """Runs a day and bytes kept, set by whoever runs the installation; another organisation goes on."""
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        token = (await ada.post("/auth/tenant", json={"tenant_id": second})).json()["access_token"]
    async with speaking(app, bearer(token)) as there:
        own = await there.patch("/tenants/current", json={"quotas": {"runs_per_day": 1_000_000}})
        assert own.status_code == 403
        quotas = {"runs_per_day": 2, "storage_bytes": 10}
        assert (await client.patch(f"/tenants/{second}", json={"quotas": quotas})).json()["quotas"]["runs_per_day"] == 2
        workflow = (await there.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
        answers = [await there.post(f"/workflows/{workflow}/execute", json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert (answers[2].json()["code"], answers[2].headers["ratelimit-limit"]) == ("QUOTA_REACHED", "2")
        sent = [await there.post("/artifacts", files={"file": ("a.txt", b"x" * size, "text/plain")}) for size in (8, 8)]
        assert [answer.status_code for answer in sent] == [201, 507]
    mine = (await client.post("/workflows", json={"name": "mine", "spec": SPEC})).json()["id"]
    for _ in range(3):
        assert (await client.post(f"/workflows/{mine}/execute", json={})).status_code == 202
