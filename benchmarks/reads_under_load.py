"""Reading runs while others run.

python -m benchmarks.reads_under_load PORT KEY RUN SECONDS
"""

import asyncio
import json
import sys
import threading
import time

import uvloop

from benchmarks.report import Figure, at_most
from benchmarks.setting import apart, call, load, server, store
from benchmarks.specs import chain, waiting
from benchmarks.wire import Connection
from scripts.server_process import ServerProcess

SECONDS = 4


def measure() -> list[Figure]:
    """Measure ``GET /runs/{id}`` beside runs that wait, and beside as many runs as the server can take."""
    with server() as process:
        busy, waits = store(process, chain(10)), store(process, waiting(10, 0.05))
        run = call(process, "POST", f"/api/v1/workflows/{busy}/execute?wait=10", {"inputs": {}})["id"]
        load(process, waits, seconds=2, concurrency=50)
        beside = _read_beside(process, run, waits, concurrency=100)
        saturated = _read_beside(process, run, busy, concurrency=32)
    return [
        at_most("GET /runs/{id}, p99, beside 100 waiting runs", beside["p99_ms"], 20, "ms"),
        Figure("GET /runs/{id}, median, beside 100 waiting runs", beside["median_ms"], "ms"),
        Figure("GET /runs/{id}, p99, server saturated by 32 clients", saturated["p99_ms"], "ms"),
    ]


def _read_beside(process: ServerProcess, run: str, workflow: str, *, concurrency: int) -> dict[str, float]:
    under = threading.Thread(
        target=load, args=(process, workflow), kwargs={"seconds": SECONDS + 2, "concurrency": concurrency, "ramp": 0.6}
    )
    under.start()
    found = apart("reads_under_load", process.port, process.key, run, SECONDS)
    under.join()
    return found


async def read(port: int, key: str, run: str, seconds: float) -> dict[str, float]:
    """Read up to a hundred times a second."""
    connection, times, begin = Connection(port, key), list[float](), time.monotonic()
    await asyncio.sleep(1.5)
    while time.monotonic() - begin < seconds:
        started = time.perf_counter()
        await connection.json("GET", f"/api/v1/runs/{run}")
        times.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    times.sort()
    return {"p99_ms": times[int(len(times) * 0.99)] * 1e3, "median_ms": times[len(times) // 2] * 1e3}


if __name__ == "__main__":
    port_, key_, run_, seconds_ = sys.argv[1:]
    print(json.dumps(uvloop.run(read(int(port_), key_, run_, float(seconds_)))))
