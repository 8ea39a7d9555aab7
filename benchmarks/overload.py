"""Five times as many starts as the server can do: how long what it accepts takes, how quickly it refuses the rest, and when it is well again.

`AGENTFLOW_BENCH_OVERLOAD_S` sets the seconds of overload (120). The flood comes at a fixed rate, so that a slow
server is not spared, from a process of its own; times are taken by a few clients in another, which have nothing else to do.
"""

import asyncio
import os
import time

import uvloop

from benchmarks.report import Figure, at_most
from benchmarks.setting import apart, server, store
from benchmarks.specs import chain
from benchmarks.wire import Connection
from scripts.server_process import ServerProcess

PROBES, EVERY_S = 20, 0.2
CALM_S = 5.0
BODY = b'{"inputs": {}}'


def measure() -> list[Figure]:
    """Measure the capacity with clients that wait, then send five times that."""
    seconds = float(os.environ.get("AGENTFLOW_BENCH_OVERLOAD_S", "120"))
    with server() as process:
        workflow = store(process, chain(10))
        return uvloop.run(_measure(process, workflow, seconds))


async def _measure(process: ServerProcess, workflow: str, seconds: float) -> list[Figure]:
    path = f"/api/v1/workflows/{workflow}/execute"
    capacity = await _capacity(process, path)
    begin = time.perf_counter()
    flood = asyncio.create_task(_flood(process, path, 5 * capacity, seconds))
    accepted, shed = await _probe(process, path, begin + seconds)
    answers = await flood
    calm = await _calm_again(process, path)
    return [
        Figure("capacity in runs, clients that wait", capacity, "/s"),
        Figure("starts offered in overload", sum(answers.values()) / seconds, "/s"),
        Figure("starts accepted in overload", answers.get("202", 0) / seconds, "/s"),
        at_most("accepted in overload, p99", _quantile(accepted, 0.99), 0.5, "s"),
        Figure("refused in overload, median", _quantile(shed, 0.5), "s"),
        at_most("refused in overload, p99", _quantile(shed, 0.99), 0.05, "s"),
        at_most("normal again after", calm, 30, "s"),
    ]


async def _flood(process: ServerProcess, path: str, rate: float, seconds: float) -> dict[str, int]:
    arguments = [str(process.port), process.key, path, "--rate", str(rate), "--seconds", str(seconds)]
    return dict(await asyncio.to_thread(apart, "flood", *arguments))


async def _probe(process: ServerProcess, path: str, until: float) -> tuple[list[float], list[float]]:
    """Send a few requests of one's own and return how long they took, those accepted and those refused."""
    accepted, shed = list[float](), list[float]()

    async def client(number: int) -> None:
        connection = Connection(process.port, process.key)
        await asyncio.sleep(EVERY_S * number / PROBES)
        while (sent := time.perf_counter()) < until:
            status = (await connection.request("POST", path, BODY))[0]
            took = time.perf_counter() - sent
            (accepted if status == 202 else shed).append(took)
            await asyncio.sleep(max(EVERY_S - took, 0))
        connection.close()

    await asyncio.gather(*(client(number) for number in range(PROBES)))
    return accepted, shed


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
