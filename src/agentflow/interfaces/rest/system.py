"""REST: health, metrics and the documents that describe this API."""

from collections.abc import Sequence
from typing import Literal

from fastapi import Request, Response
from pydantic import BaseModel, Field

from agentflow import __version__
from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import MetricsRead
from agentflow.infra.observability.health import Check, examine
from agentflow.infra.observability.metrics import CONTENT_TYPE, exposition

router = slice_router("", "system")


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])
    version: str = Field(description="Version of the program.", examples=["0.1.0"])


class Dependency(BaseModel):
    """One thing the process depends on."""

    name: str = Field(description="What it is.", examples=["database"])
    ok: bool = Field(description="Whether it answers.", examples=[True])
    latency_ms: float = Field(description="Milliseconds to its answer.", examples=[0.4])
    error: str | None = Field(default=None, description="What went wrong, or null.", examples=[None])
    required: bool = Field(description="Whether requests cannot be served without it.", examples=[True])


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: Literal["ok", "unavailable"] = Field(description="`ok` when every required dependency answers.", examples=["ok"])
    dependencies: list[Dependency] = Field(description="Every dependency.")


@router.get("/health/live", operation_id="get_liveness", summary="Is the process alive", response_model=Alive)
async def get_liveness() -> Response:
    """Answer, and nothing else: for a supervisor that restarts what hangs."""
    return JsonAnswer({"status": "ok", "version": __version__})


@router.get(
    "/health/ready",
    operation_id="get_readiness",
    summary="Can requests be served",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A dependency does not answer."}},
)
async def get_readiness(request: Request) -> Response:
    """Look at every dependency and say how long each took: for a load balancer."""
    checks: Sequence[Check] = request.app.state.container.checks
    found = await examine(checks)
    ready = all(item.ok or not item.required for item in found)
    return JsonAnswer({"status": "ok" if ready else "unavailable", "dependencies": found}, 200 if ready else 503)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": "agentflow_http_requests_in_flight 1.0\n"}}}},
)
async def get_metrics(request: Request, _subject: MetricsRead) -> Response:
    """Return all metrics of this process in Prometheus' text format, and those of the queue that all processes share."""
    await request.app.state.container.gauges.refresh()
    return Response(exposition(), media_type=CONTENT_TYPE)
