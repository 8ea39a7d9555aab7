"""REST: deleting runs, one by one or all whose time is over."""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RunsDelete
from agentflow.runtime.retention.service import Retention
from agentflow.runtime.runs.endpoints import RunId

router = slice_router("/api/v1", "runs")


class PruneResult(BaseModel):
    """What pruning did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runs: int = Field(description="Runs that were deleted, or would be.", examples=[120])
    dry_run: bool = Field(description="Whether nothing was deleted.", examples=[False])


def _retention(request: Request) -> Retention:
    service: Retention = request.app.state.container.retention
    return service


@router.delete("/runs/{run_id}", status_code=204, operation_id="delete_run", summary="Delete a run", responses={409: {}})
async def delete_run(request: Request, subject: RunsDelete, run_id: RunId) -> Response:
    """Delete a run that has ended, with its nodes, events and large values. This cannot be undone."""
    await _retention(request).delete(subject, run_id)
    return Response(status_code=204)


@router.post("/runs/prune", operation_id="prune_runs", summary="Delete old runs", response_model=PruneResult)
async def prune_runs(
    request: Request, subject: RunsDelete, dry_run: Annotated[bool, Query(description="Only count what would be deleted.")] = False
) -> Response:
    """Delete now what retention would delete in time: ended runs beyond the age or number that settings and workflows say."""
    return JsonAnswer(PruneResult(runs=await _retention(request).prune(subject, dry_run=dry_run), dry_run=dry_run))
