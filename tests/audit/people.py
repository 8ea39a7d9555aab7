"""Every operation over accounts and organisations that changes something, called once: what the audit log has to tell of."""

import re
from typing import Any

import pyotp
from fastapi import FastAPI
from httpx import AsyncClient

from tests.identity.people import bearer, sign_in, speaking

PASSWORD, NEW, NEWER = "audit-canary wades in green rivers", "audit-canary hums in tall towers", "audit-canary sails past red doors"


async def ok(answer: Any) -> Any:
    """Return the JSON of an answer that is a success."""
    found = await answer
    assert found.is_success, (found.request.method, found.request.url, found.text)
    return found.json() if found.content else None


def token_in(mail: Any) -> str:
    """Return the token that a mail holds."""
    return re.search(r"\baf[pei]_[\w-]+", mail.text)[0]


async def accounts(app: FastAPI, mails: list[Any]) -> None:
    """Register, prove, change and forget; by a guest, too."""
    email = "ada@example.com"
    async with speaking(app) as stranger:
        made = await ok(stranger.post("/auth/register", json={"email": email, "username": "ada", "password": PASSWORD}))
        await ok(stranger.post("/auth/guest"))
        await ok(stranger.post("/auth/token", data={"username": "ada", "password": PASSWORD}))
        await ok(stranger.post("/auth/refresh", json={"refresh_token": made["refresh_token"]}))
        async with speaking(app, bearer(made)) as ada:
            await ok(ada.patch("/auth/me", json={"display_name": "Ada"}))
            await ok(ada.post("/auth/email/send"))
            await app.state.container.identity.post.settle()
            await ok(stranger.post("/auth/email/verify", json={"token": token_in(mails[-1])}))
            secret = (await ok(ada.post("/auth/totp", json={"password": PASSWORD})))["secret"]
            await ok(ada.post("/auth/totp/confirm", json={"code": pyotp.TOTP(secret).now()}))
            await ok(ada.post("/auth/totp/remove", json={"password": PASSWORD}))
            await ok(ada.put("/auth/password", json={"current_password": PASSWORD, "new_password": NEW}))
            await ok(ada.put("/sessions/current/workflows", json={"workflows": []}))
        await ok(stranger.post("/auth/password/forgot", json={"email": email}))
        await app.state.container.identity.post.settle()
        reset = [mail for mail in mails if "new password" in mail.text][-1]
        await ok(stranger.post("/auth/password/reset", json={"token": token_in(reset), "password": NEWER}))
        again = await sign_in(stranger, "ada", NEWER)
        other = await sign_in(stranger, "ada", NEWER)
    async with speaking(app, bearer(again)) as ada:
        sessions = (await ok(ada.get("/sessions")))["items"]
        await ok(ada.delete(f"/sessions/{next(item['id'] for item in sessions if not item['is_current'])}"))
        await ok(ada.post("/auth/logout"))
    assert other["access_token"] != again["access_token"]


async def organisations(app: FastAPI, client: AsyncClient) -> None:
    """Members, invitations, roles, teams, grants, keys and whole organisations."""
    owned = await ok(client.post("/tenants", json={"name": "second"}))
    await ok(client.patch(f"/tenants/{owned['id']}", json={"quotas": {"runs_per_day": 5}}))
    await ok(client.post("/roles", json={"name": "support", "permissions": ["runs:read"]}))
    await ok(client.put("/roles/support", json={"permissions": ["runs:read", "workflows:read"]}))
    bob = await ok(client.post("/users", json={"username": "bob", "password": PASSWORD, "roles": ["support"]}))
    await ok(client.patch(f"/users/{bob['id']}", json={"display_name": "Bob"}))
    await ok(client.put(f"/tenants/current/members/{bob['id']}", json={"roles": ["viewer"]}))
    await ok(client.delete("/roles/support"))
    team = await ok(client.post("/teams", json={"name": "readers"}))
    await ok(client.put(f"/teams/{team['id']}", json={"name": "research"}))
    await ok(client.put(f"/teams/{team['id']}/members/{bob['id']}"))
    await ok(client.delete(f"/teams/{team['id']}/members/{bob['id']}"))
    workflow = await ok(
        client.post("/workflows", json={"spec": {"name": "granted", "start_node": "a", "nodes": [{"id": "a", "type": "input"}]}})
    )
    thing = {"resource_kind": "workflow", "resource_id": workflow["id"], "role": "executor"}
    grant = await ok(client.post("/grants", json={"grantee_kind": "user", "grantee_id": bob["id"], **thing}))
    await ok(client.delete(f"/grants/{grant['id']}"))
    await ok(client.delete(f"/teams/{team['id']}"))
    await _keys(client)
    await _coming_and_going(app, client, owned["id"])
    await ok(client.delete(f"/tenants/current/members/{bob['id']}"))
    await ok(client.delete(f"/users/{bob['id']}"))


async def _keys(client: AsyncClient) -> None:
    robot = await ok(client.post("/users", json={"username": "robot", "kind": "service", "roles": ["viewer"]}))
    key = await ok(client.post("/api-keys", json={"name": "nightly", "user_id": robot["id"]}))
    await ok(client.post(f"/api-keys/{key['id']}/rotate", json={}))
    await ok(client.delete(f"/api-keys/{key['id']}"))


async def _coming_and_going(app: FastAPI, client: AsyncClient, second: str) -> None:
    for email in ("gone@example.com", "ada@example.com"):
        invited = await ok(client.post("/tenants/current/invitations", json={"email": email, "roles": ["viewer"]}))
        if email.startswith("gone"):
            await ok(client.delete(f"/tenants/current/invitations/{invited['id']}"))
    async with speaking(app) as stranger:
        tokens = await sign_in(stranger, "ada", NEWER)
        owner = await _owner_signed_in(client, stranger)
    async with speaking(app, bearer(tokens)) as ada:
        await ok(ada.post("/auth/invitation", json={"token": invited["token"]}))
    async with speaking(app, bearer(owner)) as signed_in:
        switched = await ok(signed_in.post("/auth/tenant", json={"tenant_id": second}))
    async with speaking(app, bearer(switched)) as elsewhere:
        await ok(elsewhere.delete("/tenants/current"))


async def _owner_signed_in(client: AsyncClient, stranger: AsyncClient) -> Any:
    await ok(client.put("/auth/password", json={"new_password": PASSWORD}))
    return await sign_in(stranger, "owner", PASSWORD)
