"""Requests about accounts and organisations with an ``Idempotency-Key``: done once, with the same answer each time."""

import asyncio
import hashlib

import pytest
from sqlalchemy import select

from agentflow.infra.idempotency.models import IdempotencyRow
from tests.identity.people import PASSWORD, bearer, hire, mint, sign_in, speaking

pytestmark = pytest.mark.usefixtures("quick_hashes")
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
async def posts(client):
    """Give a good request for each operation that makes something, by path."""
    user = (await client.post("/users", json={"username": "robot", "kind": "service", "roles": ["viewer"]})).json()["id"]
    workflow = (await client.post("/workflows", json={"spec": {"name": "w", "nodes": [{"id": "a", "type": "input"}]}})).json()["id"]
    key = (await mint(client, user_id=user))["id"]
    return {
        "/users": {"username": "ada", "password": PASSWORD, "roles": ["viewer"]},
        "/api-keys": {"name": "ci"},
        f"/api-keys/{key}/rotate": {},
        "/tenants": {"name": "Second"},
        "/tenants/current/invitations": {"email": "zoe@example.com", "roles": ["viewer"]},
        "/roles": {"name": "support", "permissions": ["runs:read"]},
        "/teams": {"name": "research"},
        "/grants": {"grantee_kind": "user", "grantee_id": user, "resource_kind": "workflow", "resource_id": workflow, "role": "viewer"},
    }


async def test_f22_the_same_key_gives_the_same_answer(client, posts):
    """Also at once, and with the secret that is shown only once; another body is refused, and what failed can be sent again."""
    for number, (path, body) in enumerate(posts.items()):
        key = {"Idempotency-Key": f"k-{number}"}
        broken = await client.post(path, json={**body, "nothing": 1}, headers=key)
        assert broken.status_code == 422, path
        answers = await asyncio.gather(*(client.post(path, json=body, headers=key) for _ in range(4)))
        assert {answer.status_code for answer in answers} <= {200, 201}, (path, answers[0].text)
        assert len({answer.text for answer in answers}) == 1, path
        other = await client.post(
            path, json={**body, "name": "other"} if "name" in body else {**body, "email": "y@example.com"}, headers=key
        )
        assert other.status_code == 422, path
    assert len((await client.get("/api-keys?limit=200")).json()["items"]) == 2  # the owner's, and one by this test
    assert len((await client.get("/tenants/current/invitations")).json()["items"]) == 1


async def test_a_failure_is_not_remembered(client):
    """A name that is taken is refused each time, and can be had with the same key once it is free."""
    await client.post("/teams", json={"name": "research"})
    for _ in range(2):
        assert (await client.post("/teams", json={"name": "research"}, headers=KEY)).status_code == 409
    team = (await client.get("/teams")).json()["items"][0]["id"]
    assert (await client.delete(f"/teams/{team}")).status_code == 204
    assert (await client.post("/teams", json={"name": "research"}, headers=KEY)).status_code == 201


async def test_s101_no_secret_is_remembered_readable(container, client):
    """Neither the key that was made nor the password that was sent can be found in what is remembered, nor guessed from it."""
    secret = (await client.post("/api-keys", json={"name": "ci"}, headers=KEY)).json()["secret"]
    await client.post("/users", json={"username": "ada", "password": PASSWORD, "roles": ["viewer"]}, headers={"Idempotency-Key": "k-2"})
    async with container.database.reading() as session:
        rows = (await session.execute(select(IdempotencyRow))).scalars().all()
    assert len(rows) == 2
    for row in rows:
        assert set(row.answer) == {"sealed"}
        assert secret not in repr((row.key, row.answer))
        assert row.body_hash != hashlib.sha256(b"POST /api/v1/api-keys\n" + b'{"name":"ci"}').hexdigest()


async def test_s40_a_key_is_of_one_user(app, client, stranger):
    """Somebody else's request with the same key and body is another request, and learns nothing of the first."""
    await hire(client, "ada", "admin")
    tokens = await sign_in(stranger, "ada")
    mine = (await client.post("/api-keys", json={"name": "ci"}, headers=KEY)).json()
    async with speaking(app, bearer(tokens)) as ada:
        hers = (await ada.post("/api-keys", json={"name": "ci"}, headers=KEY)).json()
    assert mine["secret"] != hers["secret"]
    assert mine["user_id"] != hers["user_id"]
