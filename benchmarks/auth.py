"""What it costs a request that somebody is recognised, may do it, and is within the limits: the same requests with and without, in turns.

Without, the gate of each route answers with the owner at once. Both read what needs no database, and go straight into the application, so
that little else is measured. What is remembered of callers is looked up anew every 2.5 s, as always.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.identity.auth import authenticate
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.observability.logging import configure_logging
from agentflow.interfaces.rest.app import create_app
from benchmarks.report import Figure, at_most
from benchmarks.setting import postgres

REDIS = os.environ.get("AGENTFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
REQUESTS = 1_500
MOST_MS = 0.5
PASSWORD = "clouds swim under green bridges"


def measure() -> list[Figure]:
    """Measure on SQLite, on PostgreSQL, and with limits that are shared through Redis."""
    configure_logging("error", "console")
    figures = []
    with ExitStack() as stack:
        url = stack.enter_context(postgres())
        for name, database, redis in (("SQLite", None, None), ("PostgreSQL", url, None), ("SQLite, limits in Redis", None, REDIS)):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            figures += asyncio.run(_measure(Settings(data_dir=Path(folder), database_url=database, redis_url=redis), name))
    return figures


async def _measure(settings: Settings, name: str) -> list[Figure]:
    async with open_container(settings) as container:
        app = create_app(container)
        owner = Subject(container.owner.tenant_id, container.owner.user_id, ALL_PERMISSIONS, "owner")
        figures = []
        for kind, headers in (("key", _key(container)), ("access token", await _token(container, app))):
            with_it, without = await _in_turns(app, owner, "/api/v1/node-types/input", headers)
            figures.append(Figure(f"read a node type by {kind}, {name}", with_it, "ms", floor=without, floor_name="without gate"))
            figures.append(at_most(f"authentication by {kind}, {name}", with_it - without, MOST_MS, "ms"))
        return figures


def _key(container: Container) -> Mapping[bytes, bytes]:
    return {b"x-api-key": container.owner.key_file.read_bytes().strip()}


async def _token(container: Container, app: FastAPI) -> Mapping[bytes, bytes]:
    import orjson

    await _ask(app, "PUT", "/api/v1/auth/password", _key(container), orjson.dumps({"new_password": PASSWORD}))
    answer = await _ask(app, "POST", "/api/v1/auth/login", {}, orjson.dumps({"username": "owner", "password": PASSWORD}))
    return {b"authorization": b"Bearer " + orjson.loads(answer)["access_token"].encode()}


async def _in_turns(app: FastAPI, owner: Subject, path: str, headers: Mapping[bytes, bytes]) -> tuple[float, float]:
    """Return the median milliseconds of a request with its gate, and without."""

    async def at_once(request: Request) -> Subject:  # noqa: ARG001 - in the place of a gate, and called like one
        return owner

    gates = [(gate, gate.call) for gate in _gates(app)]
    times = {True: list[float](), False: list[float]()}
    for number in range(2 * REQUESTS):
        on = number % 4 in (0, 3)  # one after the other, so that both meet the same machine; neither comes always first
        for gate, check in gates:
            gate.call = check if on else at_once
        begin = time.perf_counter()
        await _ask(app, "GET", path, headers)
        times[on].append((time.perf_counter() - begin) * 1e3)
    for gate, check in gates:
        gate.call = check
    return median(times[True]), median(times[False])


def _gates(app: FastAPI) -> Iterator[Any]:
    """Yield what decides in each route who may call."""
    for route in app.routes:
        for each in route.dependant.dependencies if isinstance(route, APIRoute) else ():
            if each.call is authenticate or getattr(each.call, "__qualname__", "").startswith("gate"):
                yield each


async def _ask(app: FastAPI, method: str, path: str, headers: Mapping[bytes, bytes], body: bytes = b"") -> bytes:
    """Send a request into the application and return the body of the answer, which must be a success."""
    given = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers.items()]
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": given,
    }
    scope |= {
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "root_path": "",
        "state": {},
    }
    parts, status = [], 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    if status >= 300:
        raise RuntimeError(f"{method} {path}: {status} {b''.join(parts)[:500].decode()}")
    return b"".join(parts)
