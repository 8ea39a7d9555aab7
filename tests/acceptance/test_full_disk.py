"""F12: a disk that is full. Requests are refused cleanly, nothing is half done, and all goes on when there is room again."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE

SIZE = 12_000_000
SPEC: dict[str, Any] = {
    "name": "echo",
    "start_node": "a",
    "nodes": [{"id": "a", "type": "transform", "config": {"value": "{{ inputs.text | length }}"}}],
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def _fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    assert shutil.disk_usage(disk).free == 0
    return filler


async def test_a_full_disk_is_507_and_all_goes_on_when_there_is_room_again(small_disk: Path):
    """Starting, saving and sending are refused with 507; what was accepted before is there, and nothing that was refused."""
    async with open_container(Settings(data_dir=small_disk / "data", shutdown_grace_s=0.2)) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        transport = AsgiTransport(create_app(container))
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/api/v1", headers=headers, timeout=60) as client:

            async def start(text: str) -> httpx.Response:
                return await client.post("/execute?wait=30", json={"spec": SPEC, "inputs": {"text": text}})

            first = await start("x")
            assert (first.status_code, first.json()["outputs"]) == (200, 1)
            filler = _fill(small_disk)
            refused = [await start("y" * 300_000)]
            for number in range(200):
                # Room inside the database file is used up first.
                refused.append(await client.post("/workflows", json={"spec": {**SPEC, "description": "z" * 9_000}, "name": f"w{number}"}))
                if refused[-1].status_code != 201:
                    break
            refused = [answer for answer in refused if answer.status_code != 201]
            assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(507, "STORAGE_FULL")] * 2
            assert all("retry-after" in answer.headers for answer in refused)
            assert (await client.get(f"/runs/{first.json()['id']}")).json()["status"] == "succeeded"
            filler.unlink()
            again = await start("y" * 300_000)
            assert (again.status_code, again.json()["outputs"]) == (200, 300_000)
            runs = (await client.get("/runs?count=true")).json()
            assert runs["total"] == 2
            stored = [path for path in (small_disk / "data" / "objects").rglob("*") if path.is_file()]
            assert len(stored) == 1
