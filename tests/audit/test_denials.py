"""What was refused: in whose log it stands, and that nobody can fill the log with it."""

import json

from sqlalchemy import select

from agentflow.infra.audit.models import AuditRow
from agentflow.infra.audit.trail import Trail
from tests.audit.people import ok
from tests.identity.people import PASSWORD, bearer, hire, mint, sign_in, speaking

SPEC = {"name": "mine", "start_node": "a", "nodes": [{"id": "a", "type": "input"}]}
CANARY = "audit-canary, the wrong password"


async def denied(client, **query):
    """Return the refusals in the log of whoever ``client`` is, oldest first."""
    page = (await client.get("/audit", params={"outcome": "denied", "limit": 200, **query})).json()
    return list(reversed(page["items"]))


async def register(stranger, app, name):
    """Return a client of somebody with an organisation of the own."""
    made = await ok(stranger.post("/auth/register", json={"email": f"{name}@example.com", "username": name, "password": PASSWORD}))
    return speaking(app, bearer(made))


async def test_s108_a_sign_in_stands_in_the_log_of_the_organisation_it_is_about(app, client, stranger, quick_hashes):
    """S108: right and wrong ones in the account's own, not in that of the installation; those of nobody in the latter."""
    async with await register(stranger, app, "ada") as ada:
        wrong = await stranger.post("/auth/login", json={"username": "ada", "password": CANARY})
        assert wrong.status_code == 401
        await sign_in(stranger, "ada")
        (refused,) = await denied(ada)
        assert (refused["action"], refused["actor"], refused["details"]["code"]) == ("session.denied", "ada", "WRONG_CREDENTIALS")
        assert refused["address"]
        assert CANARY not in json.dumps(refused)
        made = (await ada.get("/audit?action=session.created")).json()["items"]
        assert [(item["actor"], item["details"]) for item in made] == [("ada", {"kind": "token", "second_factor": False})] * 2
    assert await denied(client) == []
    assert (await stranger.post("/auth/login", json={"username": "nobody", "password": CANARY})).status_code == 401
    (unknown,) = await denied(client)
    assert (unknown["action"], unknown["actor"], unknown["actor_id"]) == ("session.denied", "", None)


async def test_s16_guessing_stands_in_the_log_of_whose_password_is_guessed(app, client, stranger, quick_hashes):
    """S16: the attempts that were not even looked at, too."""
    async with await register(stranger, app, "ada") as ada:
        for _ in range(11):
            answer = await stranger.post("/auth/login", json={"username": "ada", "password": CANARY})
        assert answer.status_code == 429
        assert [item["details"]["code"] for item in await denied(ada)] == ["WRONG_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"]
    assert await denied(client) == []


async def test_s108_who_asks_for_what_is_foreign_or_forbidden_is_written_down(app, client, stranger, quick_hashes):
    """S108: 403 and 404 under the caller's name, a revoked key under its owner's; what is missing by its name is nobody else's."""
    foreign = await ok(client.post("/workflows", json={"spec": SPEC}))
    async with await register(stranger, app, "ada") as ada:
        key = await mint(ada)
        await ok(ada.delete(f"/api-keys/{key['id']}"))
        assert (await ada.get("/workflows/unknown-name")).status_code == 404
        assert (await ada.get(f"/workflows/{foreign['id']}")).status_code == 404
        assert (await ada.post("/workflows/fork", json={"workflow_id": foreign["id"]})).status_code == 404
        assert (await ada.get("/tenants?everybody=true")).status_code == 403
        async with speaking(app, {"X-API-Key": key["secret"]}) as revoked:
            assert (await revoked.get("/workflows")).status_code == 401
        found = [(item["actor"], item["details"]["code"], item["resource_id"]) for item in await denied(ada)]
        assert found[:2] == [("ada", "WORKFLOW_NOT_FOUND", foreign["id"])] * 2
        assert ("ada", "FORBIDDEN", None) in found
        assert found[-1][1:] == ("UNAUTHENTICATED", None)
        me = (await ada.get("/auth/me")).json()
        assert (await denied(ada))[-1]["actor_id"] == me["user_id"]
    assert await denied(client) == []


async def test_a_flood_of_one_account_is_counted_and_silences_nobody(app, client, stranger, quick_hashes):
    """What goes beyond a hundred at once is one record with their number; another account is still written at once."""
    await hire(client, "bob", "viewer")
    await hire(client, "eve", "viewer")
    async with speaking(app, bearer(await sign_in(stranger, "bob"))) as bob:
        for _ in range(130):
            assert (await bob.post("/variables", json={"name": "v", "value": 1})).status_code == 403
    async with speaking(app, bearer(await sign_in(stranger, "eve"))) as eve:
        assert (await eve.post("/variables", json={"name": "v", "value": 1})).status_code == 403
    found = await denied(client)
    of_bob = [item for item in found if item["actor"] == "bob"]
    assert len(of_bob) < 130
    assert sum(item["details"].get("times", 1) for item in of_bob) == 130
    assert [item["actor"] for item in found].count("eve") == 1
    assert (await client.post("/audit/verify", json={})).json()["intact"] is True


async def test_a_refusal_waits_for_a_database_that_is_away(container, client, anonymous, monkeypatch):
    """It is written when the database takes it again; the answer did not wait for it."""

    async def away(self, facts):
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Trail, "put", away)
        assert (await anonymous.get("/api/v1/workflows")).status_code == 401
        await container.denials.flush()
    assert len(await denied(client)) == 1


async def test_refusals_are_stored_before_the_process_ends(container, anonymous):
    """They are written behind the answer, and at the end in any case."""
    assert (await anonymous.get("/api/v1/workflows")).status_code == 401
    await container.denials.stop()
    async with container.database.reading() as session:
        assert (await session.scalars(select(AuditRow.outcome).where(AuditRow.outcome == "denied"))).all() == ["denied"]
