"""F12: a disk that refuses single calls of a real server. Nothing is half done, and a commit that the disk did not keep is never believed.

``AGENTFLOW_CHAOS_EVERY_CALL=1`` tries every call of a run of five nodes instead of a handful.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from agentflow.infra.db.lost import EXIT_STATUS
from scripts.server_process import ServerProcess
from tests.acceptance.campaigns.audit import audit
from tests.acceptance.client import Client
from tests.runtime.support import spec_of, transform

STRACE = shutil.which("strace")
EVERY = os.environ.get("AGENTFLOW_CHAOS_EVERY_CALL") == "1"
FIVE = spec_of([transform(f"n{n}", n) for n in range(5)], [f"n{n}>n{n + 1}" for n in range(4)])

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_200 if EVERY else 120),
    pytest.mark.skipif(STRACE is None, reason="strace is not installed: it injects the errors"),
]


@contextmanager
def injected(server: ServerProcess, calls: str, error: str, when: int) -> Iterator[Path]:
    """Let the ``when``-th of some system calls of each thread fail; gives the log of those calls."""
    log = server.data_dir.with_suffix(".strace")
    command = [
        str(STRACE),
        "-f",
        "-p",
        str(server.pid),
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:error={error}:when={when}",
        "-o",
        log,
    ]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    if "attached" not in line:
        tracer.kill()
        tracer.communicate()
        pytest.skip(f"strace may not attach here: {line.strip()}")
    try:
        yield log
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)


async def begin(client: Client, workflow: str, key: str) -> int | None:
    """Ask once for a run; returns the status of the answer, or None when the connection broke."""
    try:
        answer = await client.http.post(f"/workflows/{workflow}/execute?wait=3", json={}, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None
    if answer.status_code in {200, 202}:
        client.promised[key] = answer.json()["id"]
    return answer.status_code


async def all_end(client: Client) -> None:
    """Wait for the end of every promised run."""
    deadline = time.monotonic() + 20
    while await client.unfinished():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data", None, {"shutdown_grace_s": "2"})
    server.start()
    yield server
    server.kill()


async def test_a_commit_that_the_disk_does_not_keep_ends_the_process(server: ServerProcess):
    """``fsync`` fails: the process ends at once with status 74 and promises nothing more; the next one ends what was promised."""
    client = Client(server)
    workflow = await client.store(FIVE)
    for when in count(1) if EVERY else (1, 2):
        key = str(when)
        with injected(server, "fsync,fdatasync", "EIO", when) as log:
            status = await begin(client, workflow, key)
            failed = "INJECTED" in log.read_text()
            if failed:
                assert await asyncio.to_thread(server.wait, 10) == EXIT_STATUS
        assert status in {None, 200, 202}
        if not failed:
            assert EVERY, f"there was no call number {when}"
            break
        await asyncio.to_thread(server.start)
        await client.start(workflow, key)
        await all_end(client)
    await client.close()
    await audit(server.database_url, client.promised)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_a_write_that_fails_is_told_and_forgotten(server: ServerProcess, error: str):
    """A write fails: the request is 503 or 507, or the run goes on when the next write succeeds; the process stays, nothing is torn."""
    client = Client(server)
    workflow = await client.store(FIVE)
    seen = set()
    for when in count(1) if EVERY else (1, 3, 6):
        key = str(when)
        with injected(server, "pwrite64", error, when) as log:
            seen.add(await begin(client, workflow, key))
            failed = "INJECTED" in log.read_text()
        if not failed:
            assert EVERY, f"there was no call number {when}"
            break
        await client.start(workflow, key)
        await all_end(client)
        assert server.lives
    await client.close()
    assert seen <= {200, 202, 503 if error == "EIO" else 507}
    await audit(server.database_url, client.promised)
