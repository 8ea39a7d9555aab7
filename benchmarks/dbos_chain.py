"""DBOS behind FastAPI on PostgreSQL: a workflow of ten steps that do nothing, one process, called by clients that wait for the end.

python benchmarks/dbos_chain.py postgresql://… --concurrency 32 --seconds 10   (in an environment that has DBOS; see rivals.py)
"""

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time

import httpx
import uvicorn
from dbos import DBOS, DBOSConfig
from fastapi import FastAPI

STEPS = 10


@DBOS.step()
async def nothing(number: int) -> int:
    """Do nothing, durably."""
    return number


@DBOS.workflow()
async def chain() -> int:
    """Run ten steps one after the other."""
    return sum([await nothing(number) for number in range(STEPS)])


def serve(url: str, port: int) -> None:
    """Answer ``POST /run`` with the result of a workflow."""
    app = FastAPI()
    DBOS(config=DBOSConfig(name="chain", system_database_url=url, log_level="ERROR", run_admin_server=False))
    app.post("/run")(chain)
    DBOS.launch()
    uvicorn.run(app, port=port, log_level="error")


async def measure(port: int, concurrency: int, seconds: float) -> dict[str, float]:
    """Run so many clients, each of which waits for the end of a workflow before the next."""
    done = 0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=httpx.Limits(max_connections=None)) as client:
        await _until_ready(client)
        begin = time.perf_counter()

        async def one() -> None:
            nonlocal done
            while time.perf_counter() - begin < seconds:
                (await client.post("/run")).raise_for_status()
                done += 1

        await asyncio.gather(*(one() for _ in range(concurrency)))
        return {"per_s": done / (time.perf_counter() - begin)}


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            (await client.post("/run")).raise_for_status()
            return
        await asyncio.sleep(0.1)
    raise RuntimeError("the DBOS server did not start")


def main() -> None:
    """Measure as told on the command line; the server is a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--serve", type=int)
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.url, options.serve)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, __file__, options.url, "--serve", str(port)], stdout=subprocess.DEVNULL)
    try:
        print(json.dumps(asyncio.run(measure(port, options.concurrency, options.seconds))))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
