"""API keys: shown once, cut down to scopes, rotated, revoked; and service accounts."""

import asyncio

import pytest

from agentflow.bootstrap.container import open_container
from agentflow.interfaces.rest.app import create_app
from tests.identity.people import bearer, hire, mint, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")


async def test_s18_a_key_is_shown_once_and_works(client, app):
    """Its secret is in the answer that makes it and nowhere else; it has 256 random bits behind its prefix."""
    made = await mint(client)
    assert made["secret"].startswith(made["prefix"])
    assert len(made["secret"]) >= 4 + 43
    for path in ("/api-keys", f"/api-keys/{made['id']}"):
        text = (await client.get(path)).text
        assert made["secret"] not in text
        assert "secret" not in text
    async with speaking(app, {"X-API-Key": made["secret"]}) as program:
        me = (await program.get("/auth/me")).json()
        assert (me["credential"], me["credential_id"]) == ("key", made["id"])


async def test_s18_scopes_cut_a_key_down(client, app):
    """A key with scopes may do these alone, whoever it stands for."""
    made = await mint(client, scopes=["workflows:read"])
    async with speaking(app, {"X-API-Key": made["secret"]}) as program:
        assert (await program.get("/auth/me")).json()["permissions"] == ["workflows:read"]
        assert (await program.get("/workflows")).status_code == 200
        for method, path in (("GET", "/runs"), ("GET", "/users"), ("POST", "/tenants"), ("GET", "/sessions")):
            answer = await program.request(method, path, **({"json": {"name": "x"}} if method == "POST" else {}))
            assert answer.status_code == 403, path


async def test_a_refused_key_says_whether_its_scopes_or_its_user_lack_the_right(client, app):
    """What the user has and the key has not is to be had by another key, made as the answer says; the rest by an administrator."""
    async with working_as(app, client, "vera", "viewer") as vera:
        narrow, whole = await mint(vera, scopes=["workflows:read"]), await mint(vera)
        async with speaking(app, {"X-API-Key": narrow["secret"]}) as program:
            short, beyond = (await program.get("/runs")).json(), (await program.get("/users")).json()
        assert short["detail"] == "This key lacks the scope runs:read, which its user has."
        assert "agentflow keys create" in short["hint"]
        assert "--scope runs:read" in short["hint"]
        wider = await mint(vera, scopes=["runs:read"])
        async with speaking(app, {"X-API-Key": wider["secret"]}) as program:
            assert (await program.get("/runs")).status_code == 200
        async with speaking(app, {"X-API-Key": whole["secret"]}) as program:
            everything = (await program.get("/users")).json()
    for answer in (beyond, everything):
        assert (answer["detail"], answer["hint"]) == (
            "This needs the permission users:read.",
            "Ask an administrator of your organisation for it.",
        )


async def test_s18_a_key_ends_at_its_time(client, stranger, later):
    """After `expires_at` it opens nothing; one that would have ended already is not made."""
    made = await mint(client, expires_at="2100-01-01T00:00:00Z", rotation_days=0)
    assert (await stranger.get("/auth/me", headers={"X-API-Key": made["secret"]})).status_code == 200
    late = await client.post("/api-keys", json={"name": "x", "expires_at": "2000-01-01T00:00:00Z"})
    assert late.status_code == 422
    later(days=365 * 90)
    assert (await stranger.get("/auth/me", headers={"X-API-Key": made["secret"]})).status_code == 401


async def test_s18_a_revoked_key_is_dead_on_every_process_within_five_seconds(client, settings, stranger, later):
    """At once where it was revoked, and elsewhere before five seconds are over."""
    made = await mint(client)
    headers = {"X-API-Key": made["secret"]}
    async with open_container(settings) as second, speaking(create_app(second), headers) as elsewhere:
        assert (await elsewhere.get("/auth/me")).status_code == 200
        assert (await client.delete(f"/api-keys/{made['id']}")).status_code == 204
        assert (await stranger.get("/auth/me", headers=headers)).status_code == 401
        later(seconds=5)
        assert (await elsewhere.get("/auth/me")).status_code == 401
    assert (await client.get(f"/api-keys/{made['id']}")).json()["revoked_at"] is not None
    assert (await client.post(f"/api-keys/{made['id']}/rotate", json={})).status_code == 409


async def test_a_rotated_key_has_two_secrets_for_a_while(client, stranger, later):
    """The new one works at once, the old one for the days of grace."""
    made = await mint(client, rotation_days=0)
    fresh = (await client.post(f"/api-keys/{made['id']}/rotate", json={"grace_days": 7})).json()
    old, new = {"X-API-Key": made["secret"]}, {"X-API-Key": fresh["secret"]}
    assert fresh["id"] == made["id"]
    assert fresh["previous_until"] is not None
    later(days=6.9)
    for headers in (old, new):
        assert (await stranger.get("/auth/me", headers=headers)).status_code == 200
    later(days=0.2)
    assert (await stranger.get("/auth/me", headers=old)).status_code == 401
    assert (await stranger.get("/auth/me", headers=new)).status_code == 200
    at_once = (await client.post(f"/api-keys/{made['id']}/rotate", json={"grace_days": 0})).json()
    assert (await stranger.get("/auth/me", headers=new)).status_code in {200, 401}  # remembered for some seconds
    later(seconds=5)
    assert (await stranger.get("/auth/me", headers=new)).status_code == 401
    assert (await stranger.get("/auth/me", headers={"X-API-Key": at_once["secret"]})).status_code == 200


async def test_a_key_is_to_be_rotated_on_schedule(client, app, later):
    """By default after 90 days with 7 days of grace: a program rotates its own key by then, or it is refused."""
    lazy, busy = await mint(client), await mint(client)
    assert lazy["rotation_days"] == 90
    later(days=96)
    async with speaking(app, {"X-API-Key": busy["secret"]}) as program:
        fresh = await program.post(f"/api-keys/{busy['id']}/rotate", json={})
        assert fresh.status_code == 200, fresh.text
    later(days=2)
    async with speaking(app, {"X-API-Key": lazy["secret"]}) as program:
        assert (await program.get("/auth/me")).status_code == 401
    async with speaking(app, {"X-API-Key": fresh.json()["secret"]}) as program:
        assert (await program.get("/auth/me")).status_code == 200


async def test_s19_nobody_makes_a_key_beyond_their_own_rights(app, client):
    """A scope that the maker lacks is refused; what is no permission is too; a restricted key makes none that may do more."""
    async with working_as(app, client, "vera", "viewer") as vera:
        for scope in ("workflows:write", "users:write", "tenants:delete"):
            answer = await vera.post("/api-keys", json={"name": "x", "scopes": ["workflows:read", scope]})
            assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_NOT_HELD")
        for scope in ("*", "/*", "admin", "workflows:*", ""):
            assert (await vera.post("/api-keys", json={"name": "x", "scopes": [scope]})).status_code == 422
        owner_id = (await client.get("/auth/me")).json()["user_id"]
        assert (await vera.post("/api-keys", json={"name": "x", "user_id": owner_id})).status_code == 403
        narrow = await mint(vera, scopes=["api-keys:read", "api-keys:write"])
    async with speaking(app, {"X-API-Key": narrow["secret"]}) as program:
        assert (await mint(program))["scopes"] == ["api-keys:read", "api-keys:write"]


async def test_s19_a_key_may_do_what_its_owner_may_now(app, client, later):
    """A role that is taken away is taken from the keys too, and a role that is given back comes back."""
    async with working_as(app, client, "dora", "developer") as dora:
        made = await mint(dora, scopes=["workflows:read", "workflows:write"])
        user_id = (await dora.get("/auth/me")).json()["user_id"]
        async with speaking(app, {"X-API-Key": made["secret"]}) as program:
            assert (await program.get("/auth/me")).json()["permissions"] == ["workflows:read", "workflows:write"]
            await client.put(f"/tenants/current/members/{user_id}", json={"roles": ["viewer"]})
            assert (await program.get("/auth/me")).json()["permissions"] == ["workflows:read"]
            await client.put(f"/tenants/current/members/{user_id}", json={"roles": ["admin"]})
            assert (await program.get("/auth/me")).json()["permissions"] == ["workflows:read", "workflows:write"]


async def test_keys_of_others_are_not_there(app, client):
    """Whoever may not manage keys sees, rotates and revokes only their own: another's is missing, not forbidden."""
    made = await mint(client)
    async with working_as(app, client, "dora", "developer") as dora:
        assert (await dora.get("/api-keys")).json()["items"] == []
        assert (await dora.get("/api-keys?everybody=true")).status_code == 403
        for method, path in (("GET", ""), ("POST", "/rotate"), ("DELETE", "")):
            answer = await dora.request(method, f"/api-keys/{made['id']}{path}", **({"json": {}} if path else {}))
            assert (answer.status_code, answer.json()["code"]) == (404, "API_KEY_NOT_FOUND")
        mine = await mint(dora)
    listed = (await client.get("/api-keys?everybody=true&count=true")).json()
    assert {made["id"], mine["id"]} <= {item["id"] for item in listed["items"]}


async def test_an_administrator_gains_nothing_by_rotating_an_owners_key(app, client):
    """Whoever may manage keys revokes those of others, but is not shown the secret of one that may do more."""
    made = await mint(client)
    async with working_as(app, client, "adam", "admin") as adam:
        answer = await adam.post(f"/api-keys/{made['id']}/rotate", json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_NOT_HELD")
        assert (await adam.delete(f"/api-keys/{made['id']}")).status_code == 204


async def test_a_service_account_has_keys_and_no_password(app, client, stranger):
    """It cannot sign in; a key that an administrator makes for it may do what its roles allow."""
    robot = await client.post("/users", json={"username": "robot", "kind": "service", "roles": ["executor"]})
    assert robot.status_code == 201, robot.text
    assert (await client.post("/users", json={"username": "r2", "kind": "service", "password": "x" * 20, "roles": []})).status_code == 422
    key = await mint(client, user_id=robot.json()["id"])
    assert key["username"] == "robot"
    async with speaking(app, {"X-API-Key": key["secret"]}) as program:
        me = (await program.get("/auth/me")).json()
        assert (me["username"], me["roles"]) == ("robot", ["executor"])
    assert (await stranger.post("/auth/login", json={"username": "robot", "password": ""})).status_code == 401
    await hire(client, "dora", "developer")
    async with speaking(app, bearer(await sign_in(stranger, "dora"))) as dora:
        refused = await dora.post("/api-keys", json={"name": "x", "user_id": robot.json()["id"]})
        assert refused.status_code == 403


async def test_the_use_of_a_key_is_noted(container, client, app):
    """When it was used last is there for everybody to see who looks for keys that nobody needs."""
    made = await mint(client)
    assert made["last_used_at"] is None
    async with speaking(app, {"X-API-Key": made["secret"]}) as program:
        await program.get("/auth/me")
    await container.identity.api_keys.close()
    assert (await client.get(f"/api-keys/{made['id']}")).json()["last_used_at"] is not None


async def test_the_uses_of_many_keys_are_noted_together(container, client, app, monkeypatch):
    """Thirty programs that come at once cost a few transactions beside their requests, not one each before the next may go on."""
    made = [await mint(client) for _ in range(30)]
    bulk, noted = container.database.bulk, []

    async def counted(work):
        noted.append(work)
        return await bulk(work)

    monkeypatch.setattr(container.database, "bulk", counted)
    async with speaking(app, {}) as programs:
        await asyncio.gather(*(programs.get("/auth/me", headers={"X-API-Key": key["secret"]}) for key in made))
    await container.identity.api_keys.close()
    keys = (await client.get("/api-keys?limit=100")).json()["items"]
    assert all(key["last_used_at"] for key in keys if key["id"] in {each["id"] for each in made})
    assert 1 <= len(noted) <= 10
