"""Requests a minute: by user, key, organisation, route and address; each answer tells how its limit stands."""

from contextlib import asynccontextmanager

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import UnknownRoute, create_app
from agentflow.interfaces.rest.middleware.rate_limits import ALWAYS, SIGN_IN
from agentflow.interfaces.rest.openapi import OPEN
from agentflow.interfaces.rest.router import routes
from tests.apps import BASE
from tests.identity.conftest import later, quick_hashes
from tests.identity.people import bearer, hire, mint, sign_in, speaking
from tests.support.redis_server import REDIS

__all__ = ["later", "quick_hashes"]
LIMITED = ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]


@asynccontextmanager
async def limited(settings: Settings, **limits):
    """Give an application with other limits, and a client with the owner's key."""
    async with open_container(settings.model_copy(update=limits)) as container:
        app = create_app(container)
        async with speaking(app, {"X-API-Key": container.owner.key_file.read_text().strip()}) as client:
            yield app, client


async def statuses(client, path, count, **options):
    return [(await client.get(path, **options)).status_code for _ in range(count)]


async def test_every_answer_tells_what_is_left(settings):
    """Under the names of the IETF's draft, and under those that everybody knew before."""
    async with limited(settings, rate_limit_key=10) as (_, client):
        first, second = await client.get("/auth/me"), await client.get("/workflows/nothing")
    assert first.headers["ratelimit-policy"] == '"key";q=10;w=60'
    assert first.headers["ratelimit"] == '"key";r=9;t=6'
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-reset"]) == ("10", "6")
    assert (first.headers["x-ratelimit-remaining"], second.headers["x-ratelimit-remaining"]) == ("9", "8")


async def test_beyond_the_limit_is_429_until_there_is_room_again(later, settings):
    """S0-58: the answer names the limit and when to come back; then it is let in; another user never noticed."""
    async with limited(settings, rate_limit_user=20) as (app, client):
        mine = await mint(client)
        others = await hire(client, "robot", "viewer", kind="service", password=None)
        theirs = await mint(client, user_id=others["id"])
        async with speaking(app, {"X-API-Key": theirs["secret"]}) as other:
            assert {429} == set((await statuses(client, "/auth/me", 25))[20:])
            refused = await client.get("/auth/me")
            assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
            assert refused.headers["retry-after"] == "3"
            assert refused.headers["ratelimit"] == '"user";r=0;t=3'
            assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("20", "0")
            assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-reset"]) == ("20", "3")
            assert len(refused.headers.get_list("ratelimit")) == 1
            # The limit is the user's, with whatever key.
            assert (await client.get("/auth/me", headers={"X-API-Key": mine["secret"]})).status_code == 429
            assert (await other.get("/auth/me")).status_code == 200
        later(seconds=3.01)
        assert (await client.get("/auth/me")).status_code == 200
        assert (await client.get("/auth/me")).status_code == 429


async def test_each_key_has_its_own_limit(settings):
    """One program's key that is used up leaves the user's other keys alone."""
    async with limited(settings, rate_limit_key=10) as (_, client):
        second = await mint(client)
        assert 429 in await statuses(client, "/auth/me", 12)
        assert (await client.get("/auth/me", headers={"X-API-Key": second["secret"]})).status_code == 200


async def test_an_organisation_has_a_limit_over_all_of_its_users(settings, quick_hashes):
    """A quota of its own goes before the installation's, and another organisation is not touched."""
    async with limited(settings) as (app, client):
        mine = (await client.get("/tenants/current")).json()["id"]
        await hire(client, "ada", "owner")
        tokens = await sign_in(client, "ada")
        async with speaking(app, bearer(tokens)) as ada:
            second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
            there = bearer((await ada.post("/auth/tenant", json={"tenant_id": second})).json())
        changed = await client.patch(f"/tenants/{mine}", json={"quotas": {"requests_per_minute": 15}})
        assert changed.json()["quotas"]["requests_per_minute"] == 15
        async with speaking(app, bearer(tokens)) as ada:
            seen = [answer for _ in range(10) for answer in (await client.get("/auth/me"), await ada.get("/auth/me"))]
            assert sum(answer.status_code == 200 for answer in seen) == 15
            assert '"tenant"' in seen[-1].headers["ratelimit"]
            assert (await ada.get("/auth/me", headers=there)).status_code == 200


async def test_a_route_has_a_limit_for_each_user(settings):
    """Other routes go on, also those of the same path with another method; each thing on the path counts for the same route."""
    async with limited(settings, rate_limit_routes={"GET /api/v1/workflows/{workflow}": 3}, rate_limit_misses=0) as (_, client):
        assert [*(await statuses(client, "/workflows/a", 2)), *(await statuses(client, "/workflows/b", 2))] == [404, 404, 404, 429]
        assert (await client.get("/workflows")).status_code == 200
        assert (await client.delete("/workflows/a")).status_code == 404


async def test_a_route_that_is_open_has_a_limit_for_each_address(settings):
    """A credential that is shown besides changes nothing about that."""
    async with limited(settings, rate_limit_routes={"GET /.well-known/jwks.json": 2}) as (_, client):
        keys = f"{BASE}/.well-known/jwks.json"
        assert await statuses(client, keys, 2) == [200, 200]
        assert await statuses(client, keys, 1, headers={"X-API-Key": "x"}) == [429]


async def test_a_limit_of_a_route_that_is_not_there_is_refused(container):
    """The server does not start; a limit that nobody keeps is worse than none."""
    container.identity.traffic.routes = {"POST /api/v1/nothing": None}
    with pytest.raises(UnknownRoute, match="POST /api/v1/nothing"):
        create_app(container)


async def test_s16_signing_in_is_limited_by_address(settings, quick_hashes):
    """Right and wrong passwords, all names and all routes count together; who is signed in goes on; what a client says of itself is no help."""
    async with limited(settings, rate_limit_sign_in=5, login_attempts=1_000) as (app, client):
        await hire(client, "ada", "viewer")
        async with speaking(app) as stranger:
            tokens = await sign_in(stranger, "ada")
            wrong = {"username": "nobody", "password": "not the password"}
            answers = [await stranger.post(f"/auth/{path}", json=wrong) for path in ("login", "login", "register", "guest")]
            assert all(answer.status_code in {401, 403, 422} for answer in answers)
            forged = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1", "X-API-Key": "x"}
            for headers in ({}, forged):
                refused = await stranger.post("/auth/login", json={"username": "ada", "password": "x"}, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
        async with speaking(app, bearer(tokens)) as ada:
            assert (await ada.get("/auth/me")).status_code == 200


def test_every_route_where_people_sign_in_is_limited():
    """What needs no credential and takes one, or makes an account, is among them; refreshing is not: nobody guesses such a token."""
    open_routes = {f"{method} {route.path}" for route in routes() if route.operation_id in OPEN for method in route.methods or ()}
    auth = {name for name in open_routes if "/auth/" in name} - {"POST /api/v1/auth/refresh"}
    assert auth == SIGN_IN


async def test_strangers_are_limited_by_address_and_whoever_is_known_goes_on(settings):
    """Requests without a credential and with bad ones count; a good key from the same address still works, a supervisor too."""
    async with limited(settings, rate_limit_strangers=6) as (app, client):
        assert (await client.get("/auth/me")).status_code == 200
        async with httpx.AsyncClient(transport=AsgiTransport(app), base_url=BASE) as stranger:
            assert await statuses(stranger, "/api/v1/auth/me", 3) == [401] * 3
            guesses = [(await stranger.get("/api/v1/auth/me", headers={"X-API-Key": f"afk_{n}"})).status_code for n in range(6)]
            assert guesses == [401] * 3 + [429] * 3
            assert (await stranger.get("/api/v1/openapi.json")).status_code == 429
            assert await statuses(stranger, ALWAYS, 20) == [200] * 20
        assert (await client.get("/auth/me")).status_code == 200


async def test_an_address_is_limited_whoever_asks(settings):
    """Also those with good credentials, together."""
    async with limited(settings, rate_limit_address=8) as (_, client):
        assert await statuses(client, "/auth/me", 10) == [200] * 8 + [429] * 2


@pytest.mark.parametrize(("proxies", "answer"), [(frozenset(), 429), (frozenset({"127.0.0.0/8"}), 200)])
async def test_only_trusted_proxies_are_believed(settings, proxies, answer):
    """The last address that no trusted proxy wrote counts: what the client writes itself is before it."""
    async with limited(settings, rate_limit_address=5, trusted_proxies=proxies) as (_, client):
        for number in range(5):
            await client.get("/auth/me", headers={"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.1"})
        told = {"X-Forwarded-For": "198.51.100.1, 198.51.100.2"}
        assert (await client.get("/auth/me", headers=told)).status_code == answer
        if answer == 200:
            spoofed = {"X-Forwarded-For": "203.0.113.99, 198.51.100.1"}
            assert (await client.get("/auth/me", headers=spoofed)).status_code == 429


async def test_the_addresses_of_one_ipv6_network_are_one(settings):
    """Whoever has a /64 has all of its addresses."""
    async with limited(settings, rate_limit_address=5, trusted_proxies=frozenset({"127.0.0.1"})) as (_, client):
        answers = [await client.get("/auth/me", headers={"X-Forwarded-For": f"2001:db8:1:2::{number:x}"}) for number in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert (await client.get("/auth/me", headers={"X-Forwarded-For": "2001:db8:1:3::1"})).status_code == 200


async def test_s43_guessing_ids_is_limited(later, settings):
    """Answers that there is no such thing have a limit of their own, beyond which nothing is looked up for that user."""
    async with limited(settings, rate_limit_misses=10) as (_, client):
        guesses = [(await client.get(f"/runs/019a9f3e-8d5c-7c41-9d2e-{number:012x}")).status_code for number in range(15)]
        assert guesses == [404] * 10 + [429] * 5
        later(seconds=6.1)
        assert (await client.get("/auth/me")).status_code == 200


async def test_s95_two_servers_share_the_limit_through_redis(settings_on_postgres):
    """S40: what one grants the other cannot, and the keys hold the organisation, so that another one has its own."""
    shared = {"redis_url": REDIS, "rate_limit_user": 200}
    async with limited(settings_on_postgres, **shared) as (_, one), limited(settings_on_postgres, **shared) as (_, two):
        two.headers["X-API-Key"] = one.headers["X-API-Key"]
        answers = [await client.get("/auth/me") for _ in range(130) for client in (one, two)]
    granted = sum(answer.status_code == 200 for answer in answers)
    assert 198 <= granted <= 230  # three and a third a second flow in
    assert {answer.status_code for answer in answers} == {200, 429}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENTFLOW_RATE_LIMIT_ROUTES", "POST /api/v1/execute"),
        ("AGENTFLOW_RATE_LIMIT_ROUTES", "execute=5"),
        ("AGENTFLOW_RATE_LIMIT_ROUTES", "POST /api/v1/execute=0"),
        ("AGENTFLOW_RATE_LIMIT_USER", "-1"),
        ("AGENTFLOW_CORS_ORIGINS", "null"),
        ("AGENTFLOW_CORS_ORIGINS", "app.example.com"),
    ],
)
def test_impossible_limits_and_origins_are_refused(monkeypatch, name, value):
    """A setting that means nothing stops the start."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="validation error"):
        Settings()


def test_limits_of_routes_are_read_from_the_environment(monkeypatch):
    """Method and path as the reference has them, separated by commas."""
    monkeypatch.setenv("AGENTFLOW_RATE_LIMIT_ROUTES", "POST /api/v1/execute=600, GET /api/v1/runs/{run_id}=1200")
    assert Settings().rate_limit_routes == {"POST /api/v1/execute": 600, "GET /api/v1/runs/{run_id}": 1200}
