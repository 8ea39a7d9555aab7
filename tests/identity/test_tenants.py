"""Organisations: members, invitations, roles, teams, grants; and nobody where they do not belong."""

import asyncio

import pytest

from tests.identity.people import PASSWORD, bearer, hire, mint, one_database, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
CURRENT = "/tenants/current"


async def enter(app, client, tenant_id):
    """Return the headers of a session of the client's user in another organisation."""
    answer = await client.post("/auth/tenant", json={"tenant_id": tenant_id})
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["access_token"])


@pytest.fixture
async def ada(app, client):
    """Give a client of an owner who is signed in."""
    async with working_as(app, client, "ada", "owner") as person:
        yield person


async def test_somebody_makes_a_second_organisation_and_works_there(app, ada):
    """The session goes over; keys and data of one are not there in the other."""
    made = (await ada.post("/tenants", json={"name": "Second"})).json()
    key = await mint(ada)
    assert (await ada.post("/roles", json={"name": "support", "permissions": ["runs:read"]})).status_code == 201
    async with speaking(app, await enter(app, ada, made["id"])) as there:
        assert (await there.get("/auth/me")).json()["roles"] == ["owner"]
        assert (await there.get(CURRENT)).json()["name"] == "Second"
        assert (await there.get("/api-keys")).json()["items"] == []
        assert (await there.get(f"/api-keys/{key['id']}")).status_code == 404
        assert "support" not in {role["name"] for role in (await there.get("/roles")).json()["items"]}
        assert [item["username"] for item in (await there.get(f"{CURRENT}/members")).json()["items"]] == ["ada"]
    names = {item["name"] for item in (await ada.get("/tenants")).json()["items"]}
    assert names == {"default", "Second"}


async def test_a_name_of_an_organisation_is_taken_once(ada):
    """A second one of the same name is refused."""
    assert (await ada.post("/tenants", json={"name": "Second"})).status_code == 201
    again = await ada.post("/tenants", json={"name": "Second"})
    assert (again.status_code, again.json()["code"]) == (409, "TENANT_EXISTS")


async def test_s29_nobody_enters_an_organisation_of_others(app, client, ada):
    """Neither by switching nor by naming it in a path: what is foreign and what is missing look the same."""
    foreign = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
    async with working_as(app, client, "eve", "auditor") as eve:
        for tenant_id in (foreign, "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a", "x"):
            assert (await eve.post("/auth/tenant", json={"tenant_id": tenant_id})).status_code == 404
            for path in ("", "/members", "/invitations", "/members/x"):
                answer = await eve.get(f"/tenants/{tenant_id}{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "TENANT_NOT_FOUND"), path


async def test_an_invitation_is_accepted_once_by_whom_it_is_for(app, client, ada, stranger, mails, container):
    """S46: by registering or with an account; a second time, by somebody else, after being taken back, or in another organisation: never."""
    made = (await ada.post(f"{CURRENT}/invitations", json={"email": "Bob@Example.com", "roles": ["viewer"]})).json()
    await container.identity.post.settle()
    assert (mails[-1].to, made["token"] in mails[-1].text) == ("bob@example.com", True)
    body = {"email": "bob@example.com", "password": PASSWORD, "username": "bob", "invitation": made["token"]}
    other = await stranger.post("/auth/register", json={**body, "email": "eve@example.com"})
    assert (other.status_code, other.json()["code"]) == (403, "INVITATION_FOR_ANOTHER")
    joined = await stranger.post("/auth/register", json=body)
    assert joined.status_code == 201, joined.text
    async with speaking(app, bearer(joined.json())) as bob:
        assert (await bob.get("/auth/me")).json()["roles"] == ["viewer"]
        assert (await bob.post("/auth/invitation", json={"token": made["token"]})).status_code == 422
    again = await stranger.post("/auth/register", json={**body, "email": "bob2@example.com", "username": "bob2"})
    assert (again.status_code, again.json()["code"]) == (422, "INVITATION_NOT_GOOD")
    taken_back = (await ada.post(f"{CURRENT}/invitations", json={"email": "c@example.com", "roles": ["viewer"]})).json()
    assert (await ada.delete(f"{CURRENT}/invitations/{taken_back['id']}")).status_code == 204
    late = await stranger.post(
        "/auth/register", json={**body, "email": "c@example.com", "username": "carl", "invitation": taken_back["token"]}
    )
    assert late.json()["code"] == "INVITATION_NOT_GOOD"
    assert (await ada.get(f"{CURRENT}/invitations")).json()["items"] == []


async def test_an_invitation_ends_at_its_time(ada, stranger, later, mails):
    """After its days nobody comes in by it."""
    made = (await ada.post(f"{CURRENT}/invitations", json={"email": "b@example.com", "roles": ["viewer"]})).json()
    later(days=8)
    body = {"email": "b@example.com", "password": PASSWORD, "invitation": made["token"]}
    assert (await stranger.post("/auth/register", json=body)).json()["code"] == "INVITATION_NOT_GOOD"


async def test_somebody_with_an_account_joins_a_second_organisation(app, client, ada, mails):
    """The invitation makes the account a member there; its own organisation stays as it was."""
    second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
    await hire(client, "bob", "viewer", email="bob@example.com")
    async with speaking(app, await enter(app, ada, second)) as there, speaking(app) as nobody:
        made = (await there.post(f"{CURRENT}/invitations", json={"email": "bob@example.com", "roles": ["developer"]})).json()
        async with speaking(app, bearer(await sign_in(nobody, "bob"))) as bob:
            joined = await bob.post("/auth/invitation", json={"token": made["token"]})
            assert joined.json() == {"tenant_id": second}
            assert (await bob.get("/auth/me")).json()["roles"] == ["viewer"]
            async with speaking(app, await enter(app, bob, second)) as bob_there:
                assert (await bob_there.get("/auth/me")).json()["roles"] == ["developer"]


@one_database
@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("viewer", ["workflows:read", "runs:read"], ["workflows:write", "workflows:execute", "runs:cancel", "runs:approve", "users:read"]),
        ("executor", ["workflows:execute", "runs:approve"], ["workflows:write", "collections:write", "users:read"]),
        ("developer", ["workflows:write", "collections:write"], ["users:write", "members:write", "roles:write", "api-keys:manage"]),
        ("auditor", ["members:read", "roles:read", "users:read"], ["workflows:write", "members:write", "runs:cancel"]),
        ("admin", ["users:write", "members:write", "roles:write"], ["tenants:delete"]),
    ],
)
async def test_built_in_roles_allow_what_they_say(app, client, role, allowed, refused):
    """Each has its rights and no others."""
    async with working_as(app, client, "bob", role) as bob:
        permissions = (await bob.get("/auth/me")).json()["permissions"]
    assert set(allowed) <= set(permissions)
    assert set(refused).isdisjoint(permissions)


async def test_s34_a_viewer_changes_nothing(app, client):
    """Creating, running, cancelling, resuming, inviting and administering are refused by name of the permission."""
    async with working_as(app, client, "vera", "viewer") as vera:
        for method, path in (
            ("POST", "/workflows"),
            ("POST", "/execute"),
            ("POST", "/runs/x/cancel"),
            ("POST", "/runs/x/retry"),
            ("POST", "/runs/x/interrupt"),
            ("POST", "/users"),
            ("POST", "/roles"),
            ("POST", "/teams"),
            ("POST", "/grants"),
            ("POST", f"{CURRENT}/invitations"),
            ("PUT", f"{CURRENT}/members/x"),
        ):
            answer = await vera.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), path


async def test_a_custom_role_allows_what_it_lists(app, client):
    """It can be given, changed for all who have it, and deleted when nobody has it; built-in ones are left alone."""
    role = {"name": "support", "permissions": ["runs:read", "workflows:execute"]}
    assert (await client.post("/roles", json=role)).status_code == 201
    assert (await client.post("/roles", json=role)).json()["code"] == "ROLE_EXISTS"
    async with working_as(app, client, "bob", "support") as bob:
        assert (await bob.get("/auth/me")).json()["permissions"] == ["runs:read", "workflows:execute"]
        assert (await client.put("/roles/support", json={"permissions": ["runs:read"]})).status_code == 200
        assert (await bob.get("/auth/me")).json()["permissions"] == ["runs:read"]
        assert (await client.delete("/roles/support")).json()["code"] == "ROLE_IN_USE"
    for name in ("owner", "admin", "viewer"):
        assert (await client.delete(f"/roles/{name}")).json()["code"] == "ROLE_BUILT_IN"
        assert (await client.put(f"/roles/{name}", json={"permissions": []})).json()["code"] == "ROLE_BUILT_IN"
    assert (await client.get("/roles/nothing")).status_code == 404


async def test_s19_nobody_gives_what_they_do_not_have(app, client):
    """Neither by a role, nor an account, an invitation or a grant; and nobody touches who may do more."""
    owner_id = (await client.get("/auth/me")).json()["user_id"]
    limited = {"name": "helper", "permissions": ["members:write", "users:write", "roles:write", "grants:write", "runs:read"]}
    await client.post("/roles", json=limited)
    async with working_as(app, client, "hal", "helper") as hal:
        beyond = [
            await hal.post("/roles", json={"name": "more", "permissions": ["workflows:write"]}),
            await hal.put("/roles/helper", json={"permissions": ["workflows:write"]}),
            await hal.post("/users", json={"username": "puppet", "password": PASSWORD, "roles": ["admin"]}),
            await hal.post(f"{CURRENT}/invitations", json={"email": "p@example.com", "roles": ["owner"]}),
            await hal.put(f"{CURRENT}/members/{owner_id}", json={"roles": ["viewer"]}),
            await hal.delete(f"{CURRENT}/members/{owner_id}"),
            await hal.patch(f"/users/{owner_id}", json={"is_disabled": True}),
            await hal.patch(f"/users/{owner_id}", json={"password": PASSWORD}),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in beyond] == [(403, "BEYOND_OWN_RIGHTS")] * len(beyond)
        own_id = (await hal.get("/auth/me")).json()["user_id"]
        assert (await hal.put(f"{CURRENT}/members/{own_id}", json={"roles": ["helper"]})).json()["code"] == "OWN_ROLES"


async def test_s46_there_is_always_an_owner(app, client, ada):
    """The last owner is not removed, demoted, shut or deleted, also when two owners remove one another at once."""
    first, second = [(await person.get("/auth/me")).json()["user_id"] for person in (client, ada)]
    answers = await asyncio.gather(
        client.put(f"{CURRENT}/members/{second}", json={"roles": ["viewer"]}),
        ada.put(f"{CURRENT}/members/{first}", json={"roles": ["viewer"]}),
    )
    assert min(answer.status_code for answer in answers) == 200
    owners = [item for item in (await client.get(f"{CURRENT}/members")).json()["items"] if "owner" in item["roles"]]
    assert len(owners) >= 1
    left = owners[0]["user_id"]
    keeper = client if left == first else ada
    if len(owners) == 1:
        for answer in (
            await keeper.delete(f"{CURRENT}/members/{left}"),
            await keeper.patch(f"/users/{left}", json={"is_disabled": True}),
        ):
            assert answer.status_code in {403, 409}, answer.text


async def test_s45_a_removed_member_is_out(app, client, stranger):
    """Sessions and keys in the organisation open nothing any more."""
    async with working_as(app, client, "bob", "developer") as bob:
        key = await mint(bob)
        user_id = (await bob.get("/auth/me")).json()["user_id"]
        assert (await client.delete(f"{CURRENT}/members/{user_id}")).status_code == 204
        assert (await bob.get("/auth/me")).status_code == 401
        assert (await stranger.get("/auth/me", headers={"X-API-Key": key["secret"]})).status_code == 401
        assert (await stranger.post("/auth/login", json={"username": "bob", "password": PASSWORD})).status_code == 401


async def test_s45_a_deleted_organisation_lets_nobody_in(app, ada, stranger):
    """Its sessions and keys are dead; the one that runs the installation cannot be deleted."""
    assert (await ada.delete(CURRENT)).json()["code"] == "TENANT_RUNS_INSTALLATION"
    second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
    async with speaking(app, await enter(app, ada, second)) as there:
        key = await mint(there)
        assert (await there.delete(CURRENT)).status_code == 204
        assert (await there.get("/auth/me")).status_code == 401
    assert (await stranger.get("/auth/me", headers={"X-API-Key": key["secret"]})).status_code == 401


async def test_an_administrator_does_not_get_into_other_organisations(app, client, ada, mails):
    """S29: whoever administers an account sets no password of somebody who is a member elsewhere too."""
    second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
    bob_id = (await hire(client, "bob", "viewer", email="bob@example.com"))["id"]
    async with speaking(app, await enter(app, ada, second)) as there, speaking(app) as nobody:
        made = (await there.post(f"{CURRENT}/invitations", json={"email": "bob@example.com", "roles": ["developer"]})).json()
        async with speaking(app, bearer(await sign_in(nobody, "bob"))) as bob:
            await bob.post("/auth/invitation", json={"token": made["token"]})
        assert (await there.patch(f"/users/{bob_id}", json={"is_disabled": True})).status_code == 404
    answer = await client.patch(f"/users/{bob_id}", json={"password": "another long password entirely"})
    assert (answer.status_code, answer.json()["code"]) == (403, "MEMBER_ELSEWHERE")


async def test_teams_have_members_and_are_asked(app, client):
    """A member of a team is known by it, as questions to `group:…` need; outside the organisation nobody joins."""
    team = (await client.post("/teams", json={"name": "research"})).json()
    async with working_as(app, client, "bob", "executor") as bob:
        user_id = (await bob.get("/auth/me")).json()["user_id"]
        assert (await client.put(f"/teams/{team['id']}/members/{user_id}")).json()["members"] == [user_id]
        assert (await bob.get("/auth/me")).json()["teams"] == ["research"]
        assert (await client.put(f"/teams/{team['id']}/members/x")).status_code == 404
        assert (await client.delete(f"/teams/{team['id']}/members/{user_id}")).status_code == 204
        assert (await bob.get("/auth/me")).json()["teams"] == []
    assert (await client.post("/teams", json={"name": "research"})).json()["code"] == "TEAM_EXISTS"
    assert (await client.delete(f"/teams/{team['id']}")).status_code == 204
    assert (await client.get("/teams")).json()["items"] == []
