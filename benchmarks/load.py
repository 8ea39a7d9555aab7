"""The client process: runs a workflow over HTTP many times and prints what it saw as JSON.

python -m benchmarks.load PORT KEY WORKFLOW --concurrency 32 --seconds 5
"""

import argparse
import asyncio
import json
import time

import uvloop

from benchmarks.wire import Connection


def main() -> None:
    """Measure as told on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("workflow")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, help="stop after so many runs, whatever the time")
    parser.add_argument("--ramp", type=float, default=0.0, help="seconds over which the clients begin, so that they are not in step")
    print(json.dumps(uvloop.run(measure(parser.parse_args()))))


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Run ``concurrency`` clients, each waiting for the final answer of a run before the next."""
    path, latencies = f"/api/v1/workflows/{options.workflow}/execute?wait=60", list[float]()
    loop = asyncio.get_running_loop()
    left = options.count or 10**9
    begin = loop.time()

    async def client(number: int) -> None:
        nonlocal left
        await asyncio.sleep(options.ramp * number / options.concurrency)
        connection = Connection(options.port, options.key)
        while left > 0 and loop.time() - begin < options.seconds:
            left -= 1
            started = time.perf_counter()
            run = await connection.json("POST", path, {"inputs": {}})
            if run["status"] != "succeeded":
                raise RuntimeError(f"a run did not succeed: {run}")
            latencies.append(time.perf_counter() - started)
        connection.close()

    await asyncio.gather(*[client(number) for number in range(options.concurrency)])
    wall = loop.time() - begin
    latencies.sort()
    return {"runs": len(latencies), "wall_s": wall, "per_s": len(latencies) / wall, "median_s": latencies[len(latencies) // 2]}


if __name__ == "__main__":
    main()
