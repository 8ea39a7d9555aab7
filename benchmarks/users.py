"""A thousand people who are signed in, browse, and run workflows: how long they wait, and whether anything fails.

Each has an account and an organisation of their own, an address of their own (by a proxy's word), a connection of their own, and pauses
between two requests. Limits are those of every installation. `AGENTFLOW_BENCH_USERS` sets how many (1,000), `AGENTFLOW_BENCH_USERS_S` for how
long (30 s).

python -m benchmarks.users PORT USERS SECONDS
"""

import asyncio
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from benchmarks.report import Figure, at_most
from benchmarks.setting import apart, postgres, server
from benchmarks.specs import chain
from benchmarks.wire import Connection

PASSWORD = "clouds swim under green bridges"
PAUSE_S = 6.0
"""Seconds between two requests of one person, on average; it varies by half."""
COMING = 8
"""Accounts that are made at a time: hashing their passwords keeps the processors busy."""
P95_MS = 200.0


def measure() -> list[Figure]:
    """Measure on SQLite and on PostgreSQL."""
    figures = []
    with postgres() as url:
        for name, database in (("SQLite", None), ("PostgreSQL", url)):
            figures += _measure(name, database)
    return figures


def _measure(name: str, database: str | None) -> list[Figure]:
    users, seconds = int(os.environ.get("AGENTFLOW_BENCH_USERS", "1000")), float(os.environ.get("AGENTFLOW_BENCH_USERS_S", "30"))
    with server(database, registration="open", trusted_proxies="127.0.0.1") as process:
        found = apart("users", process.port, users, seconds)
    return [
        Figure(f"requests of {users} people, {name}", found["per_s"], "/s"),
        Figure(f"runs among them, {name}", found["runs_per_s"], "/s"),
        Figure(f"median, {name}", found["median_ms"], "ms"),
        at_most(f"95 of 100 requests within, {name}", found["p95_ms"], P95_MS, "ms"),
        at_most(f"errors, {name}", found["errors"], 0, ""),
    ]


@dataclass
class Seen:
    """What everybody saw together."""

    times: list[float] = field(default_factory=list)
    runs: int = 0
    errors: list[str] = field(default_factory=list)


class Person:
    """Somebody who is signed in."""

    def __init__(self, port: int, number: int, seen: Seen) -> None:
        self._port, self._number, self._seen = port, number, seen
        self._address = f"X-Forwarded-For: 10.0.{number // 250}.{number % 250 + 1}\r\n"
        self._connection = Connection(port, "", self._address)
        self._workflow = ""
        self._run: str | None = None

    async def come(self) -> None:
        """Make an account, sign in, and store a workflow."""
        email = f"user{self._number}@example.com"
        await self._connection.json("POST", "/api/v1/auth/register", {"email": email, "password": PASSWORD})
        tokens = await self._connection.json("POST", "/api/v1/auth/login", {"username": email, "password": PASSWORD})
        self._connection.close()
        head = f"{self._address}Authorization: Bearer {tokens['access_token']}\r\n"
        storing = Connection(self._port, "", head)
        self._workflow = (await storing.json("POST", "/api/v1/workflows", {"spec": chain(10)}))["id"]
        storing.close()
        # Opened with the first request: until everybody has come, the server would have closed it for being idle.
        self._connection = Connection(self._port, "", head)

    async def work(self, until: float) -> None:
        """Browse and run until the time is over."""
        await asyncio.sleep(random.uniform(0, PAUSE_S))
        while time.monotonic() < until:
            method, path, body = self._next()
            begin = time.perf_counter()
            try:
                answer = await self._connection.json(method, path, body)
            except (RuntimeError, OSError, EOFError) as error:
                self._seen.errors.append(f"{method} {path}: {error}"[:300])
            else:
                self._seen.times.append((time.perf_counter() - begin) * 1e3)
                if method == "POST":
                    self._run, self._seen.runs = answer["id"], self._seen.runs + 1
            await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S)
        self._connection.close()

    def _next(self) -> tuple[str, str, Any]:
        """Return what this person does now: of ten requests three start a run or look at one."""
        choice = random.random()
        if choice < 0.2:
            return "POST", f"/api/v1/workflows/{self._workflow}/execute", {"inputs": {}}
        if choice < 0.3 and self._run is not None:
            return "GET", f"/api/v1/runs/{self._run}", None
        pages = (
            "/api/v1/workflows",
            f"/api/v1/workflows/{self._workflow}",
            "/api/v1/runs?limit=20",
            "/api/v1/auth/me",
            "/api/v1/interrupts",
        )
        return "GET", random.choice(pages), None


async def use(port: int, users: int, seconds: float) -> dict[str, Any]:
    """Let everybody come and work; returns what they saw."""
    seen, places = Seen(), asyncio.Semaphore(COMING)
    people = [Person(port, number, seen) for number in range(users)]

    async def come(person: Person) -> None:
        async with places:
            await person.come()

    await asyncio.gather(*(come(person) for person in people))
    begin = time.monotonic()
    await asyncio.gather(*(person.work(begin + seconds) for person in people))
    took, times = time.monotonic() - begin, sorted(seen.times)
    return {
        "per_s": len(times) / took,
        "runs_per_s": seen.runs / took,
        "median_ms": times[len(times) // 2],
        "p95_ms": times[int(len(times) * 0.95)],
        "errors": len(seen.errors),
        "first_errors": seen.errors[:5],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(use(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
