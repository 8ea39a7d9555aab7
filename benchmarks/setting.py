"""What a measurement needs around it: a server on an empty database, workflows in it, and processes that measure."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.wire import Connection
from scripts.server_process import ServerProcess

POSTGRES = os.environ.get("AGENTFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")


@contextmanager
def postgres() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database."""
    name = f"agentflow_bench_{uuid.uuid4().hex}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server(database_url: str | None = None, **settings: str) -> Iterator[ServerProcess]:
    """Give a running server with an empty data folder."""
    with tempfile.TemporaryDirectory() as folder:
        process = ServerProcess(Path(folder) / "data", database_url, settings)
        process.start()
        try:
            yield process
        finally:
            process.stop()


def store(process: ServerProcess, spec: dict[str, Any]) -> str:
    """Store a workflow and return its id."""
    created = call(process, "POST", "/api/v1/workflows", {"spec": spec})
    return str(created["id"])


def call(process: ServerProcess, method: str, path: str, value: Any = None) -> Any:
    """Send one request and return the JSON of the answer."""
    return _send(process, lambda connection: connection.json(method, path, value))


def text(process: ServerProcess, path: str) -> str:
    """Return what a page says."""
    body: bytes = _send(process, lambda connection: connection.request("GET", path))[1]
    return body.decode()


def _send(process: ServerProcess, request: Callable[[Connection], Awaitable[Any]]) -> Any:
    async def send() -> Any:
        connection = Connection(process.port, process.key)
        try:
            return await request(connection)
        finally:
            connection.close()

    return asyncio.run(send())


def apart(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module of this package in a process of its own and return the JSON it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=400).stdout)
    return result


def load(process: ServerProcess, workflow: str, **options: float) -> dict[str, Any]:
    """Run a workflow over HTTP from another process; see ``benchmarks.load``."""
    flags = [item for name, value in options.items() for item in (f"--{name}", value)]
    return apart("load", process.port, process.key, workflow, *flags)
