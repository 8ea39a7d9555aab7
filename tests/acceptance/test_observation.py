"""What can be seen of a cluster: one trace and one request id over its processes, and metrics of each."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.services.base import free_port
from tests.acceptance.cluster import BROKERS, client_of, cluster
from tests.support.otlp_receiver import otlp_receiver

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ONE = {"spec_version": "1", "name": "seen", "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 0.1}}], "edges": []}
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


async def test_one_trace_and_one_request_id_lead_over_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API's spans and the worker's are one trace; a run that a second worker takes up after a kill -9 is still in it."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    port = free_port()
    watched = {"log_format": "json", "log_level": "debug", "metrics_port": str(port)}
    with otlp_receiver() as collector, cluster(tmp_path, BROKERS["redis"], otlp_endpoint=collector.endpoint, **watched) as made:
        async with client_of(made) as client:
            headers = {"traceparent": CALLER, "X-Request-ID": "seen-everywhere"}
            answer = await client.http.post("/execute?wait=20", json={"spec": ONE}, headers=headers)
            assert answer.json()["status"] == "succeeded", answer.text
            (ran,) = collector.wait_for("run seen")
            collector.wait_for("POST /api/v1/execute")
            assert collector.path(ran) == ["POST /api/v1/execute", "admit seen", "run seen"]
            assert {span.trace_id for span in collector.spans if span.attributes.get("agentflow.run.id") == answer.json()["id"]} == {
                CALLER.split("-")[1]
            }
            (worker,) = made.workers
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=client.http.headers) as probe:
                assert (await probe.get("/health/live")).status_code == 200
                assert (await probe.get("/health/ready")).status_code == 200
                assert (await probe.get("/api/v1/runs")).status_code == 404
                metrics = (await probe.get("/metrics")).text
            assert 'agentflow_runs_ended_total{status="succeeded",workflow="seen"} 1.0' in metrics
            long = {**ONE, "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 5}}]}
            run = (await client.http.post("/execute", json={"spec": long}, headers=headers)).json()
            client.promised["long"] = run["id"]
            async for event in client.follow(run["id"]):
                if event == "node.started":
                    break
            worker.kill()
            made.add_worker()
            both = collector.wait_for("run seen", 60, count=2)
            assert both[-1].attributes["agentflow.run.attempt"] == 2
            assert both[-1].trace_id == CALLER.split("-")[1]
        taken_up = [line for line in lines(made.workers[-1].log) if line.get("run_id") == run["id"]]
        assert taken_up
        assert {line["request_id"] for line in lines(made.api.log) if line.get("path") == "/api/v1/execute"} == {"seen-everywhere"}
