"""Links by which an artifact can be downloaded without a credential: they end, and cannot be changed."""

import secrets
import shutil
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from agentflow.artifacts.errors import LinkExpired, LinkNotValid
from agentflow.artifacts.links import PURPOSE, TOKEN_CHARACTERS, Links
from agentflow.bootstrap.container import Container, open_container
from agentflow.bootstrap.keys import key_service
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.keys.ring import KeyRing
from agentflow.infra.signatures.models import InstallationKeyRow
from agentflow.infra.signatures.signer import Signer
from agentflow.interfaces.rest.app import create_app
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from tests.apps import BASE
from tests.runtime.support import ShiftedClock
from tests.support.s3_server import S3, s3

__all__ = ["s3"]


@pytest.fixture
def settings(settings_on_both: Settings) -> Settings:
    """Give settings of both databases."""
    return settings_on_both


def _signer(container: Container, clock: Clock, purpose: str = PURPOSE) -> Signer:
    ring = KeyRing(container.database, key_service(container.settings), clock, container.settings.data_dir)
    return Signer(container.database, clock, purpose, ring, container.owner.tenant_id)


class _WithKey(Signer):
    """Signs with a key that is known."""

    def __init__(self, key: bytes) -> None:
        self._key = key


async def _stored_key(container: Container) -> bytes:
    async with container.database.reading() as session:
        return bytes((await session.scalars(select(InstallationKeyRow.key))).one())


async def _linked(client: httpx.AsyncClient, **body: int) -> tuple[str, str]:
    artifact = (await client.post("/artifacts", files={"file": ("a.txt", b"text", "text/plain")})).json()
    made = await client.post(f"/artifacts/{artifact['id']}/link", json=body)
    assert made.status_code == 200, made.text
    return artifact["id"], made.json()["url"]


async def test_a_link_needs_no_credential(client: httpx.AsyncClient, anonymous: httpx.AsyncClient):
    """Whoever has it downloads the content, as an attachment that nobody keeps; other ways in stay shut."""
    artifact, url = await _linked(client)
    got = await anonymous.get(url)
    assert (got.status_code, got.content) == (200, b"text")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["cache-control"] == "private, no-store"
    assert (await anonymous.get(f"/api/v1/artifacts/{artifact}/content")).status_code == 401
    assert (await anonymous.post(f"/api/v1/artifacts/{artifact}/link")).status_code == 401


async def test_a_changed_link_is_refused(client: httpx.AsyncClient, anonymous: httpx.AsyncClient):
    """S32: each byte of a token counts, and it counts for its artifact only; the answer does not tell whether the artifact exists."""
    artifact, url = await _linked(client)
    other, _ = await _linked(client)
    token = url.partition("token=")[2]
    changed = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(0, len(token), 7)]
    for bad in (*changed, "", "x", token + "A", token[:-1], "é" * TOKEN_CHARACTERS):
        answer = await anonymous.get(f"/api/v1/artifacts/{artifact}/download", params={"token": bad})
        assert (answer.status_code, answer.json()["code"]) == (403, "LINK_NOT_VALID"), bad
    for elsewhere in (other, new_id(), "nonsense"):
        answer = await anonymous.get(f"/api/v1/artifacts/{elsewhere}/download", params={"token": token})
        assert (answer.status_code, answer.json()["code"]) == (403, "LINK_NOT_VALID")
    assert (await anonymous.get(f"/api/v1/artifacts/{artifact}/download")).status_code == 422


async def test_a_link_ends(container: Container, client: httpx.AsyncClient):
    """S32: from the moment on that was told, it is gone."""
    artifact, _ = await _linked(client)
    clock = ShiftedClock()
    links = Links(_signer(container, clock), clock)
    token, ends = await links.make(container.owner.tenant_id, artifact, timedelta(seconds=60))
    assert await links.read(artifact, token) == container.owner.tenant_id
    clock.ahead = timedelta(seconds=61)
    with pytest.raises(LinkExpired):
        await links.read(artifact, token)
    assert ends < clock.now()


async def test_the_link_of_a_deleted_artifact_leads_nowhere(client: httpx.AsyncClient, anonymous: httpx.AsyncClient):
    """It is as valid as before, but nothing is there."""
    artifact, url = await _linked(client)
    assert (await client.delete(f"/artifacts/{artifact}")).status_code == 204
    assert (await anonymous.get(url)).status_code == 404


@pytest.mark.parametrize("life", [0, 604_801, 1.5, "60", None])
async def test_a_link_has_a_sensible_life(client: httpx.AsyncClient, life: object):
    """At least a second, at most a week."""
    artifact, _ = await _linked(client)
    assert (await client.post(f"/artifacts/{artifact}/link", json={"expires_in_s": life})).status_code == 422


async def test_every_process_of_an_installation_knows_the_links_and_no_other_does(settings: Settings, tmp_path: Path, migrated_file: Path):
    """The key lies in the database, sealed; another installation has another one."""
    clock, artifact, tenant = ShiftedClock(), new_id(), new_id()
    async with open_container(settings) as first, open_container(settings) as second:
        token, _ = await Links(_signer(first, clock), clock).make(tenant, artifact, timedelta(hours=1))
        assert await Links(_signer(second, clock), clock).read(artifact, token) == tenant
        with pytest.raises(LinkNotValid):
            await Links(_signer(first, clock, "something else"), clock).read(artifact, token)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(migrated_file, elsewhere / "agentflow.db")
    async with open_container(Settings(data_dir=elsewhere)) as other:
        with pytest.raises(LinkNotValid):
            await Links(_signer(other, clock), clock).read(artifact, token)


async def test_the_key_that_signs_links_is_sealed(container: Container, client: httpx.AsyncClient, anonymous: httpx.AsyncClient):
    """What lies in the database signs nothing that is taken."""
    artifact, _ = await _linked(client)
    key, life = await _stored_key(container), timedelta(hours=1)
    for guess in (key, key[-32:], key[:32]):
        token, _ = await Links(_WithKey(guess), container.clock).make(container.owner.tenant_id, artifact, life)
        assert (await anonymous.get(f"/api/v1/artifacts/{artifact}/download?token={token}")).status_code == 403


async def test_a_key_that_lay_in_the_clear_is_sealed_at_the_next_start(settings: Settings, container: Container, client: httpx.AsyncClient):
    """Links that it signed before are good as they were."""
    key = secrets.token_bytes(32)
    artifact = (await client.post("/artifacts", files={"file": ("a.txt", b"text", "text/plain")})).json()["id"]
    async with container.database.transaction() as session:
        await session.execute(insert(InstallationKeyRow).values(purpose=PURPOSE, key=key, created_at=container.clock.now()))
    token, _ = await Links(_WithKey(key), container.clock).make(container.owner.tenant_id, artifact, timedelta(hours=1))
    async with open_container(settings) as next_one, httpx.AsyncClient(transport=AsgiTransport(create_app(next_one)), base_url=BASE) as web:
        assert key not in await _stored_key(next_one)
        assert (await web.get(f"/api/v1/artifacts/{artifact}/download?token={token}")).content == b"text"


@given(st.one_of(st.text(max_size=100), st.text("ABab09-_=", min_size=TOKEN_CHARACTERS, max_size=TOKEN_CHARACTERS)))
async def test_whatever_is_no_token_is_refused(token: str):
    """No text breaks the reader."""
    with pytest.raises(LinkNotValid):
        await Links(_WithKey(b"k" * 32), ShiftedClock()).read(new_id(), token)


async def test_links_lead_to_a_store_that_answers_by_itself(settings: Settings, s3: S3, monkeypatch: pytest.MonkeyPatch):
    """Where that is on, S3 serves the content and we are not asked."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    changed = settings.model_copy(update={"object_store_url": f"{s3.url}/{new_id()}", "object_store_presign": True})
    async with open_container(changed) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        transport = AsgiTransport(create_app(container))
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/api/v1", headers=headers) as client, httpx.AsyncClient() as web:
            _, url = await _linked(client)
            assert url.startswith(s3.endpoint)
            assert (await web.get(url)).content == b"text"
