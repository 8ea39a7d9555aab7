"""Who sees a workflow: private ones, shares, links, public ones."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.apps import BASE
from tests.identity.people import bearer, hire, mint, one_database, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
SPEC = {"name": "plan", "nodes": [{"id": "a", "type": "input"}], "edges": [], "start_node": "a"}
CANARY = "sharing-canary-4711"
TALKS = {
    "name": "talks",
    "sources": [
        {"id": "shop", "kind": "http", "config": {"base_url": "https://shop.example", "auth": {"type": "bearer", "token": CANARY}}},
        {"id": "books", "kind": "db", "config": {"url": f"postgresql://reader:{CANARY}@db.example/books"}},
    ],
    "nodes": [
        {"id": "a", "type": "http", "source": "shop", "config": {"url": "/orders"}},
        {"id": "b", "type": "http", "config": {"url": "https://other.example", "headers": {"Authorization": f"Bearer {CANARY}"}}},
        {"id": "c", "type": "db", "source": "books", "config": {"operation": "select", "table": "books"}},
    ],
    "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
}


async def make(client, name="plan", spec=SPEC, **more):
    answer = await client.post("/workflows", json={"name": name, "spec": spec, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def actions(client, action):
    return [(item["actor"], item["details"]) for item in (await client.get(f"/audit?action={action}")).json()["items"]]


@asynccontextmanager
async def elsewhere(app, client, name="Second"):
    """Give a client of another organisation, whose owner has every permission there."""
    async with working_as(app, client, name.lower(), "owner") as person:
        tenant = (await person.post("/tenants", json={"name": name})).json()["id"]
        token = (await person.post("/auth/tenant", json={"tenant_id": tenant})).json()
    async with speaking(app, bearer(token)) as there:
        yield there


async def test_a_private_workflow_is_there_for_its_owner_alone(app, client):
    """Not in lists, not by id or name, not to start, not its runs or questions; another one of the same name is no obstacle."""
    async with working_as(app, client, "ada", "developer") as ada, working_as(app, client, "bob", "developer") as bob:
        mine = await make(ada, visibility="private")
        assert (mine["visibility"], mine["is_public"]) == ("private", False)
        asks = {**SPEC, "name": "asks", "nodes": [{"id": "a", "type": "human", "config": {"title": "Well?"}}]}
        asking = (await make(ada, "asks", asks, visibility="private"))["id"]
        run = (await ada.post(f"/workflows/{mine['id']}/execute?wait=20", json={"inputs": {"said": CANARY}})).json()["id"]
        await ada.post(f"/workflows/{asking}/execute?wait=1", json={})
        assert (await bob.get("/workflows")).json()["items"] == []
        assert (await bob.get("/runs?count=true")).json() == {"items": [], "next_cursor": None, "total": 0}
        assert (await bob.get("/interrupts")).json()["items"] == []
        for method, path in (
            ("GET", f"/workflows/{mine['id']}"),
            ("GET", "/workflows/plan"),
            ("GET", f"/workflows/{mine['id']}/export"),
            ("GET", f"/workflows/{mine['id']}/versions"),
            ("GET", f"/workflows/{mine['id']}/confirmation"),
            ("GET", f"/workflows/{mine['id']}/share"),
            ("PATCH", f"/workflows/{mine['id']}"),
            ("DELETE", f"/workflows/{mine['id']}"),
            ("POST", f"/workflows/{mine['id']}/execute"),
            ("POST", "/workflows/plan/execute"),
            ("POST", f"/workflows/{mine['id']}/fork"),
            ("GET", f"/runs/{run}"),
            ("GET", f"/runs/{run}/nodes"),
            ("GET", f"/runs/{run}/events"),
            ("POST", f"/runs/{run}/retry"),
        ):
            answer = await bob.request(method, path, **({"json": {}} if method in {"PATCH", "POST"} else {}))
            assert (answer.status_code, answer.json()["code"].partition("_")[0]) in {(404, "WORKFLOW"), (404, "RUN")}, (path, answer.text)
        assert CANARY not in (await bob.get("/runs")).text
        assert (await ada.get(f"/runs/{run}")).status_code == 200
        assert len((await ada.get("/interrupts")).json()["items"]) == 1
        own = await make(bob)
        assert (await bob.get("/workflows/plan")).json()["id"] == own["id"]
        assert (await bob.post("/workflows/plan/execute?wait=20", json={})).json()["workflow_id"] == own["id"]
        assert (await ada.get("/workflows/plan")).json()["code"] == "AMBIGUOUS_NAME"
        assert (await client.get(f"/workflows/{mine['id']}")).status_code == 200
        assert [item["id"] for item in (await ada.get("/workflows?owner=me&visibility=private&q=plan")).json()["items"]] == [mine["id"]]


async def test_values_of_private_runs_are_there_for_who_sees_the_run(app, client):
    """Too large for their run, they lie beside it: not in lists, not by their id, not by a link, and not to delete, until it is shared."""
    async with working_as(app, client, "ada", "developer") as ada, working_as(app, client, "bob", "developer") as bob:
        mine = (await make(ada, visibility="private"))["id"]
        asked = {"inputs": {"said": CANARY * 30_000}}
        run = (await ada.post(f"/workflows/{mine}/execute?wait=20", json=asked)).json()["id"]
        values = (await ada.get(f"/artifacts?run_id={run}")).json()["items"]
        assert values
        path = f"/artifacts/{values[0]['id']}"
        hidden = await bob.get(f"/artifacts?run_id={run}&count=true")
        assert (hidden.status_code, hidden.json()) == (200, {"items": [], "next_cursor": None, "total": 0})
        for method, place in (("GET", path), ("GET", f"{path}/content"), ("POST", f"{path}/link"), ("DELETE", path)):
            answer = await bob.request(method, place)
            assert (answer.status_code, answer.json()["code"]) == (404, "ARTIFACT_NOT_FOUND"), place
        shared = await ada.post(f"/workflows/{mine}/share", json={"user": "bob", "role": "viewer"})
        assert shared.status_code == 201, shared.text
        assert (await bob.get(f"/artifacts?run_id={run}")).json()["items"] == values
        assert CANARY in (await bob.get(f"{path}/content")).text
        assert (await ada.delete(path)).json()["code"] == "ARTIFACT_OF_RUN"


async def test_a_private_workflow_is_shared_with_a_member_and_taken_back(app, client):
    """The owner shares it, whoever gets it does what the role allows, sees its runs, and lists what is shared; then nothing is left."""
    await hire(client, "bob", "viewer")
    async with working_as(app, client, "ada", "developer") as ada, speaking(app) as stranger:
        mine = (await make(ada, visibility="private"))["id"]
        run = (await ada.post(f"/workflows/{mine}/execute?wait=20", json={})).json()["id"]
        async with speaking(app, bearer(await sign_in(stranger, "bob"))) as bob:
            assert (await bob.get(f"/workflows/{mine}")).status_code == 404
            shared = await ada.post(f"/workflows/{mine}/share", json={"user": "bob", "role": "executor"})
            assert (shared.status_code, shared.json()["name"], shared.json()["role"]) == (201, "bob", "executor"), shared.text
            again = await ada.post(f"/workflows/{mine}/share", json={"user": "bob", "role": "viewer"})
            assert again.json()["code"] == "GRANT_EXISTS"
            assert [item["id"] for item in (await bob.get("/workflows?owner=others")).json()["items"]] == [mine]
            assert (await bob.get(f"/runs/{run}")).status_code == 200
            assert (await bob.post(f"/workflows/{mine}/execute?wait=20", json={})).status_code == 200
            assert (await bob.patch(f"/workflows/{mine}", json={"description": "x"})).status_code == 403
            assert (await bob.get(f"/workflows/{mine}/share")).status_code == 403
            seen = (await ada.get(f"/workflows/{mine}/share")).json()
            assert [(item["name"], item["role"]) for item in seen["shares"]] == [("bob", "executor")]
            assert (await ada.delete(f"/workflows/{mine}/share/{shared.json()['id']}")).status_code == 204
            assert (await ada.delete(f"/workflows/{mine}/share/{shared.json()['id']}")).json()["code"] == "GRANT_NOT_FOUND"
            for path in (f"/workflows/{mine}", f"/runs/{run}"):
                assert (await bob.get(path)).status_code == 404
    (shared,), (unshared,) = await actions(client, "workflow.shared"), await actions(client, "workflow.unshared")
    assert (shared[0], shared[1]["role"], unshared[0]) == ("ada", "executor", "ada")


async def test_s45_shares_go_with_the_team_the_membership_and_the_user(app, client):
    """S45: deleting a team, removing a member and deleting an account take what was shared with them."""
    mine = (await make(client, visibility="private"))["id"]
    team = (await client.post("/teams", json={"name": "research"})).json()["id"]
    users = {}
    async with speaking(app) as stranger:
        for name in ("ada", "bob"):
            users[name] = (await hire(client, name, "viewer"))["id"]
        async with speaking(app, bearer(await sign_in(stranger, "ada"))) as ada:
            await client.put(f"/teams/{team}/members/{users['ada']}")
            assert (await client.post(f"/workflows/{mine}/share", json={"team": "research", "role": "viewer"})).status_code == 201
            assert (await ada.get(f"/workflows/{mine}")).status_code == 200
            await client.delete(f"/teams/{team}")
            assert (await ada.get(f"/workflows/{mine}")).status_code == 404
            for name in users:
                assert (await client.post(f"/workflows/{mine}/share", json={"user": name, "role": "viewer"})).status_code == 201
            await client.delete(f"/tenants/current/members/{users['ada']}")
            await client.delete(f"/users/{users['bob']}")
            assert (await ada.get(f"/workflows/{mine}")).status_code in {401, 404}
    assert (await client.get(f"/workflows/{mine}/share")).json()["shares"] == []


@one_database
async def test_nobody_shares_what_they_may_not(app, client):
    """A role beyond one's own rights, a workflow of others, strangers, and bad input are refused."""
    await hire(client, "bob")
    async with working_as(app, client, "ada", "developer") as ada, working_as(app, client, "vera", "viewer") as vera:
        mine, theirs = (await make(ada))["id"], (await make(client, "theirs", visibility="private"))["id"]
        beyond = await ada.post(f"/workflows/{mine}/share", json={"user": "bob", "role": "admin"})
        assert (beyond.status_code, beyond.json()["code"]) == (403, "BEYOND_OWN_RIGHTS")
        assert (await ada.post(f"/workflows/{mine}/links", json={"role": "owner"})).json()["code"] == "BEYOND_OWN_RIGHTS"
        assert (await ada.post(f"/workflows/{theirs}/share", json={"user": "bob", "role": "viewer"})).status_code == 404
        assert (await vera.put(f"/workflows/{mine}/share", json={"visibility": "private"})).status_code == 403
        for body, code in (
            ({"user": "nobody", "role": "viewer"}, "GRANTEE_NOT_FOUND"),
            ({"team": "nobody", "role": "viewer"}, "GRANTEE_NOT_FOUND"),
            ({"user": "bob", "role": "nothing"}, "UNKNOWN_ROLE"),
            ({"user": "bob", "role": "viewer", "expires_at": "2000-01-01T00:00:00Z"}, "INVALID"),
            ({"user": "bob", "team": "x", "role": "viewer"}, "INVALID"),
            ({"role": "viewer"}, "INVALID"),
            ({"user": "bob", "role": "No Role"}, "INVALID"),
        ):
            assert (await ada.post(f"/workflows/{mine}/share", json=body)).json()["code"] == code, body
        assert (await ada.post(f"/workflows/{mine}/links", json={"expires_at": "2000-01-01T00:00:00Z"})).json()["code"] == "INVALID"
        assert (await ada.delete(f"/workflows/{mine}/links/{mine}")).json()["code"] == "LINK_NOT_FOUND"
        assert (await ada.put(f"/workflows/{mine}/share", json={"visibility": "secret"})).status_code == 422


async def test_a_link_opens_a_workflow_for_a_stranger_until_it_is_revoked(app, client, anonymous, container):
    """Read-only, without secrets and without anything of the organisation; only a hash is stored; each opening counts."""
    made = await make(client, "talks", TALKS, description="Talks to a shop.")
    path = f"/workflows/{made['id']}"
    answer = await client.post(f"{path}/links", json={"max_uses": 50})
    link = answer.json()
    assert (answer.status_code, answer.headers["cache-control"], link["role"]) == (201, "no-store", "viewer")
    assert link["url"].endswith(f"/api/v1/shared/workflow?token={link['token']}")
    shown = await anonymous.get(link["url"])
    assert shown.status_code == 200, shown.text
    assert CANARY not in shown.text
    seen = shown.json()
    assert (seen["name"], seen["description"], seen["uses"]["hosts"]) == (
        "talks",
        "Talks to a shop.",
        ["db.example", "other.example", "shop.example"],
    )
    assert not {"owner_id", "tenant_id"} & seen.keys()
    assert seen["spec"]["sources"][0]["config"]["auth"]["token"] == "{{ secrets.SHOP_TOKEN }}"
    assert seen["spec"]["sources"][1]["config"]["url"] == "postgresql://reader:{{ secrets.BOOKS_PASSWORD }}@db.example/books"
    (listed,) = (await client.get(f"{path}/share")).json()["links"]
    assert (listed["uses"], "token" in listed, listed["last_used_at"] is None) == (1, False, False)
    async with container.database.reading() as session:
        from agentflow.workflows.sharing.models import LinkRow

        stored = await session.get(LinkRow, link["id"])
        assert link["token"] not in json.dumps([stored.secret_hash, stored.role])
    assert (await client.delete(f"{path}/links/{link['id']}")).status_code == 204
    for token in (link["token"], link["token"][:-1], "afw_", "nothing", "afw_\ud800".encode("utf-8", "replace").decode()):
        gone = await anonymous.get("/api/v1/shared/workflow", params={"token": token})
        assert (gone.status_code, gone.json()["code"]) == (404, "LINK_NOT_FOUND")
    assert [actor for actor, _ in await actions(client, "workflow.link-created")] == ["owner"]
    assert [actor for actor, _ in await actions(client, "workflow.link-revoked")] == ["owner"]
    assert link["token"] not in json.dumps(await actions(client, "workflow"))


async def test_s108_who_opens_a_link_is_written_down_once_an_hour(app, client, later):
    """By the address, for who opens it shows no account; further looks of the same visitor are counted, and so is what opens nothing not."""
    made = await make(client)
    first, second = [(await client.post(f"/workflows/{made['id']}/links", json={})).json() for _ in range(2)]

    async def opened(address, link):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as visitor:
            return (await visitor.get("/api/v1/shared/workflow", params={"token": link["token"]})).status_code

    for address, link in (("192.0.2.7", first), ("192.0.2.7", first), ("192.0.2.8", first), ("192.0.2.7", second)):
        assert await opened(address, link) == 200
    assert await opened("192.0.2.9", {"token": first["token"][:-1]}) == 404
    found = (await client.get("/audit?action=workflow.link-opened")).json()["items"]
    assert {(item["actor"], item["resource_id"]) for item in found} == {("", made["id"])}
    assert sorted((item["address"], item["details"]["link_id"]) for item in found) == sorted(
        [("192.0.2.7", first["id"]), ("192.0.2.8", first["id"]), ("192.0.2.7", second["id"])]
    )
    later(hours=1)
    assert await opened("192.0.2.7", first) == 200
    assert len((await client.get("/audit?action=workflow.link-opened")).json()["items"]) == 4
    assert [link["uses"] for link in (await client.get(f"/workflows/{made['id']}/share")).json()["links"]] == [1, 4]


async def test_s32_a_link_ends_with_its_time_its_uses_and_what_it_leads_to(app, client, anonymous, later):
    """S32: expiry, the last use, privacy, the bin and the membership of its maker each shut it, and the answer is the same."""

    async def opened(link):
        return (await anonymous.get("/api/v1/shared/workflow", params={"token": link["token"]})).status_code

    async with working_as(app, client, "ada", "developer") as ada:
        path = f"/workflows/{(await make(ada))['id']}"

        async def link(person=client, **more):
            return (await person.post(f"{path}/links", json=more)).json()

        twice = await link(max_uses=2)
        answers = await asyncio.gather(*(opened(twice) for _ in range(5)))
        assert sorted(answers) == [200, 200, 404, 404, 404]
        hers, ours = await link(ada), await link()
        assert [await opened(each) for each in (hers, ours)] == [200, 200]
        me = (await ada.get("/auth/me")).json()["user_id"]
        await client.delete(f"/tenants/current/members/{me}")
        assert [await opened(each) for each in (hers, ours)] == [404, 200]
        await client.delete(path)
        assert await opened(ours) == 404
        await client.post(f"{path}/restore")
        assert await opened(ours) == 200
        private = await client.put(f"{path}/share", json={"visibility": "private"})
        assert (private.json()["visibility"], private.json()["links"]) == ("private", [])
        assert await opened(ours) == 404
        refused = await client.post(f"{path}/links", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "WORKFLOW_PRIVATE")
        await client.put(f"{path}/share", json={"visibility": "organisation"})
        assert await opened(ours) == 404
        short = await link(expires_at="2100-01-01T00:00:00Z")
        assert await opened(short) == 200
        later(days=365 * 100)
        assert await opened(short) == 404


async def test_a_member_takes_on_the_role_of_a_link(app, client, later):
    """It is a share that ends with the link, and never more than its maker may give now."""
    await client.post("/roles", json={"name": "none", "permissions": []})
    async with working_as(app, client, "nell", "none") as nell, working_as(app, client, "ada", "developer") as ada:
        path = f"/workflows/{(await make(ada))['id']}"
        link = (await ada.post(f"{path}/links", json={"role": "executor"})).json()
        assert (await nell.get(path)).status_code == 403
        taken = await nell.post("/shared/workflow/accept", json={"token": link["token"]})
        assert (taken.status_code, taken.json()["role"], taken.json()["link_id"]) == (201, "executor", link["id"]), taken.text
        assert (await nell.post(f"{path}/execute?wait=20", json={})).status_code == 200
        assert (await nell.post("/shared/workflow/accept", json={"token": link["token"]})).json()["code"] == "GRANT_EXISTS"
        assert (await ada.delete(f"{path}/links/{link['id']}")).status_code == 204
        assert (await nell.get(path)).status_code == 403
        another = (await ada.post(f"{path}/links", json={"role": "developer"})).json()
        me = (await ada.get("/auth/me")).json()["user_id"]
        await client.put(f"/tenants/current/members/{me}", json={"roles": ["viewer"]})
        refused = await nell.post("/shared/workflow/accept", json={"token": another["token"]})
        assert (refused.status_code, refused.json()["code"]) == (404, "LINK_NOT_FOUND")
        async with elsewhere(app, client) as there:
            assert (await there.post("/shared/workflow/accept", json={"token": another["token"]})).status_code == 403
    assert [actor for actor, _ in await actions(client, "workflow.link-accepted")] == ["nell"]


async def test_a_public_workflow_is_seen_by_everybody_until_it_is_private(app, client, anonymous):
    """By its address without a credential, in the list for whoever is signed in, and no more of it than it shows."""
    made = await make(client, "talks", TALKS)
    await make(client, "other")
    path = f"/workflows/{made['id']}"
    url = f"/api/v1/shared/workflows/{made['id']}"
    assert (await anonymous.get(url)).json()["code"] == "WORKFLOW_NOT_FOUND"
    public = (await client.put(f"{path}/share", json={"visibility": "public"})).json()
    assert public["public_url"].endswith(url)
    assert ((await client.get(path)).json()["visibility"], (await client.get(path)).json()["is_public"]) == ("public", True)
    shown = await anonymous.get(url)
    assert (shown.status_code, shown.json()["name"], CANARY in shown.text) == (200, "talks", False)
    async with elsewhere(app, client) as there:
        listed = (await there.get("/shared/workflows?count=true&q=TALK")).json()
        assert ([item["id"] for item in listed["items"]], listed["total"]) == ([made["id"]], 1)
        assert "spec" not in listed["items"][0]
        assert (await there.get("/workflows")).json()["items"] == []
        for method, inside in (
            ("GET", path),
            ("PATCH", path),
            ("POST", f"{path}/execute"),
            ("GET", f"{path}/share"),
            ("GET", f"{path}/versions"),
        ):
            answer = await there.request(method, inside, **({"json": {}} if method in {"PATCH", "POST"} else {}))
            assert answer.status_code == 404, inside
    assert (await anonymous.get("/api/v1/shared/workflows")).status_code == 401
    await client.put(f"{path}/share", json={"visibility": "private"})
    assert (await anonymous.get(url)).status_code == 404
    assert [details["to"] for _, details in await actions(client, "workflow.visibility-changed")] == ["private", "public"]


async def test_nothing_public_is_left_of_a_deleted_organisation(app, client, anonymous):
    """Neither its public workflows nor its links open any more, and its runs that wait are cancelled."""
    waits = {**SPEC, "name": "waits", "nodes": [{"id": "a", "type": "wait_for_event", "config": {"event": "never"}}]}
    async with elsewhere(app, client) as there:
        path = f"/workflows/{(await make(there, 'waits', waits))['id']}"
        link = (await there.post(f"{path}/links", json={})).json()["token"]
        await there.put(f"{path}/share", json={"visibility": "public"})
        assert (await anonymous.get("/api/v1/shared/workflow", params={"token": link})).status_code == 200
        assert (await there.delete("/tenants/current")).status_code == 204
    assert (await anonymous.get("/api/v1/shared/workflow", params={"token": link})).status_code == 404
    assert (await anonymous.get(f"/api/v1/shared{path}")).status_code == 404


@one_database
async def test_s19_a_key_with_scopes_sees_private_workflows_of_others_only_with_the_right(app, client):
    """An administrator's key that cannot administer is like anybody's."""
    async with working_as(app, client, "ada", "developer") as ada:
        mine = (await make(ada, visibility="private"))["id"]
        assert (await client.get(f"/workflows/{mine}")).status_code == 200
        for scopes, status in ((["workflows:read"], 404), (["workflows:read", "grants:read"], 200)):
            key = await mint(client, scopes=scopes)
            async with speaking(app, {"X-API-Key": key["secret"]}) as program:
                assert (await program.get(f"/workflows/{mine}")).status_code == status


async def test_a_refusal_to_delete_does_not_name_private_workflows(app, client):
    """Who deletes what a private workflow of somebody else uses learns that one does, not which."""
    await client.post("/variables", json={"name": "greeting", "value": "hi"})
    uses = {**SPEC, "nodes": [{"id": "a", "type": "transform", "config": {"value": "{{ vars.greeting }}"}}]}
    async with working_as(app, client, "ada", "developer") as ada, working_as(app, client, "bob", "developer") as bob:
        await make(ada, "hush-hush", uses, visibility="private")
        refused = await bob.delete("/variables/greeting")
        assert (refused.status_code, "hush" in refused.text) == (409, False)


@one_database
async def test_s35_who_only_looks_sees_no_secret_that_is_written_out(app, client):
    """S35: not in the workflow, its list, its nodes, its history, differences, export or use; who changes it sees what is there."""
    made = await make(client, "talks", TALKS)
    path = f"/workflows/{made['id']}"
    await client.patch(path, json={"spec": {**TALKS, "sources": [*TALKS["sources"][1:], TALKS["sources"][0]]}})
    async with working_as(app, client, "vera", "viewer") as vera:
        for inside in ("", "/nodes", "/edges", "/versions/1", "/versions", "/diff?from=1&to=2", "/export", "/confirmation"):
            answer = await vera.get(path + inside)
            assert (answer.status_code, CANARY in answer.text) == (200, False), inside
        assert CANARY not in (await vera.get("/workflows")).text
    assert CANARY in (await client.get(path)).text
    assert CANARY not in (await client.get(f"{path}/export")).text


async def test_f22_sharing_again_with_the_same_key_gives_the_same_answer(app, client):
    """Shares, links with their token, copies, imports and what a link gives are made once, also when asked for at once."""
    made = await make(client)
    async with working_as(app, client, "ada", "developer") as ada:
        link = (await client.post(f"/workflows/{made['id']}/links", json={"role": "executor", "max_uses": 1})).json()
        await hire(client, "bob", "viewer")
        requests = (
            (client, f"/workflows/{made['id']}/share", {"user": "bob", "role": "viewer"}),
            (client, f"/workflows/{made['id']}/links", {"role": "viewer"}),
            (client, f"/workflows/{made['id']}/fork", {"name": "copy"}),
            (client, "/workflows/fork", {"source_id": made["id"], "name": "another"}),
            (client, "/workflows/import", {**SPEC, "name": "imported"}),
            (ada, "/shared/workflow/accept", {"token": link["token"]}),
        )
        for number, (person, path, body) in enumerate(requests):
            key = {"Idempotency-Key": f"k-{number}"}
            answers = await asyncio.gather(*(person.post(path, json=body, headers=key) for _ in range(4)))
            assert {answer.status_code for answer in answers} == {201}, (path, [answer.text for answer in answers])
            assert len({answer.text for answer in answers}) == 1, path
            assert (await person.post(path, json=body, headers=key)).text == answers[0].text, path
            other = await person.post(path, content=json.dumps(body) + " ", headers={**key, "Content-Type": "application/json"})
            assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED", path
    seen = (await client.get(f"/workflows/{made['id']}/share")).json()
    assert (len(seen["shares"]), len(seen["links"])) == (2, 2)
    assert len((await client.get("/workflows")).json()["items"]) == 4
