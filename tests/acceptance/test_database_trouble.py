"""A real server whose PostgreSQL crashes, is cut off, or hangs: it says so quickly, loses nothing, and goes on by itself."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.databases import POSTGRES, new_postgres
from tests.support.postgres_server import PostgresProcess
from tests.support.tcp_proxy import TcpProxy, tcp_proxy

ONE = {"spec_version": "1", "name": "one", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}], "edges": []}


async def timed(http: httpx.AsyncClient, method: str, path: str, **options: object) -> tuple[httpx.Response, float]:
    """Return an answer and the seconds to it."""
    began = time.monotonic()
    answer = await http.request(method, path, **options)  # type: ignore[arg-type]
    return answer, time.monotonic() - began


async def all_ended(client: Client, within_s: float) -> None:
    """Wait for the end of every promised run."""
    began = time.monotonic()
    while left := await client.unfinished():
        assert time.monotonic() - began < within_s, left
        await asyncio.sleep(0.1)


async def test_a_crash_of_postgres_is_told_at_once_and_forgotten_soon(own_postgres: PostgresProcess, tmp_path: Path) -> None:
    """F6: while it is down every request is 503 within a second and says when to come back; 5 s after its return, runs succeed again."""
    server = ServerProcess(tmp_path / "data", own_postgres.url)
    await asyncio.to_thread(server.start)
    client = Client(server)
    try:
        workflow = await client.store(ONE)
        for round_ in range(2):
            await client.start(workflow, f"before-{round_}")
            await asyncio.to_thread(own_postgres.crash)
            for method, path, body in (
                ("GET", "/runs", None),
                ("POST", f"/workflows/{workflow}/execute", {}),
                ("GET", "/workflows", None),
            ) * 3:
                answer, took_s = await timed(client.http, method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
                assert 1 <= int(answer.headers["retry-after"]) <= 1
                assert took_s <= 1
            await asyncio.to_thread(own_postgres.start)
            back = time.monotonic()
            while (await client.http.post(f"/workflows/{workflow}/execute?wait=5", json={})).json().get("status") != "succeeded":
                assert time.monotonic() - back < 5
            assert time.monotonic() - back <= 5
        await all_ended(client, 30)
    finally:
        await client.close()
        server.kill()


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[tuple[ServerProcess, TcpProxy]]:
    """Give a server whose way to PostgreSQL can be blocked."""
    with new_postgres() as url:
        place = urlsplit(POSTGRES)
        async with tcp_proxy(place.hostname or "127.0.0.1", place.port or 5432) as proxy:
            way = url.replace(f"{place.hostname}:{place.port}", f"127.0.0.1:{proxy.port}")
            server = ServerProcess(tmp_path / "data", way)
            await asyncio.to_thread(server.start)
            yield server, proxy
            server.kill()


async def test_a_database_that_hangs_leaves_the_process_alive(proxied: tuple[ServerProcess, TcpProxy]) -> None:
    """F8: liveness answers within 100 ms at p99, readiness says what hangs, the rest is shed; nothing piles up, and all is well after."""
    server, proxy = proxied
    client = Client(server)
    stuck: list[asyncio.Task[tuple[httpx.Response, float]]] = []
    try:
        workflow = await client.store(ONE)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as probe:
            proxy.stall()
            stuck = [asyncio.create_task(timed(client.http, "GET", "/workflows")) for _ in range(30)]
            times = [(await timed(probe, "GET", "/health/live"))[1] for _ in range(600)]
            assert statistics.quantiles(times, n=100)[98] <= 0.1
            ready, took_s = await timed(probe, "GET", "/health/ready")
            assert (ready.status_code, took_s < 3) == (503, True)
            hung = {item["name"]: item for item in ready.json()["dependencies"]}["database"]
            assert (hung["ok"], hung["error"]) == (False, "no answer within 2 s")
            done, _ = await asyncio.wait(stuck, timeout=8)
            shed = [task.result()[0] for task in done]
            assert len(shed) >= 20  # all but those that hold the connections
            assert {answer.status_code for answer in shed} == {503}
            proxy.resume()
            await asyncio.gather(*stuck)
            answer = await client.http.post(f"/workflows/{workflow}/execute?wait=10", json={})
            assert answer.json()["status"] == "succeeded"
            assert (await probe.get("/health/ready")).status_code == 200
    finally:
        proxy.resume()
        await asyncio.gather(*stuck, return_exceptions=True)
        await client.close()


async def test_connections_that_are_cut_cost_a_retry_at_most(proxied: tuple[ServerProcess, TcpProxy]) -> None:
    """F7: whatever is cut in the middle is answered or 503, never 500; a repeated key names one run, and every promised run ends."""
    server, proxy = proxied
    client = Client(server)
    try:
        workflow = await client.store(ONE)
        proxy.cut_after = 60_000

        async def read() -> set[int]:
            return {(await client.http.get("/workflows")).status_code for _ in range(150)}

        seen, *_ = await asyncio.gather(read(), *[client.start(workflow, f"key-{n}") for n in range(40)])
        cuts, proxy.cut_after = proxy.cuts, None
        assert cuts >= 3
        assert seen <= {200, 503}
        await all_ended(client, 40)
        assert (await client.get("/runs?count=true"))["total"] == len(client.promised) == 40
    finally:
        await client.close()
