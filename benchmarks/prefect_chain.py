"""Prefect: a flow of ten tasks that do nothing, against a Prefect server of its own on PostgreSQL.

python benchmarks/prefect_chain.py postgresql://… --concurrency 8 --seconds 10   (in an environment that has Prefect; see rivals.py)
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress

STEPS = 10


async def measure(concurrency: int, seconds: float) -> dict[str, float]:
    """Run so many flows at a time, in one process."""
    from prefect import flow, task

    @task
    async def nothing() -> None:
        """Do nothing."""

    @flow
    async def chain() -> None:
        for _ in range(STEPS):
            await nothing()

    await chain()
    done, begin = 0, time.perf_counter()

    async def one() -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            await chain()
            done += 1

    await asyncio.gather(*(one() for _ in range(concurrency)))
    return {"per_s": done / (time.perf_counter() - begin)}


def until_ready(port: int) -> None:
    """Wait until the server answers."""
    for _ in range(1_200):
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health"):
            return
        time.sleep(0.1)
    raise RuntimeError("the Prefect server did not start")


def main() -> None:
    """Measure as told on the command line; the server is a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        quiet = {
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        database = options.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        os.environ.update(quiet, PREFECT_HOME=home, PREFECT_API_DATABASE_CONNECTION_URL=database)
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        try:
            until_ready(port)
            print(json.dumps(asyncio.run(measure(options.concurrency, options.seconds))))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
