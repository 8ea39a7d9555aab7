"""A server as a user starts it; packages import the fixture into their ``conftest``."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    """A running `agentflow serve`."""

    netloc: str
    data_dir: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """Start the server on a free port, with nothing else configured."""
    # The examples call a receiver on this machine.
    with started(tmp_path_factory.mktemp("server"), http_allowed_hosts="127.0.0.1") as opened:
        yield opened


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Server]:
    """Run a server on a free port, with some settings."""
    data_dir, log = folder / "data", folder / "server.log"
    with log.open("wb") as output:
        command = [Path(sys.executable).with_name("agentflow"), "serve", "--port", "0", "--data-dir", str(data_dir)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
        environment |= {f"AGENTFLOW_{name.upper()}": value for name, value in settings.items()}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield Server(announced(process, log), data_dir)
    finally:
        process.terminate()
        process.wait(30)


def announced(process: subprocess.Popen, log: Path) -> str:
    """Return the address that the server says it listens on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"listens on http://(\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")
