"""Half of what the server can do, for a long time: whether memory, file descriptors and tasks stay where they are.

`AGENTFLOW_BENCH_SOAK_S` sets the seconds (120; the full size is 3600). The first third is warm-up: caches fill, and what belongs to a
busy process is loaded. Memory is judged by the slope of a line through the rest.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.report import Figure, at_most
from benchmarks.setting import call, load, server, store, text
from benchmarks.specs import chain
from scripts.server_process import ServerProcess

EVERY_S = 2.0
WARM_UP = 1 / 3


@dataclass(frozen=True)
class Sample:
    """The process at one moment.

    Attributes:
        at: seconds since the beginning.
        resident_mb: its resident memory.
        descriptors: its open file descriptors.
        tasks: the tasks of its event loop.
    """

    at: float
    resident_mb: float
    descriptors: float
    tasks: float


def measure() -> list[Figure]:
    """Measure the capacity, then offer half of it."""
    seconds = float(os.environ.get("AGENTFLOW_BENCH_SOAK_S", "120"))
    with server() as process:
        workflow = store(process, chain(10))
        capacity = float(load(process, workflow, seconds=5)["per_s"])
        samples = list(_under_load(process, workflow, capacity / 2, seconds))
        stuck = _stuck(process)
    steady = samples[int(len(samples) * WARM_UP) :]
    middle = len(steady) // 2
    return [
        Figure("soak: runs offered", capacity / 2, "/s"),
        at_most("soak: growth of resident memory", slope(steady) * 60, 1.0, "MB/min"),
        Figure("soak: resident memory at the end", steady[-1].resident_mb, "MB"),
        at_most("soak: file descriptors, second half less first", _grown([s.descriptors for s in steady], middle), 2, ""),
        at_most("soak: tasks, second half less first", _grown([s.tasks for s in steady], middle), 5, ""),
        at_most("soak: runs that are not through ten seconds later", stuck, 0, ""),
    ]


def slope(samples: Sequence[Sample]) -> float:
    """Return the MB a second by which resident memory grows: the least-squares line through the samples."""
    at = sum(sample.at for sample in samples) / len(samples)
    mb = sum(sample.resident_mb for sample in samples) / len(samples)
    return sum((s.at - at) * (s.resident_mb - mb) for s in samples) / sum((s.at - at) ** 2 for s in samples)


def _under_load(process: ServerProcess, workflow: str, rate: float, seconds: float) -> Iterator[Sample]:
    """Yield samples while another process starts runs at a fixed rate."""
    path = f"/api/v1/workflows/{workflow}/execute"
    command = [sys.executable, "-m", "benchmarks.flood", str(process.port), process.key, path, "--rate", str(rate)]
    flood = subprocess.Popen([*command, "--seconds", str(seconds)], stdout=subprocess.DEVNULL)
    begin = time.monotonic()
    while flood.poll() is None:
        yield _sample(process, time.monotonic() - begin)
        time.sleep(EVERY_S)
    if flood.returncode:
        raise RuntimeError("the load broke off")


def _sample(process: ServerProcess, at: float) -> Sample:
    metrics = text(process, "/metrics")
    return Sample(at, process.resident_mb(), _value(metrics, "process_open_fds"), _value(metrics, "agentflow_event_loop_tasks"))


def _value(metrics: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/metrics has no {name}")
    return float(found[1])


def _grown(values: Sequence[float], middle: int) -> float:
    """Return by how much the median of the second half passes that of the first."""
    return _median(values[middle:]) - _median(values[:middle])


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _stuck(process: ServerProcess) -> int:
    """Return how many runs have not ended within ten seconds of the last start."""
    until = time.monotonic() + 10
    while True:
        left = sum(len(call(process, "GET", f"/api/v1/runs?status={status}")["items"]) for status in ("queued", "running"))
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.5)
