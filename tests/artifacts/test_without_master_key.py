"""What becomes of links where the master key is not."""

from pathlib import Path

import httpx
import pytest

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.infra.keys.errors import MasterKeyMissing
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE


@pytest.fixture
def settings(settings_on_postgres: Settings) -> Settings:
    """Give settings of an installation that can have workers."""
    return settings_on_postgres


async def test_a_worker_without_the_master_key_starts_beside_a_sealed_signing_key(
    settings: Settings, container: Container, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """It makes no key and no link; the server's links are as good as before."""
    artifact = (await client.post("/artifacts", files={"file": ("a.txt", b"text", "text/plain")})).json()["id"]
    url = (await client.post(f"/artifacts/{artifact}/link")).json()["url"]
    path, _, token = url.removeprefix("/api/v1/artifacts/").partition("/download?token=")
    bare = settings.model_copy(update={"data_dir": tmp_path / "worker", "broker_url": "memory://"})
    async with open_container(bare, worker=True) as worker:
        with pytest.raises(MasterKeyMissing):
            await worker.artifacts.linked(path, token)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(container)), base_url=BASE) as web:
        assert (await web.get(url)).content == b"text"
