"""REST: why a run is where it is."""

from datetime import datetime

from fastapi import Request, Response
from pydantic import Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RunsRead
from agentflow.runtime.queue.reasons import Code
from agentflow.runtime.queue.stuck import Detective
from agentflow.runtime.runs.endpoints import RunId
from agentflow.runtime.runs.schemas import Wire
from agentflow.runtime.states import RunStatus

router = slice_router("/api/v1", "runs")


class Holding(Wire):
    """One thing that holds a run, or why it ended."""

    code: Code = Field(description="What it is.", examples=["human"])
    message: str = Field(description="What was found.", examples=["Node approve asks role:manager."])
    hint: str | None = Field(default=None, description="The way out; null when there is nothing to do.", examples=["Answer it."])
    node_id: str | None = Field(default=None, description="The node it is about, or null.", examples=["approve"])
    since: datetime | None = Field(default=None, description="Since when, or null.")
    until: datetime | None = Field(default=None, description="When it ends by itself, or null.")


class Explanation(Wire):
    """Why a run is where it is."""

    run_id: str = Field(description="Id of the run.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    status: RunStatus = Field(description="Where the run is.", examples=["waiting"])
    reasons: list[Holding] = Field(description="What holds it, the nearest first.")


@router.get("/runs/{run_id}/explain", operation_id="explain_run", summary="Explain a run", response_model=Explanation)
async def explain_run(request: Request, subject: RunsRead, run_id: RunId) -> Response:
    """Say why the run is where it is: who drives it, what it waits for since when and until when, what holds it up, and the way out."""
    detective: Detective = request.app.state.container.detective
    run, reasons = await detective.look(subject, run_id)
    return JsonAnswer({"run_id": run.id, "status": run.status, "reasons": reasons})
