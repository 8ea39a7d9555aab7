"""Who gets in: keys, one-time links, the browser's cookie."""

import asyncio
import shutil
import stat
from datetime import timedelta

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.identity.auth import COOKIE
from agentflow.identity.owner import LOOPBACK, RemoteBindRefused, check_bind
from agentflow.identity.sessions.service import Device
from agentflow.infra.audit.trail import Doer
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE

ME = "/api/v1/auth/me"


@pytest.fixture
def key(container):
    """Give the owner's key."""
    return container.owner.key_file.read_text().strip()


async def browser(container):
    """Return the cookie of a browser that the owner is signed in with."""
    owner = container.owner
    return await container.identity.sessions.open_browser(Doer(owner.tenant_id, owner.user_id, "owner"), Device())


async def test_the_first_start_writes_a_key_for_the_owner_alone(container, settings):
    """The file is readable by its owner only, in a folder that is closed to others, and nothing else is left beside it."""
    path = settings.data_dir / "owner.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
    assert list(settings.data_dir.glob("*.tmp")) == []


async def test_the_key_is_taken_from_either_header(anonymous, key, container):
    """X-API-Key and Authorization: Bearer stand for the owner, with every permission."""
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer  {key} "}):
        answer = await anonymous.get(ME, headers=headers)
        assert (answer.status_code, answer.json()["user_id"]) == (200, container.owner.user_id)
    assert "workflows:write" in answer.json()["permissions"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "afk_nothing"},
        {"X-API-Key": "ü"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer afk_nothing"},
        {"Cookie": f"{COOKIE}=afs_nothing"},
    ],
)
async def test_without_a_good_credential_nothing_opens(anonymous, headers):
    """Every guarded address answers 401 with a challenge, a problem and no difference between wrong and unknown."""
    encoded = {name: value.encode() for name, value in headers.items()}
    for path in (ME, "/api/v1/workflows", "/api/v1/runs/x", "/metrics"):
        answer = await anonymous.get(path, headers=encoded)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_s01_every_guarded_operation_refuses_strangers(anonymous):
    """No operation of the document that asks for a credential answers without one."""
    document = (await anonymous.get("/api/v1/openapi.json")).json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "security" in operation:
                content = {"json": {}} if "requestBody" in operation else {}
                answer = await anonymous.request(method, path.replace("{number}", "1"), **content)
                assert answer.status_code in {401, 422}, (method, path)
                if answer.status_code == 422:
                    assert "requestBody" in operation or "diff" in path


async def test_a_link_signs_a_browser_in_once(anonymous, container):
    """S135: the cookie is out of reach for scripts and other sites; the link is worthless afterwards, also for two at once."""
    token = await container.owners.sign_in_token(container.owner)
    answers = await asyncio.gather(*(anonymous.get("/api/v1/auth/link", params={"token": token}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401, 401]
    (signed,) = [answer for answer in answers if answer.status_code == 303]
    assert signed.headers["location"] == "/docs"
    cookie = signed.headers["set-cookie"]
    assert all(part in cookie for part in (COOKIE, "HttpOnly", "SameSite=strict", "Path=/", "Max-Age"))
    session = cookie.split(";")[0]
    assert (await anonymous.get(ME, headers={"Cookie": session})).status_code == 200


async def test_a_link_grows_old(anonymous, container):
    """After its time the link is worth nothing."""
    owner = container.owner
    token = await container.owners.sign_in_token(owner, timedelta(seconds=-1))
    assert (await anonymous.get("/api/v1/auth/link", params={"token": token})).status_code == 401


async def test_a_secret_is_good_for_its_own_use_only(anonymous, container, key):
    """S22: a link is no key, a key is no link, a session is no key."""
    token = await container.owners.sign_in_token(container.owner)
    assert (await anonymous.get(ME, headers={"X-API-Key": token})).status_code == 401
    assert (await anonymous.get("/api/v1/auth/link", params={"token": key})).status_code == 401
    session = await browser(container)
    assert (await anonymous.get(ME, headers={"X-API-Key": session})).status_code == 401
    assert (await anonymous.get(ME, headers={"Cookie": f"{COOKIE}={key}"})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": BASE}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_another_site_cannot_act_with_the_cookie(anonymous, container, headers, status):
    """S133: a changing request with the cookie must come from this site; reading may come from anywhere."""
    session = await browser(container)
    cookie = {"Cookie": f"{COOKIE}={session}"}
    answer = await anonymous.post("/api/v1/workflows/validate", json={"spec": {}}, headers=cookie | headers)
    assert answer.status_code == status
    assert (await anonymous.get("/api/v1/workflows", headers=cookie)).status_code == 200


async def test_a_lost_key_is_replaced_and_the_old_one_worthless(anonymous, container, key):
    """After issuing a new key the old one opens nothing, at once in this process."""
    assert (await anonymous.get(ME, headers={"X-API-Key": key})).status_code == 200
    await container.owners.reissue_key(container.owner)
    fresh = container.owner.key_file.read_text().strip()
    assert fresh != key
    assert (await anonymous.get(ME, headers={"X-API-Key": key})).status_code == 401
    assert (await anonymous.get(ME, headers={"X-API-Key": fresh})).status_code == 200


async def test_the_owner_stays_the_same_over_restarts(settings):
    """A second start keeps owner and key; a start without the file writes a new key for the same owner."""
    async with open_container(settings) as first:
        owner, key = first.owner, first.owner.key_file.read_text()
    async with open_container(settings) as second:
        assert (second.owner, second.owner.key_file.read_text()) == (owner, key)
    owner.key_file.unlink()
    async with open_container(settings) as third:
        assert third.owner == owner
        fresh = third.owner.key_file.read_text()
        assert fresh != key
        transport = AsgiTransport(create_app(third))
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"X-API-Key": fresh.strip()}) as client:
            assert (await client.get(ME)).status_code == 200


@pytest.mark.parametrize("settings_on_both", ["sqlite"], indirect=True)  # the database lies in the folder
async def test_a_key_of_another_database_is_replaced(settings, tmp_path, migrated_file):
    """A data folder whose database was exchanged gets a key that works."""
    async with open_container(settings) as first:
        stale = first.owner.key_file.read_text()
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(migrated_file, other / "agentflow.db")
    shutil.copy(settings.data_dir / "owner.key", other / "owner.key")
    async with open_container(settings.model_copy(update={"data_dir": other})) as second:
        assert second.owner.key_file.read_text() != stale


async def test_no_secret_is_stored(container, key):
    """S18: the database holds hashes, not keys."""
    files = container.settings.data_dir.glob("agentflow.db*")
    assert all(key.encode() not in file.read_bytes() for file in files)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_the_server_does_not_listen_beyond_this_machine(host):
    """S26: before anybody has a password, only loopback is served."""
    with pytest.raises(RemoteBindRefused):
        check_bind(host, is_protected=False)
    check_bind(host, is_protected=True)


@pytest.mark.parametrize("host", sorted(LOOPBACK))
def test_loopback_is_served(host):
    """Every name of this machine's loopback is allowed."""
    check_bind(host, is_protected=False)
