"""What browsers are told, whom they may speak for, and by which name and address a request came."""

import httpx
import pytest

from agentflow.entrypoints.cli.asgi import AsgiTransport
from tests.apps import BASE
from tests.identity.conftest import quick_hashes
from tests.identity.people import PASSWORD, hire, speaking

__all__ = ["quick_hashes"]
APP = "https://app.example.com"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key, content-type, idempotency-key"}


@pytest.fixture
def edge():
    """Give what a test sets beyond the defaults."""
    return {}


@pytest.fixture
def settings(settings, edge):
    return settings.model_copy(update=edge)


with_origin = pytest.mark.parametrize("edge", [{"cors_origins": frozenset({APP})}])


async def test_s134_by_default_no_other_origin_gets_an_answer(client):
    """No header of CORS is ever sent, and a preflight is an unknown method."""
    for origin in (APP, "null", BASE):
        answer = await client.get("/workflows", headers={"Origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control")]
    refused = await client.options("/workflows", headers={"Origin": APP, **PREFLIGHT})
    assert refused.status_code == 405
    assert not [name for name in refused.headers if name.startswith("access-control")]


@with_origin
async def test_an_origin_that_is_set_may_call(client, anonymous):
    """S0-61: its preflight is answered, and what it sends; the headers that its programs need can be read. No cookie comes along."""
    preflight = await anonymous.options("/api/v1/workflows", headers={"Origin": APP, **PREFLIGHT})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, APP)
    assert {"x-api-key", "idempotency-key"} <= set(preflight.headers["access-control-allow-headers"].lower().split(", "))
    answer = await client.get("/workflows", headers={"Origin": APP})
    assert answer.headers["access-control-allow-origin"] == APP
    assert {"RateLimit", "ETag", "X-Request-ID"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert "Origin" in answer.headers["vary"]
    errors = await anonymous.get("/api/v1/workflows", headers={"Origin": APP})
    assert (errors.status_code, errors.headers["access-control-allow-origin"]) == (401, APP)
    assert "access-control-allow-credentials" not in {*preflight.headers, *answer.headers, *errors.headers}


@with_origin
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://app.example.com", f"{APP}.evil.example", f"{APP}:8443", "https://xapp.example.com"]
)
async def test_s134_another_origin_may_not(client, anonymous, origin):
    """Nothing is reflected, whatever the origin is like."""
    preflight = await anonymous.options("/api/v1/workflows", headers={"Origin": origin, **PREFLIGHT})
    assert preflight.status_code == 400
    answer = await client.get("/workflows", headers={"Origin": origin})
    for headers in (preflight.headers, answer.headers):
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("edge", [{"cors_origins": frozenset({"*"})}])
async def test_every_origin_can_be_let_in_but_never_with_the_cookie(client):
    """The star is never an origin's name with credentials."""
    answer = await client.get("/workflows", headers={"Origin": "https://anything.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_s132_every_answer_has_its_policies(client, anonymous):
    """Also errors, pages and preflights: nothing runs, nothing frames, nothing sniffs; no style or script is written into a page unnamed."""
    for answer in (
        await client.get("/workflows"),
        await anonymous.get("/docs"),
        await anonymous.get("/nothing"),
        await anonymous.get("/api/v1/runs"),
        await anonymous.request("TRACE", "/"),
        await anonymous.get("/%00"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


@pytest.mark.parametrize("edge", [{"trusted_proxies": frozenset({"127.0.0.1"})}, {}])
async def test_s114_tls_is_told_by_trusted_proxies_only(container, client, app, edge, quick_hashes):
    """Behind a proxy that ends TLS browsers are told to stay with it, and the cookie is of this very host; a stranger's word changes nothing."""
    await hire(client, "ada", "viewer")
    async with speaking(app, {"X-Forwarded-Proto": "https"}) as browser:
        answer = await browser.post("/auth/login", json={"username": "ada", "password": PASSWORD, "browser": True})
        cookie = answer.headers["set-cookie"]
        if edge:
            assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
            assert cookie.startswith("__Host-agentflow_session=")
            assert "Secure" in cookie
        else:
            assert "strict-transport-security" not in answer.headers
            assert cookie.startswith("agentflow_session=")


@pytest.mark.parametrize("edge", [{"trusted_proxies": frozenset({"127.0.0.1"})}])
async def test_the_log_of_deeds_has_the_clients_address_and_not_the_proxys(client):
    """What the proxy says of the client is what is written down."""
    made = await client.post("/variables", json={"name": "v", "value": 1}, headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.7"})
    assert made.status_code == 201
    record = (await client.get("/audit")).json()["items"][0]
    assert record["address"] == "198.51.100.7"


@pytest.mark.parametrize("edge", [{"allowed_hosts": frozenset({"agentflow.test", "::1"})}])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("agentflow.test", 200),
        ("AgentFlow.test:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("agentflow.test.evil.example", 400),
    ],
)
async def test_a_name_that_is_not_ours_is_refused(anonymous, host, status):
    """No other name can be made to lead here from a browser (DNS rebinding)."""
    assert (await anonymous.get("/health/live", headers={"Host": host})).status_code == status


async def test_two_hosts_are_none(app):
    """A request that names two hosts is refused, whatever they are."""
    async with httpx.AsyncClient(transport=AsgiTransport(app), base_url=BASE) as client:
        answer = await client.get("/health/live", headers=[("Host", "agentflow.test"), ("Host", "evil.example")])
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json"}, '{"name": "x", "value": 1}'),
        ({"Content-Type": "text/plain"}, '{"name": "x", "value": 1}'),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "name=x"),
        ({"Content-Type": "application/json", "Origin": "https://evil.example"}, '{"name": "x", "value": 1}'),
        ({"Content-Type": "application/json", "Origin": "null"}, '{"name": "x", "value": 1}'),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site", "Origin": BASE}, '{"name": "x", "value": 1}'),
    ],
)
async def test_s133_a_cookie_alone_changes_nothing(app, client, headers, body, quick_hashes):
    """A page of another origin that makes a browser send something gets 403 and changes nothing, however it sends it."""
    await hire(client, "ada", "admin")
    async with speaking(app) as browser:
        await browser.post("/auth/login", json={"username": "ada", "password": PASSWORD, "browser": True})
        answer = await browser.post("/variables", content=body, headers=headers)
        assert answer.status_code in ({403} if headers["Content-Type"] == "application/json" else {403, 415})
    assert (await client.get("/variables?count=true")).json()["total"] == 0
