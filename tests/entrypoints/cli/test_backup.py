"""Backups taken while runs are under way, restored elsewhere: every run of the copy comes to its end."""

import asyncio
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.databases import new_postgres

AGENTFLOW = Path(sys.executable).with_name("agentflow")
RUNS = 12


def agentflow(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([AGENTFLOW, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=100)


def spec() -> dict[str, Any]:
    """Return a chain that takes a while, with a value too large for a row."""
    nodes: list[dict[str, Any]] = [{"id": "large", "type": "transform", "config": {"value": {"text": "{{ 'x' * 1000 }}"}}}]
    nodes += [{"id": f"wait{n}", "type": "delay", "config": {"seconds": 0.2}} for n in range(8)]
    nodes.append({"id": "last", "type": "transform", "config": {"value": "{{ nodes.large.text | length }}"}})
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
    return {"spec_version": "1", "name": "long", "start_node": "large", "nodes": nodes, "edges": edges}


@asynccontextmanager
async def running(data_dir: Path, url: str | None = None) -> AsyncIterator[tuple[ServerProcess, Client]]:
    """Start a server, and kill it at the end."""
    server = ServerProcess(data_dir, url, {"spill_bytes": "500"})
    await asyncio.to_thread(server.start)
    client = Client(server)
    try:
        yield server, client
    finally:
        await client.close()
        await asyncio.to_thread(server.kill)


async def start_runs(client: Client) -> None:
    """Start runs, some of which are through their first nodes when this returns."""
    workflow = await client.store(spec())
    await asyncio.gather(*[client.start(workflow, f"key-{n}") for n in range(RUNS)])
    async for kind in client.follow(next(iter(client.promised.values()))):
        if kind == "node.completed":
            return


async def come_to_their_end(client: Client) -> None:
    """Wait for every run that the copy knows, and look at each."""
    runs = (await client.get(f"/runs?limit={RUNS}"))["items"]
    assert len(runs) == RUNS
    for run in runs:
        async for kind in client.follow(run["id"]):
            if kind == "run.succeeded":
                break
        ended, events = await client.get(f"/runs/{run['id']}"), await client.events(run["id"])
        assert (ended["status"], ended["outputs"]) == ("succeeded", 1000)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        done = [event["node_id"] for event in events if event["type"] == "node.completed"]
        assert len(done) == len(set(done)) == 10


async def test_a_backup_under_load_is_restored_elsewhere(tmp_path: Path):
    """The server goes on meanwhile; from the copy all runs come to their end, each node once, large values included."""
    async with running(tmp_path / "here") as (_, client):
        await start_runs(client)
        made = await asyncio.to_thread(agentflow, "backup", tmp_path / "backup.tar", "--data-dir", tmp_path / "here")
        assert made.returncode == 0, made.stderr
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0
    restored = await asyncio.to_thread(agentflow, "restore", tmp_path / "backup.tar", "--data-dir", tmp_path / "there")
    assert restored.returncode == 0, restored.stderr
    # The keys are kept apart from the data that they open.
    shutil.copy(tmp_path / "here" / "master.key", tmp_path / "there")
    async with running(tmp_path / "there") as (_, client):
        await come_to_their_end(client)


@pytest.fixture
def two_postgres() -> Iterator[tuple[str, str]]:
    with new_postgres() as here, new_postgres() as there:
        yield here, there


async def test_a_dump_under_load_is_restored_into_another_postgresql(tmp_path: Path, two_postgres: tuple[str, str]):
    """The same with the tools of PostgreSQL, as the guide shows them."""
    here, there = two_postgres
    dump = tmp_path / "agentflow.dump"
    async with running(tmp_path / "data", here) as (_, client):
        await start_runs(client)
        await asyncio.to_thread(subprocess.run, ["pg_dump", "--format=custom", f"--file={dump}", here], check=True)
    await asyncio.to_thread(subprocess.run, ["pg_restore", "--no-owner", f"--dbname={there}", dump], check=True)
    async with running(tmp_path / "data", there) as (_, client):
        await come_to_their_end(client)


def test_what_cannot_be_backed_up_or_restored_says_why(tmp_path: Path):
    """No database, a name that is taken, a folder that is in use, and files that are no backup, or want to write elsewhere."""
    nothing = agentflow("backup", tmp_path / "b.tar", "--data-dir", tmp_path / "none")
    assert (nothing.returncode, "There is no database" in nothing.stderr) == (2, True)
    data = tmp_path / "data"
    assert agentflow("migrate", "--data-dir", data).returncode == 0
    assert agentflow("backup", tmp_path / "b.tar", "--data-dir", data).returncode == 0
    taken = agentflow("backup", tmp_path / "b.tar", "--data-dir", data)
    assert (taken.returncode, "exists" in taken.stderr) == (2, True)
    in_use = agentflow("restore", tmp_path / "b.tar", "--data-dir", data)
    assert (in_use.returncode, "There is a database" in in_use.stderr) == (2, True)
    (tmp_path / "text.tar").write_text("no archive at all")
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        packed.add(tmp_path / "text.tar", "agentflow.db")
        packed.add(tmp_path / "text.tar", "../outside")
    for name in ("text.tar", "evil.tar"):
        refused = agentflow("restore", tmp_path / name, "--data-dir", tmp_path / "new")
        assert (refused.returncode, "is no backup" in refused.stderr) == (2, True), refused.stderr
    assert not (tmp_path / "outside").exists()


def test_a_damaged_database_is_not_served(tmp_path: Path):
    """A start on a file that was cut off ends with the way out, and so does the doctor."""
    data = tmp_path / "data"
    assert agentflow("migrate", "--data-dir", data).returncode == 0
    store = data / "agentflow.db"
    store.write_bytes(store.read_bytes()[:-5000])
    for command in (("serve", "--port", "0"), ("doctor",)):
        refused = agentflow(*command, "--data-dir", data)
        assert refused.returncode != 0
        assert "is damaged" in refused.stderr + refused.stdout
        assert "agentflow restore" in refused.stderr + refused.stdout
