"""Attacks on the doors: spellings of addresses, cookies, credentials in addresses, ids."""

import re

import httpx
import pytest

from agentflow.kit.ids import new_id
from tests.apps import BASE
from tests.identity.people import PASSWORD, bearer, hire, mint, sign_in, speaking, working_as

GUARDED = "api/v1/workflows"
SPELLINGS = [
    f"//{GUARDED}",
    f"/{GUARDED}/",
    f"/{GUARDED}//",
    "/api//v1/workflows",
    "/API/V1/Workflows",
    f"/./{GUARDED}",
    f"/health/live/../../{GUARDED}",
    f"/health/live/%2e%2e/%2e%2e/{GUARDED}",
    f"/health/live/..%2f..%2f{GUARDED}",
    f"/{GUARDED};/health/live",
    f"/{GUARDED};jsessionid=1",
    f"/{GUARDED}/health/live",
    f"/{GUARDED}/.well-known/jwks.json",
    f"/{GUARDED}%2f",
    f"/{GUARDED}%20",
    f"/{GUARDED}%3f/health/live",
    f"/{GUARDED}?/health/live",
    "/api/v1/%77orkflows",
    "/api/v1/workflows\\",
    "/api\\v1\\workflows",
    f"/{GUARDED}/configs",
]
OVERRIDES = [
    {"X-Original-URL": f"/{GUARDED}"},
    {"X-Rewrite-URL": f"/{GUARDED}"},
    {"X-Forwarded-Prefix": f"/{GUARDED}"},
    {"X-Forwarded-User": "owner"},
    {"X-Remote-User": "owner"},
    {"X-Tenant-ID": "first"},
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_s02_no_spelling_of_an_address_opens_a_guarded_one(anonymous, spelling):
    """Whatever stands for the address, without a credential there is no answer but a refusal."""
    url = httpx.URL(BASE).copy_with(raw_path=spelling.encode())
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        answer = await anonymous.send(anonymous.build_request(method, url))
        assert answer.status_code in {400, 401, 404, 405, 415}, (method, spelling)


@pytest.mark.parametrize("headers", OVERRIDES, ids=str)
async def test_s02_no_header_stands_for_the_address_or_the_caller(anonymous, headers):
    """A public address stays itself, and a guarded one stays shut."""
    assert set((await anonymous.get("/health/live", headers=headers)).json()) == {"status", "version"}
    assert (await anonymous.get(f"/{GUARDED}", headers=headers)).status_code == 401


async def test_s02_a_method_is_not_overridden(app, client, quick_hashes):
    """A viewer who may read cannot delete by saying so in a header or a parameter."""
    spec = {"name": "mine", "nodes": [{"id": "a", "type": "input"}], "edges": []}
    made = (await client.post("/workflows", json={"name": "mine", "spec": spec})).json()["id"]
    async with working_as(app, client, "vera", "viewer") as vera:
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            assert (await vera.get(f"/workflows/{made}", headers={name: "DELETE"})).status_code == 200
            assert (await vera.post(f"/workflows/{made}", headers={name: "DELETE"})).status_code == 405
        assert (await vera.get(f"/workflows/{made}?_method=DELETE")).status_code == 200
    assert (await client.get(f"/workflows/{made}")).status_code == 200


async def test_s25_over_tls_the_cookie_is_bound_to_its_host(app, client, quick_hashes):
    """Over HTTPS the cookie is Secure, without a domain and with the prefix that makes browsers keep to that."""
    await hire(client, "ada", "viewer")
    async with speaking(app) as stranger:
        stranger.base_url = httpx.URL(BASE.replace("http://", "https://") + "/api/v1")
        answer = await stranger.post("/auth/login", json={"username": "ada", "password": PASSWORD, "browser": True})
    name, _, rest = answer.headers["set-cookie"].partition("=")
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert name.startswith("__Host-")
    assert {"secure", "httponly", "path=/", "samesite=strict"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)


async def test_s25_no_route_takes_a_credential_in_its_address(client):
    """But for the link that signs the owner in, once, and links to files, which open one file for a while."""
    document = (await client.get("/openapi.json")).json()
    telling = re.compile(r"token|secret|password|key$|credential|session_id", re.IGNORECASE)
    found = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and telling.search(parameter["name"])
    }
    assert found == {"GET /api/v1/auth/link", "GET /api/v1/artifacts/{artifact_id}/download", "GET /api/v1/shared/workflow"}


def test_s43_ids_and_secrets_have_the_random_bits_that_they_promise():
    """73 of the 80 bits behind the time are set in some ids and not in others: the rest are the version, the variant and a carry."""
    ids: dict[int, int] = {}
    while len(ids) < 64:  # within a millisecond they are counted up
        number = int(new_id().replace("-", ""), 16)
        ids.setdefault(number >> 80, number)
    ever, always = 0, -1
    for number in ids.values():
        ever, always = ever | number, always & number
    varying = ever & ~always & ((1 << 80) - 1)
    assert varying.bit_count() == 73


async def test_s18_s43_a_key_holds_256_bits(client):
    """Forty-three characters of 6 bits each, behind a mark that says what it is."""
    secrets = {(await mint(client, name=f"key {number}"))["secret"] for number in range(3)}
    assert len(secrets) == 3
    assert all(len(secret.split("_", 1)[1]) * 6 >= 256 for secret in secrets)


async def test_s43_guessing_an_id_finds_nothing(client):
    """An id that nobody was given is answered as one that never was, also beside one that exists."""
    spec = {"name": "mine", "nodes": [{"id": "a", "type": "input"}], "edges": []}
    made = (await client.post("/workflows", json={"name": "mine", "spec": spec})).json()["id"]
    near = [f"{made[:-4]}{number:04x}" for number in range(0, 0x10000, 331) if f"{made[:-4]}{number:04x}" != made]
    assert {(await client.get(f"/workflows/{guess}")).status_code for guess in near} == {404}


async def test_s22_credentials_of_two_people_are_never_mixed_up(app, client, quick_hashes):
    """Keys, tokens and cookies are remembered each under itself and its kind: whoever shows one is who it was given to."""
    shown = {}
    for name in ("ada", "bob"):
        async with working_as(app, client, name, "viewer") as person:
            me = (await person.get("/auth/me")).json()["user_id"]
            shown[person.tokens["access_token"]] = me
            shown[(await mint(person))["secret"]] = me
    async with speaking(app) as stranger:
        for _ in range(3):
            for secret, owner in shown.items():
                assert (await stranger.get("/auth/me", headers=bearer(secret))).json()["user_id"] == owner
                cookie = await stranger.get("/auth/me", headers={"Cookie": f"agentflow_session={secret}"})
                assert cookie.status_code == 401
        tokens = await sign_in(stranger, "ada")
        assert (await stranger.get("/auth/me", headers={"X-API-Key": tokens["access_token"]})).status_code == 401
