"""Signed-in devices: listing, signing out, what was open, cleaning up."""

import pytest
from prometheus_client import REGISTRY

from tests.identity.people import PASSWORD, bearer, hire, mint, sign_in, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")


async def test_two_devices_are_two_sessions(app, client, stranger):
    """Each is listed with what it called itself; signing one out leaves the other."""
    await hire(client, "ada", "developer")
    one = await stranger.post(
        "/auth/login", json={"username": "ada", "password": "clouds swim under green bridges"}, headers={"User-Agent": "laptop"}
    )
    two = await stranger.post(
        "/auth/login", json={"username": "ada", "password": "clouds swim under green bridges"}, headers={"User-Agent": "phone"}
    )
    async with speaking(app, bearer(one.json())) as laptop, speaking(app, bearer(two.json())) as phone:
        listed = (await laptop.get("/sessions")).json()["items"]
        assert [(item["device"], item["is_current"]) for item in listed] == [("phone", False), ("laptop", True)]
        assert (await laptop.delete(f"/sessions/{listed[0]['id']}")).status_code == 204
        assert (await phone.get("/auth/me")).status_code == 401
        assert (await laptop.get("/auth/me")).status_code == 200
        assert len((await laptop.get("/sessions")).json()["items"]) == 1


async def test_signing_another_device_out_takes_the_password_some_time_after_signing_in(app, client, stranger, later):
    """By a body with it or by a fresh sign-in; one's own device goes without, and a key never counts as a sign-in."""
    await hire(client, "ada", "developer")
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as laptop, speaking(app) as second:
        other, third = [(await _session_of(app, await sign_in(stranger, "ada"))) for _ in range(2)]
        key = (await mint(laptop))["secret"]
        later(seconds=601)

        async def ending(person, session, **body):
            answer = await person.request("DELETE", f"/sessions/{session}", **({"json": body} if body else {}))
            return answer.status_code, None if answer.status_code == 204 else answer.json()["code"]

        assert await ending(laptop, other) == (403, "PASSWORD_REQUIRED")
        assert await ending(laptop, other, password="not the one that it is") == (401, "WRONG_CREDENTIALS")
        second.headers["X-API-Key"] = key
        assert await ending(second, other) == (403, "PASSWORD_REQUIRED")
        assert len((await laptop.get("/sessions")).json()["items"]) == 3
        assert await ending(laptop, other, password=PASSWORD) == (204, None)
        async with speaking(app, bearer(await sign_in(stranger, "ada"))) as fresh:
            assert await ending(fresh, third) == (204, None)
        assert await ending(laptop, "current") == (204, None)


async def _session_of(app, tokens):
    async with speaking(app, bearer(tokens)) as person:
        return (await person.get("/sessions/current")).json()["id"]


async def test_what_was_open_is_taken_up_elsewhere(app, client, stranger):
    """A device notes the workflows that are open; another of the same user reads them."""
    await hire(client, "ada", "developer")
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as laptop:
        noted = await laptop.put("/sessions/current/workflows", json={"workflows": ["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"]})
        assert noted.status_code == 200
        session_id = noted.json()["id"]
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as phone:
        assert (await phone.get("/sessions/current")).json()["workflows"] == []
        assert (await phone.get(f"/sessions/{session_id}")).json()["workflows"] == ["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"]


async def test_sessions_of_others_are_not_there(app, client, stranger):
    """Reading, changing and ending them answers 404; an API key has no session of its own."""
    await hire(client, "ada", "developer")
    tokens = await sign_in(stranger, "ada")
    async with speaking(app, bearer(tokens)) as ada:
        session_id = (await ada.get("/sessions/current")).json()["id"]
        async with working_as(app, client, "eve", "admin") as eve:
            assert (await eve.get(f"/sessions/{session_id}")).status_code == 404
            assert (await eve.delete(f"/sessions/{session_id}")).status_code == 404
            assert (await eve.put(f"/sessions/{session_id}/workflows", json={"workflows": []})).status_code == 404
        assert (await client.get("/sessions/current")).json()["code"] == "SESSION_NOT_FOUND"
        assert (await ada.get("/auth/me")).status_code == 200


async def test_an_unused_device_is_signed_out(app, client, stranger, later):
    """After a week without use, and after a month in any case."""
    await hire(client, "ada", "developer")
    tokens = await sign_in(stranger, "ada")
    for _ in range(5):
        later(days=6)
        answer = await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        if answer.status_code != 200:
            break
        tokens = answer.json()
    assert answer.status_code == 401  # 30 days
    tokens = await sign_in(stranger, "ada")
    later(days=7, seconds=1)
    assert (await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code == 401


async def test_what_is_over_is_cleaned_up_and_counted(container, client, stranger, later):
    """Sessions, tokens and counts that are over are deleted, and the metric says how many."""
    await hire(client, "ada", "developer")
    await sign_in(stranger, "ada")
    await container.owners.sign_in_token(container.owner)

    def cleaned(kind):
        return REGISTRY.get_sample_value("agentflow_identity_cleaned_total", {"kind": kind}) or 0

    before = {kind: cleaned(kind) for kind in ("sessions", "tokens", "attempts")}
    await container.identity.housekeeping.clean()
    assert cleaned("sessions") == before["sessions"]
    later(days=40)
    await container.identity.housekeeping.clean()
    assert all(cleaned(kind) > before[kind] for kind in before)
