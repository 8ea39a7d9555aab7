"""Five times as many starts as the server can do: how long what it accepts takes, how quickly it refuses the rest, and when it is well again.

`AGENTFLOW_BENCH_OVERLOAD_S` sets the seconds of overload (20; the full size is 120). The clients send at a fixed rate and do not wait
for one another, so that a slow server is not spared.
"""

import asyncio
import os
import time

import uvloop

from benchmarks.report import Figure, at_most
from benchmarks.setting import server, store
from benchmarks.specs import chain
from benchmarks.wire import Connection
from scripts.server_process import ServerProcess

CLIENTS = 400
CALM_S = 5.0
BODY = b'{"inputs": {}}'


def measure() -> list[Figure]:
    """Measure the capacity with clients that wait, then send five times that."""
    seconds = float(os.environ.get("AGENTFLOW_BENCH_OVERLOAD_S", "20"))
    with server() as process:
        workflow = store(process, chain(10))
        return uvloop.run(_measure(process, workflow, seconds))


async def _measure(process: ServerProcess, workflow: str, seconds: float) -> list[Figure]:
    path = f"/api/v1/workflows/{workflow}/execute"
    capacity = await _capacity(process, path)
    accepted, shed, begin = list[float](), list[float](), time.perf_counter()
    answered_calmly_at = begin

    async def client(number: int, connection: Connection, until: float) -> None:
        nonlocal answered_calmly_at
        interval = CLIENTS / (5 * capacity)
        due = time.perf_counter() + interval * number / CLIENTS
        while due < until:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            sent = time.perf_counter()
            status = (await connection.request("POST", path, BODY))[0]
            (accepted if status == 202 else shed).append(time.perf_counter() - sent)
            due = max(due + interval, time.perf_counter())

    connections = [Connection(process.port, process.key) for _ in range(CLIENTS)]
    await asyncio.gather(*(client(number, connection, begin + seconds) for number, connection in enumerate(connections)))
    calm = await _calm_again(process, path)
    for connection in connections:
        connection.close()
    wall = time.perf_counter() - begin - calm
    return [
        Figure("capacity in runs, clients that wait", capacity, "/s"),
        Figure("starts offered in overload", (len(accepted) + len(shed)) / wall, "/s"),
        Figure("starts accepted in overload", len(accepted) / wall, "/s"),
        at_most("accepted in overload, p99", _quantile(accepted, 0.99), 0.5, "s"),
        Figure("refused in overload, median", _quantile(shed, 0.5), "s"),
        at_most("refused in overload, p99", _quantile(shed, 0.99), 0.05, "s"),
        at_most("normal again after", calm, 30, "s"),
    ]


async def _capacity(process: ServerProcess, path: str) -> float:
    done, begin = 0, time.perf_counter()

    async def client() -> None:
        nonlocal done
        connection = Connection(process.port, process.key)
        while time.perf_counter() - begin < CALM_S:
            await connection.json("POST", f"{path}?wait=60", {"inputs": {}})
            done += 1
        connection.close()

    await asyncio.gather(*(client() for _ in range(32)))
    return done / (time.perf_counter() - begin)


async def _calm_again(process: ServerProcess, path: str) -> float:
    """Return the seconds until twenty runs one after the other are accepted, each within 50 ms."""
    connection, begin, good = Connection(process.port, process.key), time.perf_counter(), 0
    while good < 20 and time.perf_counter() - begin < 120:
        sent = time.perf_counter()
        status = (await connection.request("POST", path, BODY))[0]
        good = good + 1 if status == 202 and time.perf_counter() - sent < 0.05 else 0
        await asyncio.sleep(0.05)
    connection.close()
    return time.perf_counter() - begin


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0
