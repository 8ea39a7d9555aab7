"""A client that does not believe the server: it repeats what got no answer, with the same key, and keeps what it was promised."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from scripts.server_process import ServerProcess

TERMINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})


class Client:
    """Talks to one server, through its restarts."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self.http = httpx.AsyncClient(
            base_url=f"{server.url}/api/v1", headers={"X-API-Key": server.key}, timeout=30, limits=httpx.Limits(max_connections=50)
        )
        self.promised: dict[str, str] = {}
        """Run ids by idempotency key: every 202 that arrived."""

    async def store(self, spec: dict[str, Any]) -> str:
        """Store a workflow and return its id."""
        created = await self.http.post("/workflows", json={"spec": spec})
        assert created.status_code == 201, created.text
        return str(created.json()["id"])

    async def start(self, workflow: str, key: str, inputs: Mapping[str, Any] | None = None) -> None:
        """Start a run, again and again until the server accepts it; the same key must always name the same run."""
        body = {} if inputs is None else {"inputs": inputs}
        while True:
            try:
                answer = await self.http.post(f"/workflows/{workflow}/execute", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code in {429, 503}:
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code == 202, answer.text
            assert self.promised.setdefault(key, answer.json()["id"]) == answer.json()["id"]
            return

    async def ended(self, run_id: str) -> None:
        """Wait for the end of a run, through restarts of the server."""
        while True:
            try:
                answer = await self.http.get(f"/runs/{run_id}")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 200 and answer.json()["status"] in TERMINAL:
                return
            await asyncio.sleep(0.2)

    async def get(self, path: str) -> Any:
        """Return the JSON of a resource."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def unfinished(self) -> list[str]:
        """Return the promised runs that have not ended."""
        runs = await asyncio.gather(*[self.get(f"/runs/{run_id}") for run_id in self.promised.values()])
        return [run["id"] for run in runs if run["status"] not in TERMINAL]

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return all events of a run."""
        events: list[dict[str, Any]] = []
        while True:
            page = (await self.get(f"/runs/{run_id}/events?after={events[-1]['seq'] if events else 0}"))["items"]
            if not page:
                return events
            events += page

    async def follow(self, run_id: str) -> AsyncIterator[str]:
        """Yield the types of a run's events as they happen."""
        async with self.http.stream("GET", f"/runs/{run_id}/events", headers={"Accept": "text/event-stream"}) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    yield line.removeprefix("event: ")

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()
