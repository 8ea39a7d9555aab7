"""A cluster: one server and one worker on PostgreSQL and a broker; durable ten-node chains beside ten steps of Celery, DBOS and Prefect.

What stands beside ours is taken before and behind it: the speed of shared machines changes within minutes.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import fmean

from agentflow.infra.crypto import new_key, to_text
from benchmarks import rivals
from benchmarks.report import Figure, at_most
from benchmarks.setting import apart, call, load, postgres, store
from benchmarks.specs import chain
from scripts.server_process import ServerProcess, WorkerProcess

BROKERS = {
    "RabbitMQ": os.environ.get("AGENTFLOW_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
    "Redis": os.environ.get("AGENTFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
}
RESTATE = 144.0
"""Durable runs a second that Restate was measured at on such a machine."""
STARTS = 200


RIVALS = {
    "DBOS behind FastAPI, PostgreSQL": ("dbos_chain", rivals.DBOS, 5),
    "Prefect, 10 no-op tasks": ("prefect_chain", rivals.PREFECT, 10),
}


def measure() -> list[Figure]:
    """Measure on either broker."""
    before = {rival: _rival(rival) for rival in RIVALS}
    measured = {name: _on(url) for name, url in BROKERS.items()}
    beside = {rival: fmean([per_s, _rival(rival)]) for rival, per_s in before.items()}
    return [figure for name, (ours, celery, starts) in measured.items() for figure in _figures(name, ours, celery, starts, beside)]


def _rival(rival: str) -> float:
    module, packages, _ = RIVALS[rival]
    with postgres() as url:
        return float(rivals.apart(module, packages, url)["per_s"])


def _on(broker: str) -> tuple[float, float, list[float]]:
    """Return our runs and Celery's in a second on a broker, and the hot starts of ours."""
    before = float(apart("celery_chain", broker, BROKERS["Redis"])["per_s"])
    with cluster(broker) as api:
        workflow = store(api, chain(10))
        load(api, workflow, seconds=2)
        ours = load(api, workflow, seconds=5)["per_s"]
        starts = hot_starts(api, workflow)
    return ours, fmean([before, float(apart("celery_chain", broker, BROKERS["Redis"])["per_s"])]), starts


def _figures(name: str, ours: float, celery: float, starts: list[float], beside: dict[str, float]) -> list[Figure]:
    chains, starting = f"cluster, 10-node chain, {name}", "accept to first node"
    p50, p99 = starts[STARTS // 2], starts[STARTS * 99 // 100]
    return [
        Figure(chains, ours, "runs/s", "≥ 3 x", ours >= 3 * celery, celery, "Celery chain of 10 no-ops"),
        *(
            Figure(chains, ours, "runs/s", f"≥ {RIVALS[rival][2]} x", ours >= RIVALS[rival][2] * per_s, per_s, rival)
            for rival, per_s in beside.items()
        ),
        Figure(chains, ours, "runs/s", f"> {RESTATE:g}", ours > RESTATE),
        at_most(f"{starting}, p50, {name}", p50, 15, "ms"),
        at_most(f"{starting}, p99, {name}", p99, 60, "ms"),
    ]


@contextmanager
def cluster(broker: str) -> Iterator[ServerProcess]:
    """Give the server of a cluster with one worker."""
    with tempfile.TemporaryDirectory() as folder, postgres() as url:
        settings = {"broker_url": broker, "master_key": to_text(new_key())}
        api, worker = ServerProcess(Path(folder) / "api", url, settings), WorkerProcess(Path(folder) / "worker", url, settings)
        api.start()
        worker.start()
        try:
            yield api
        finally:
            worker.stop()
            api.stop()


def hot_starts(api: ServerProcess, workflow: str) -> list[float]:
    """Return the milliseconds from acceptance to the first node of runs that come one by one, sorted."""
    took = []
    for _ in range(STARTS):
        run = call(api, "POST", f"/api/v1/workflows/{workflow}/execute?wait=10", {})
        events = call(api, "GET", f"/api/v1/runs/{run['id']}/events")["items"]
        first = next(event for event in events if event["type"] == "node.started")
        took.append((datetime.fromisoformat(first["at"]) - datetime.fromisoformat(events[0]["at"])).total_seconds() * 1000)
        time.sleep(0.01)
    return sorted(took)
