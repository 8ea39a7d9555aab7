"""Ten thousand stored events to one reader of the event stream.

python -m benchmarks.sse PORT KEY RUN
"""

import json
import sys
import time

import uvloop

from benchmarks.report import Figure, at_most
from benchmarks.setting import apart, call, server, store
from benchmarks.specs import many_events
from benchmarks.wire import Connection

EVENTS = 10_000


def measure() -> list[Figure]:
    """Make a run with so many events, then read them."""
    with server() as process:
        workflow = store(process, many_events())
        begin = time.monotonic()
        run = call(process, "POST", f"/api/v1/workflows/{workflow}/execute?wait=60", {"inputs": {"items": list(range(EVENTS // 2))}})
        made = time.monotonic() - begin
        if run["status"] != "succeeded":
            raise RuntimeError(f"the run did not succeed: {run['error']}")
        found = apart("sse", process.port, process.key, run["id"])
    if found["events"] < EVENTS:
        raise RuntimeError(f"only {found['events']} events came")
    return [
        at_most(f"{found['events']:,} stored events over SSE", found["seconds"], 1.5, "s"),
        Figure(f"a map over {EVENTS // 2:,} items", made, "s"),
    ]


async def read(port: int, key: str, run: str) -> dict[str, float]:
    """Read the stream to its end and count the events."""
    connection, begin, tail, events = Connection(port, key), time.perf_counter(), b"", 0
    reader, _ = await connection.send("GET", f"/api/v1/runs/{run}/events", accept="text/event-stream")
    await connection.head(reader)
    while b"event: run.succeeded" not in tail:
        chunk = await reader.read(2**20)
        if not chunk:
            break
        # A line may be cut by a chunk's end; what is kept of it is shorter than the mark that is counted.
        events += (tail[-5:] + chunk).count(b"\nid: ")
        tail = tail[-100:] + chunk
    return {"events": events, "seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    port_, key_, run_ = sys.argv[1:]
    print(json.dumps(uvloop.run(read(int(port_), key_, run_))))
