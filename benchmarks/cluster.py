"""A cluster: one server and one worker on PostgreSQL and a broker; durable ten-node chains beside ten steps of Celery, DBOS and Prefect."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from agentflow.infra.crypto import new_key, to_text
from benchmarks import rivals
from benchmarks.report import Figure
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


def measure() -> list[Figure]:
    """Measure on either broker."""
    with postgres() as url:
        dbos = rivals.apart("dbos_chain", rivals.DBOS, url)["per_s"]
    with postgres() as url:
        prefect = rivals.apart("prefect_chain", rivals.PREFECT, url)["per_s"]
    figures: list[Figure] = []
    for name, url in BROKERS.items():
        rival = apart("celery_chain", url, BROKERS["Redis"])["per_s"]
        with cluster(url) as api:
            workflow = store(api, chain(10))
            load(api, workflow, seconds=2)
            ours = load(api, workflow, seconds=5)["per_s"]
            starts = hot_starts(api, workflow)
        figures += [
            Figure(f"cluster, 10-node chain, {name}", ours, "runs/s", "≥ 3 x", ours >= 3 * rival, rival, "Celery chain of 10 no-ops"),
            Figure(f"cluster, 10-node chain, {name}", ours, "runs/s", "≥ 5 x", ours >= 5 * dbos, dbos, "DBOS behind FastAPI, PostgreSQL"),
            Figure(f"cluster, 10-node chain, {name}", ours, "runs/s", "≥ 10 x", ours >= 10 * prefect, prefect, "Prefect, 10 no-op tasks"),
            Figure(f"cluster, 10-node chain, {name}", ours, "runs/s", f"> {RESTATE:g}", ours > RESTATE),
            Figure(f"accept to first node, p50, {name}", starts[STARTS // 2], "ms", "≤ 15", starts[STARTS // 2] <= 15),
            Figure(f"accept to first node, p99, {name}", starts[STARTS * 99 // 100], "ms", "≤ 60", starts[STARTS * 99 // 100] <= 60),
        ]
    return figures


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
