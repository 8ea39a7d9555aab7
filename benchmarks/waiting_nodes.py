"""Many runs at once whose ten nodes each wait 50 ms: what waiting costs."""

from benchmarks.report import Figure, at_most
from benchmarks.setting import load, server, store
from benchmarks.specs import waiting

IDEAL_S = 0.5


def measure() -> list[Figure]:
    """Measure the wall time of 100 and of 1,000 runs, and the memory of the server afterwards."""
    with server() as process:
        workflow = store(process, waiting(10, 0.05))
        load(process, workflow, concurrency=20, count=20)
        hundred = min(load(process, workflow, concurrency=100, count=100)["wall_s"] for _ in range(3))
        thousand = load(process, workflow, concurrency=1000, count=1000)["wall_s"]
        return [
            at_most("100 waiting runs", hundred, 0.8, "s", floor=IDEAL_S, floor_name="ideal"),
            Figure("1,000 waiting runs", thousand, "s", floor=IDEAL_S, floor_name="ideal"),
            at_most("memory after 1,000 runs at once", process.resident_mb(), 400, "MB"),
        ]
