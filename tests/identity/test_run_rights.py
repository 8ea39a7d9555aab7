"""S147: what runs may use: the rights of who started them, as they are at the moment of use."""

from datetime import UTC, datetime, timedelta

import pytest

from agentflow.identity.principals import Principals
from tests.identity.people import bearer, hire, mint, sign_in, speaking, working_as
from tests.runtime.runs.people import answer, ended, started_waiting, until

pytestmark = pytest.mark.usefixtures("quick_hashes")

SEARCH = {"id": "search", "type": "vector_search", "source": "papers", "config": {"query": "green bridges"}}
BY_SOURCE = {"name": "by-source", "start_node": "search", "nodes": [SEARCH]}
BY_NAME = {
    "name": "by-name",
    "start_node": "s",
    "nodes": [{**SEARCH, "id": "s", "source": None, "config": {"query": "x", "collection": "texts"}}],
}
BY_SECRET = {
    "name": "by-secret",
    "start_node": "search",
    "sources": [{"id": "papers", "kind": "vector", "config": {"collection": "{{ secrets.WHERE }}"}}],
    "nodes": [SEARCH],
}
ASKS = {
    "name": "asks",
    "start_node": "ask",
    "nodes": [{"id": "ask", "type": "human", "config": {"title": "Go on?"}}, SEARCH],
    "edges": [{"from": "ask", "to": "search"}],
}
CALLS = {"name": "calls", "start_node": "call", "nodes": [{"id": "call", "type": "subworkflow", "config": {"workflow": "by-name"}}]}
PURE = {"name": "pure", "start_node": "a", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}]}
FILLS = {
    "name": "fills",
    "start_node": "fill",
    "nodes": [
        {"id": "fill", "type": "vector_upsert", "config": {"collection": "texts", "documents": [{"id": "b", "text": "two bridges"}]}}
    ],
}


@pytest.fixture
async def ids(client):
    """Store what runs may use, and the workflows that use it; gives their ids by name."""
    made = {"texts": (await client.post("/collections", json={"name": "texts", "embedding_model": "hashing-384"})).json()["id"]}
    await client.post("/collections/texts/documents", json={"documents": [{"id": "a", "text": "clouds swim under green bridges"}]})
    await client.post("/secrets", json={"name": "WHERE", "value": "texts"})
    source = await client.post("/sources", json={"name": "papers", "kind": "vector", "config": {"collection": "texts"}})
    made["papers"] = source.json()["id"]
    for spec in (BY_SOURCE, BY_NAME, BY_SECRET, ASKS, CALLS, PURE, FILLS):
        stored = await client.post("/workflows", json={"spec": spec})
        assert stored.status_code == 201, stored.text
        made[spec["name"]] = stored.json()["id"]
    return made


async def ran(person, workflow):
    """Run a stored workflow, and return how it ended."""
    answered = await person.post(f"/workflows/{workflow}/execute?wait=20", json={})
    assert answered.status_code == 200, answered.text
    return answered.json()


async def code(person, workflow):
    """Run a stored workflow, and return the code of its error; None where it succeeded."""
    error = (await ran(person, workflow))["error"]
    return None if error is None else error["code"]


async def test_s147_who_runs_what_others_made_uses_what_it_uses_and_writes_nothing_of_the_own(app, client, ids):
    """S147: an executor's runs of stored workflows use their sources, collections and secrets; an unsaved specification does not."""
    async with working_as(app, client, "eve", "executor") as eve:
        for name in ("by-source", "by-name", "by-secret", "calls", "fills"):
            assert await code(eve, name) is None, name
        for spec in (BY_SOURCE, BY_NAME, BY_SECRET):
            run = (await eve.post("/execute?wait=20", json={"spec": spec})).json()
            assert (run["error"]["code"], run["error"]["details"]) == ("NOT_PERMITTED", {"permission": "workflows:write"}), run
        assert (await eve.post("/execute?wait=20", json={"spec": PURE})).json()["status"] == "succeeded"
    refused = (await client.get("/audit?outcome=denied")).json()["items"]
    assert [(item["actor"], item["details"]["permission"]) for item in refused] == [("eve", "workflows:write")] * 3


async def test_s147_a_key_bounds_the_runs_that_it_starts(client, app, ids):
    """S147, S19: the rights are those of the key and its owner together; the error names what is missing, and another may retry."""
    key = await mint(client, scopes=["workflows:execute", "runs:read"])
    async with speaking(app, {"X-API-Key": key["secret"]}) as program:
        assert await code(program, "pure") is None
        for name, missing in (
            ("by-source", "sources:use"),
            ("by-name", "collections:use"),
            ("by-secret", "secrets:use"),
            ("fills", "collections:use"),
        ):
            run = await ran(program, name)
            assert (run["error"]["code"], run["error"]["details"]["permission"]) == ("NOT_PERMITTED", missing)
        child = (await ran(program, "calls"))["error"]
        assert child["details"]["error"]["code"] == "NOT_PERMITTED"  # the child acts for the same key
    again = (await client.post(f"/runs/{run['id']}/retry", json={})).json()
    assert (await ended(client, again["id"]))["status"] == "succeeded"


async def test_s147_a_right_taken_away_is_missing_at_the_next_use(app, client, ids):
    """S147: the run waits meanwhile; what it was started with does not count any more."""
    async with working_as(app, client, "eve", "executor") as eve:
        me = (await eve.get("/auth/me")).json()["user_id"]
        run_id = (await eve.post("/workflows/asks/execute", json={})).json()["id"]
        await until(client, run_id, "run.waiting")
        await client.put(f"/tenants/current/members/{me}", json={"roles": ["viewer"]})
        assert (await answer(client, run_id, decision="approve"))[0] == 200
        run = await ended(client, run_id)
    assert (run["error"]["code"], run["error"]["details"]) == ("NOT_PERMITTED", {"permission": "sources:use"})


@pytest.mark.parametrize("end", ["deleted", "disabled", "removed", "key revoked"])
async def test_s45_a_run_that_waits_does_not_go_on_for_somebody_who_is_gone(app, client, ids, end):
    """S45: it fails with an error that says so, also where it would use nothing any more."""
    bob = (await hire(client, "bob", "executor"))["id"]
    async with speaking(app) as stranger, speaking(app, bearer(await sign_in(stranger, "bob"))) as person:
        key = await mint(person)
        async with speaking(app, {"X-API-Key": key["secret"]}) as program:
            run_id = await started_waiting(program, {**ASKS, "nodes": [ASKS["nodes"][0], {**PURE["nodes"][0], "id": "search"}]})
        if end == "key revoked":
            assert (await person.delete(f"/api-keys/{key['id']}")).status_code == 204
    if end == "deleted":
        assert (await client.delete(f"/users/{bob}")).status_code == 204
    elif end == "disabled":
        assert (await client.patch(f"/users/{bob}", json={"is_disabled": True})).status_code == 200
    elif end == "removed":
        assert (await client.delete(f"/tenants/current/members/{bob}")).status_code == 204
    assert (await answer(client, run_id, decision="approve"))[0] == 200
    run = await ended(client, run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "PRINCIPAL_GONE")


async def test_a_run_outlives_the_time_of_its_key(app, client, ids, later):
    """That nobody comes in by a key any more because it expired does not stop what was let in."""
    key = await mint(client, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    async with speaking(app, {"X-API-Key": key["secret"]}) as program:
        run_id = await started_waiting(program, ASKS)
        later(hours=2)
        assert (await program.get("/auth/me")).status_code == 401
    assert (await answer(client, run_id, decision="approve"))[0] == 200
    run = await ended(client, run_id)
    assert run["status"] == "succeeded", run


async def test_a_grant_on_a_workflow_is_one_on_what_it_uses(app, client, ids):
    """Who may run this one workflow runs it with its source; the same source by another workflow, or a child, is not granted."""
    await client.post("/roles", json={"name": "none", "permissions": []})
    async with working_as(app, client, "nell", "none") as nell:
        me = {"grantee_kind": "user", "grantee_id": (await nell.get("/auth/me")).json()["user_id"]}
        for name in ("by-source", "calls"):
            thing = {"resource_kind": "workflow", "resource_id": ids[name], "role": "executor"}
            assert (await client.post("/grants", json={**me, **thing})).status_code == 201
        assert await code(nell, "by-source") is None
        assert await code(nell, "calls") == "WORKFLOW_NOT_FOUND"


async def test_a_grant_on_one_source_or_collection_is_enough_for_runs(app, client, ids):
    """A role that starts runs and uses nothing: only what is granted one by one."""
    await client.post("/roles", json={"name": "starter", "permissions": ["workflows:execute", "runs:read"]})
    async with working_as(app, client, "nell", "starter") as nell:
        me = {"grantee_kind": "user", "grantee_id": (await nell.get("/auth/me")).json()["user_id"]}
        assert await code(nell, "by-name") == "NOT_PERMITTED"
        for kind, thing in (("collection", "texts"), ("source", "papers")):
            body = {**me, "resource_kind": kind, "resource_id": ids[thing], "role": "executor"}
            assert (await client.post("/grants", json=body)).status_code == 201
        assert await code(nell, "by-name") is None
        assert await code(nell, "by-source") is None
        assert await code(nell, "by-secret") == "NOT_PERMITTED"


async def test_a_service_account_starts_runs(app, client, ids):
    """Its key acts for it, with its role."""
    robot = (await client.post("/users", json={"username": "robot", "kind": "service", "roles": ["executor"]})).json()["id"]
    key = await mint(client, user_id=robot)
    async with speaking(app, {"X-API-Key": key["secret"]}) as program:
        assert await code(program, "by-source") is None


async def test_a_run_that_uses_nothing_asks_for_no_rights(client, ids, monkeypatch):
    """Pure chains pay nothing for it."""
    asked = []
    of = Principals.of

    async def counted(self, *whom):
        asked.append(whom)
        return await of(self, *whom)

    monkeypatch.setattr(Principals, "of", counted)
    assert await code(client, "pure") is None
    assert asked == []
    assert await code(client, "by-source") is None
    assert asked != []
