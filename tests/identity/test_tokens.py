"""Access tokens: what is refused, and what it costs to find out."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agentflow.bootstrap.container import open_container
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE
from tests.identity.people import bearer, hire, sign_in, speaking

# The database has no part in most of this: one of them will do.
pytestmark = [pytest.mark.usefixtures("quick_hashes"), pytest.mark.parametrize("settings_on_both", ["sqlite"], indirect=True)]


@pytest.fixture
async def tokens(client, stranger):
    """Give the tokens of a developer."""
    await hire(client, "bob", "developer")
    return await sign_in(stranger, "bob")


@pytest.fixture
async def forge(container, tokens):
    """Give a function that signs claims with the server's own key, or another, under a header."""
    key = await container.identity.signing_keys.current()
    good = jwt.decode(tokens["access_token"], options={"verify_signature": False})

    def sign(claims=None, headers=None, private=None, algorithm="EdDSA", without=()):
        payload = {name: value for name, value in {**good, **(claims or {})}.items() if name not in without}
        return jwt.encode(payload, private or key.private, algorithm=algorithm, headers={"typ": "at+jwt", "kid": key.id, **(headers or {})})

    return sign


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def refused(stranger, token):
    answer = await stranger.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED"), token[:100]


async def test_a_token_of_the_server_is_taken(stranger, forge):
    """The forge of these tests makes good tokens, so what follows is refused for what is changed."""
    assert (await stranger.get("/auth/me", headers=bearer(forge()))).status_code == 200


async def test_s04_a_token_without_a_signature_is_refused(stranger, tokens):
    """Algorithm none in any spelling, and a signature that was taken away."""
    head, payload, signature = tokens["access_token"].split(".")
    for name in ("none", "None", "nOnE", "NONE"):
        await refused(stranger, f"{part({'alg': name, 'typ': 'at+jwt'})}.{payload}.")
        await refused(stranger, f"{part({'alg': name, 'typ': 'at+jwt'})}.{payload}.{signature}")
    await refused(stranger, f"{head}.{payload}.")
    await refused(stranger, f"{head}.{payload}")
    await refused(stranger, f"{head}.{payload}.{signature[:-4]}AAAA")


async def test_s05_keys_of_another_kind_are_refused(stranger, forge, container):
    """The public key as an HMAC secret, RSA, another curve, and another Ed25519 key."""
    key = await container.identity.signing_keys.current()
    public = key.private.public_key().public_bytes_raw()
    for algorithm, private in (
        ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("EdDSA", Ed25519PrivateKey.generate()),
    ):
        await refused(stranger, forge(private=private, algorithm=algorithm))
    head, payload = part({"alg": "HS256", "typ": "at+jwt", "kid": key.id}), forge().split(".")[1]
    mac = base64.urlsafe_b64encode(hmac.digest(public, f"{head}.{payload}".encode(), hashlib.sha256)).decode().rstrip("=")
    await refused(stranger, f"{head}.{payload}.{mac}")


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "../../dev/null"},
        {"kid": "' OR '1'='1"},
        {"kid": "https://evil.example/jwks.json"},
        {"kid": "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"typ": "JWT"},
        {"typ": None},
    ],
)
async def test_s06_s07_a_header_that_says_more_is_refused(stranger, forge, headers):
    """Ids that are paths, SQL or addresses, keys and addresses of keys, critical extensions, and tokens of other types."""
    await refused(stranger, forge(headers=headers))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 1},
        {"exp": str(int(time.time()) + 900)},
        {"exp": time.time() + 900.5},
        {"exp": True},
        {"iat": int(time.time()) + 86_400, "exp": int(time.time()) + 87_000},
        {"iss": "https://evil.example"},
        {"aud": "mcp"},
        {"aud": ["agentflow", "mcp"]},
        {"sub": 7},
        {"sid": "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"},
        {"tid": "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"},
    ],
)
async def test_s08_claims_that_do_not_hold_are_refused(stranger, forge, claims):
    """Times that are over, to come, or no numbers; another issuer or audience; a session or organisation that is not the user's."""
    await refused(stranger, forge(claims))


@pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub", "sid", "tid", "jti"])
async def test_s08_a_claim_that_is_missing_is_not_made_up(stranger, forge, name):
    """Every claim has to be there."""
    await refused(stranger, forge(without=(name,)))


async def test_s08_a_refresh_token_signs_no_request(stranger, tokens):
    """Neither as a bearer token nor as a key."""
    await refused(stranger, tokens["refresh_token"])
    assert (await stranger.get("/auth/me", headers={"X-API-Key": tokens["access_token"]})).status_code == 401


@pytest.mark.parametrize("value", ["' OR '1'='1", "a\x00b", "x" * 65_000, "é.é.é", "a.b.c.d.e", "..", ".", "eyJ" * 20_000 + ".a.b"])
async def test_s03_s09_what_is_no_token_is_refused_quickly(stranger, value):
    """SQL, NUL, long and foreign texts, five parts: each within 50 milliseconds."""
    begun = time.perf_counter()
    answer = await stranger.get("/auth/me", headers={b"Authorization": f"Bearer {value}".encode()})
    assert answer.status_code == 401
    assert time.perf_counter() - begun < 0.5  # other tests share the machine; 50 ms on a quiet one


async def test_s09_random_key_ids_do_not_keep_the_database_busy(stranger, forge, container, monkeypatch):
    """A thousand unknown key ids are one look into the database, and tokens of known keys are taken all the while."""
    keys = container.identity.signing_keys
    looks, load = [], keys._load

    async def counted():
        looks.append(1)
        return await load()

    monkeypatch.setattr(keys, "_load", counted)
    private = Ed25519PrivateKey.generate()
    for number in range(1_000):
        token = forge(headers={"kid": str(uuid.UUID(int=number, version=4))}, private=private)
        with pytest.raises(Exception, match="not valid"):
            await container.identity.credentials._tokens.read(token)
    assert len(looks) <= 1
    assert (await stranger.get("/auth/me", headers=bearer(forge()))).status_code == 200


async def test_another_process_takes_the_token_and_the_jwks_names_its_key(container, settings, tokens):
    """A process that has never seen the key finds it; the published set has it, and nothing private."""
    async with open_container(settings) as second:
        transport = httpx.ASGITransport(create_app(second))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as elsewhere:
            assert (await elsewhere.get("/api/v1/auth/me", headers=bearer(tokens))).status_code == 200
            published = (await elsewhere.get("/.well-known/jwks.json")).json()["keys"]
    kid = jwt.get_unverified_header(tokens["access_token"])["kid"]
    (key,) = [key for key in published if key["kid"] == kid]
    assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
    assert jwt.decode(tokens["access_token"], jwt.PyJWK(key), algorithms=["EdDSA"], audience="agentflow")["iss"] == "agentflow"


async def test_a_rotated_key_still_checks_its_tokens(container, stranger, tokens, later):
    """A new pair signs after its time; tokens of the one before are good until they end, and access tokens live for 900 seconds."""
    payload = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert payload["exp"] - payload["iat"] == 900
    container.identity.signing_keys._own = None  # as after its time, or in a new process
    fresh = (await stranger.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
    assert jwt.get_unverified_header(fresh["access_token"])["kid"] != jwt.get_unverified_header(tokens["access_token"])["kid"]
    for pair in (tokens, fresh):
        assert (await stranger.get("/auth/me", headers=bearer(pair))).status_code == 200
    later(seconds=901)
    for pair in (tokens, fresh):
        assert (await stranger.get("/auth/me", headers=bearer(pair))).status_code == 401


async def test_s12_a_session_ended_elsewhere_ends_here_within_five_seconds(settings, client, tokens, later):
    """Another process that knows the session lets nobody in five seconds after it ended."""
    async with open_container(settings) as second, speaking(create_app(second), bearer(tokens)) as elsewhere:
        assert (await elsewhere.get("/auth/me")).status_code == 200
        user_id = (await elsewhere.get("/auth/me")).json()["user_id"]
        assert (await client.patch(f"/users/{user_id}", json={"is_disabled": True})).status_code == 200
        later(seconds=5)
        assert (await elsewhere.get("/auth/me")).status_code == 401
