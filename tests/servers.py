"""A server as a user starts it; packages import the fixture into their ``conftest``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scripts.services.base import free_port


@dataclass(frozen=True)
class Server:
    """A running `agentflow serve`."""

    netloc: str
    data_dir: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """Start the server on a free port, with nothing else configured."""
    data_dir = tmp_path_factory.mktemp("server") / "data"
    log = data_dir.parent / "server.log"
    port = free_port()
    with log.open("wb") as output:
        command = [Path(sys.executable).with_name("agentflow"), "serve", "--port", str(port), "--data-dir", str(data_dir)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
        # The examples call a receiver on this machine.
        environment["AGENTFLOW_HTTP_ALLOWED_HOSTS"] = "127.0.0.1"
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/health/ready", process, log)
        yield Server(f"127.0.0.1:{port}", data_dir)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")
