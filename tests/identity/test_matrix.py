"""S28: every route of the API, called by those whom it is not for.

The rows are made from the routes and the OpenAPI document; a route that has no gate and is not named here fails.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from agentflow.identity.auth import authenticate
from agentflow.identity.builtin_roles import PERMISSIONS, BuiltinRole
from agentflow.identity.permissions import Permission
from agentflow.interfaces.rest.router import routes
from tests.identity.people import bearer, mint, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def settings(settings):
    """Let guests in."""
    return settings.model_copy(update={"guest_access": True})


PUBLIC = {
    "GET /.well-known/jwks.json",
    "GET /api/v1/artifacts/{artifact_id}/download",
    "GET /api/v1/auth/link",
    "GET /api/v1/shared/workflow",
    "GET /api/v1/shared/workflows/{workflow_id}",
    "GET /health/live",
    "GET /health/ready",
    "POST /api/v1/auth/email/verify",
    "POST /api/v1/auth/guest",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/password/forgot",
    "POST /api/v1/auth/password/reset",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/register",
    "POST /api/v1/auth/token",
}
"""What anybody may call: it proves who somebody is, says nothing of anybody, shows what is public, or wants a link."""

SIGNED = {
    "DELETE /api/v1/sessions/{session}",
    "DELETE /api/v1/tenants/{tenant}/members/{user_id}",
    "GET /api/v1/auth/me",
    "GET /api/v1/sessions",
    "GET /api/v1/sessions/{session}",
    "GET /api/v1/shared/workflows",
    "GET /api/v1/tenants",
    "GET /api/v1/tenants/{tenant}",
    "GET /api/v1/tenants/{tenant}/usage",
    "PATCH /api/v1/auth/me",
    "PATCH /api/v1/tenants/{tenant}",
    "POST /api/v1/auth/email/send",
    "POST /api/v1/auth/invitation",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/tenant",
    "POST /api/v1/auth/totp",
    "POST /api/v1/auth/totp/confirm",
    "POST /api/v1/auth/totp/remove",
    "POST /api/v1/shared/workflow/accept",
    "POST /api/v1/tenants",
    "PUT /api/v1/auth/password",
    "PUT /api/v1/sessions/{session}/workflows",
}
"""What whoever is signed in may call, for it is about themselves, or the service decides."""

SPEC = {
    "name": "mine",
    "nodes": [{"id": "a", "type": "input"}, {"id": "b", "type": "input"}],
    "edges": [{"from": "a", "to": "b"}],
    "start_node": "a",
}
QUERIES = {
    "GET /api/v1/runs/{run_id}/checkpoints/diff": {"from": 0, "to": 1},
    "GET /api/v1/workflows/{workflow}/diff": {"from": 1, "to": 1},
}
"""What routes need besides their path and body."""

on_sqlite = pytest.mark.parametrize("settings_on_both", ["sqlite"], indirect=True)
"""Gates stand before any database: they are shown on one, and the walls between organisations on both."""

MISSING = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"


@dataclass(frozen=True)
class Row:
    """One route.

    Attributes:
        method: its verb.
        path: its template.
        permission: what it asks for; None where anybody, or whoever is signed in, may call.
    """

    method: str
    path: str
    permission: Permission | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def rows() -> Iterator[Row]:
    """Yield the matrix: every route, with the permission in its gate."""
    for route in routes():
        found = list(_permissions(route.dependant))
        for method in sorted(route.methods or ()):
            yield Row(method, route.path, found[0] if found else None)


def _permissions(dependant: Any) -> Iterator[Permission]:
    for each in dependant.dependencies:
        if getattr(each.call, "__qualname__", "").startswith("gate"):
            yield inspect.getclosurevars(each.call).nonlocals["permission"]
        yield from _permissions(each)


def _asks_who(dependant: Any) -> bool:
    return any(each.call is authenticate or _asks_who(each) for each in dependant.dependencies)


def test_s28_every_route_is_in_the_matrix():
    """A route has a gate, or is named here as open to everybody or to whoever is signed in; and nothing is named that is not there."""
    open_routes, signed = set(), set()
    for route in routes():
        if not list(_permissions(route.dependant)):
            (signed if _asks_who(route.dependant) else open_routes).update(f"{method} {route.path}" for method in route.methods or ())
    assert open_routes == PUBLIC
    assert signed == SIGNED


@pytest.fixture
async def mine(client) -> Mapping[str, str]:
    """Give one of everything of the first organisation, by the names of path parameters."""

    async def made(path: str, **options: Any) -> dict[str, Any]:
        answer = await client.post(path, **options)
        assert answer.status_code in {200, 201, 202}, (path, answer.text)
        return dict(answer.json())

    workflow = (await made("/workflows", json={"name": "mine", "spec": SPEC}))["id"]
    ask = {**SPEC, "nodes": [{"id": "a", "type": "human", "config": {"title": "Well?"}}], "edges": []}
    run = (await made("/execute?wait=1", json={"spec": ask, "inputs": {}}))["id"]
    collection = (await made("/collections", json={"name": "papers", "embedding_model": "hashing-384"}))["id"]
    await made(f"/collections/{collection}/documents", json={"documents": [{"id": "d", "text": "secret papers"}]})
    user = (await made("/users", json={"username": "robot", "kind": "service", "roles": ["viewer"]}))["id"]
    await made("/roles", json={"name": "support", "permissions": ["runs:read"]})
    grant = {"grantee_kind": "user", "grantee_id": user, "resource_kind": "workflow", "resource_id": workflow, "role": "viewer"}
    share = (await made(f"/workflows/{workflow}/share", json={"user": "owner", "role": "viewer"}))["id"]
    link = (await made(f"/workflows/{workflow}/links", json={}))["id"]
    secret = (await made("/secrets", json={"name": "PASSWORD", "value": "a secret of the first"}))["id"]
    variable = (await made("/variables", json={"name": "greeting", "value": "hello"}))["id"]
    source = (await made("/sources", json={"name": "shop", "kind": "http", "config": {"base_url": "https://example.com"}}))["id"]
    invitation = await made("/tenants/current/invitations", json={"email": "zoe@example.com", "roles": ["viewer"]})
    return {
        "workflow": workflow,
        "share_id": share,
        "link_id": link,
        "node_id": "a",
        "edge_id": "a-b",
        "number": "1",
        "run_id": run,
        "interrupt_id": (await client.get(f"/runs/{run}/interrupts")).json()["items"][0]["id"],
        "collection": collection,
        "document_id": "d",
        "artifact_id": (await made("/artifacts", files={"file": ("a.txt", b"secret", "text/plain")}))["id"],
        "secret": secret,
        "variable": variable,
        "source": source,
        "record": (await client.get("/audit")).json()["items"][0]["id"],
        "team_id": (await made("/teams", json={"name": "research"}))["id"],
        "key_id": (await mint(client))["id"],
        "user_id": user,
        "role": "support",
        "grant_id": (await made("/grants", json=grant))["id"],
        "invitation_id": invitation["id"],
        "tenant": (await client.get("/tenants/current")).json()["id"],
        "session": MISSING,
        "type": "input",
    }


@pytest.fixture
async def bodies(client) -> Mapping[str, Mapping[str, Any]]:
    """Give a good body for each route that takes one: the example of the OpenAPI document."""
    document = (await client.get("/openapi.json")).json()
    found: dict[str, Mapping[str, Any]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            name = f"{method.upper()} {path}"
            if "application/json" in content:
                found[name] = {"json": _example(content["application/json"])}
            elif "multipart/form-data" in content:
                found[name] = {"files": {"file": ("a.txt", b"x", "text/plain")}}
    return found


def _example(media: Mapping[str, Any]) -> Any:
    examples = media.get("examples")
    return next(iter(examples.values()))["value"] if examples else media.get("example")


async def _call(person: Any, row: Row, mine: Mapping[str, str], bodies: Mapping[str, Mapping[str, Any]]) -> int:
    path = row.path.replace(":path}", "}").format(**mine)
    url = path.removeprefix("/api/v1") if path.startswith("/api/v1") else f"http://{person.base_url.netloc.decode()}{path}"
    body = bodies.get(f"{row.method} {row.path.replace(':path}', '}')}", {})
    answer = await person.request(row.method, url, params=QUERIES.get(row.name), **body)
    return int(answer.status_code)


async def _answers(person: Any, chosen: list[Row], mine: Mapping[str, str], bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {row.name: await _call(person, row, mine, bodies) for row in chosen}


def _guarded() -> list[Row]:
    return [row for row in rows() if row.name not in PUBLIC | SIGNED]


@on_sqlite
async def test_s28_without_a_credential_every_door_is_shut(stranger, mine, bodies):
    """401, whatever the route."""
    shut = [row for row in rows() if row.name not in PUBLIC]
    answers = await _answers(stranger, shut, mine, bodies)
    assert {name: status for name, status in answers.items() if status != 401} == {}


@on_sqlite
async def test_s28_a_deleted_user_is_nobody(app, client, mine, bodies):
    """Neither the access token nor the key of a deleted user opens anything."""
    async with working_as(app, client, "gone", "admin") as person:
        key = await mint(person)
        me = (await person.get("/auth/me")).json()["user_id"]
        assert (await client.delete(f"/users/{me}")).status_code == 204
        shut = [row for row in rows() if row.name not in PUBLIC]
        async with speaking(app, {"X-API-Key": key["secret"]}) as by_key:
            for caller in (person, by_key):
                answers = await _answers(caller, shut, mine, bodies)
                assert {name: status for name, status in answers.items() if status != 401} == {}


@on_sqlite
@pytest.mark.parametrize("role", [BuiltinRole.VIEWER, BuiltinRole.EXECUTOR, BuiltinRole.AUDITOR])
async def test_s28_a_role_opens_what_it_allows_and_nothing_else(app, client, mine, bodies, role):
    """403 wherever the role lacks the permission, and not where it has it."""
    async with working_as(app, client, "vera", role) as person:
        denied = [row for row in _guarded() if row.permission not in PERMISSIONS[role]]
        answers = await _answers(person, denied, mine, bodies)
        assert {name: status for name, status in answers.items() if status != 403} == {}
        reading = [row for row in _guarded() if row.permission in PERMISSIONS[role] and row.method == "GET"]
        answers = await _answers(person, reading, mine, bodies)
        assert {name: status for name, status in answers.items() if status in {401, 403} or status >= 500} == {}


async def test_s28_nothing_of_another_organisation_can_be_reached(app, client, mine, bodies):
    """The owner of another organisation, with every permission there, gets 404 for each id of the first, which stays as it was."""
    with_ids = [row for row in _guarded() if "{" in row.path and "{type}" not in row.path]
    before = await _shown(client, with_ids, mine, bodies)
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        token = (await ada.post("/auth/tenant", json={"tenant_id": second})).json()["access_token"]
    async with speaking(app, bearer(token)) as there:
        answers = await _answers(there, with_ids, mine, bodies)
    assert {name: status for name, status in answers.items() if status != 404} == {}
    assert await _shown(client, with_ids, mine, bodies) == before


@on_sqlite
async def test_s28_a_guest_reaches_nothing_of_others(app, client, mine, bodies, stranger):
    """A guest has an organisation of their own, in which nothing of the first is."""
    answer = await stranger.post("/auth/guest", json={})
    assert answer.status_code == 201, answer.text
    async with speaking(app, bearer(answer.json())) as guest:
        with_ids = [row for row in _guarded() if "{" in row.path and "{type}" not in row.path]
        answers = await _answers(guest, with_ids, mine, bodies)
    assert {name: status for name, status in answers.items() if status not in {403, 404}} == {}


async def _shown(person: Any, chosen: list[Row], mine: Mapping[str, str], bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return await _answers(person, [row for row in chosen if row.method == "GET" and "/events" not in row.path], mine, bodies)
