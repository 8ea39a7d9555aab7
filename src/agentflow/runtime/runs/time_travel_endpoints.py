"""REST: the states that a run went through, and new runs that begin from them."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RunsRead, WorkflowsExecute
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.runs.endpoints import RunId, runs_of
from agentflow.runtime.runs.schemas import Checkpoint, CheckpointDiff, CheckpointState, ForkStart, RetryStart, Run

router = slice_router("/api/v1", "runs")

Number = Annotated[int, Path(ge=0, le=2**31 - 1, description="Number of the checkpoint; 0 is the begin.", examples=[7])]
From = Annotated[int, Query(alias="from", ge=0, le=2**31 - 1, description="Number of the checkpoint to begin from.", examples=[3])]
Bound = Annotated[int, Query(ge=0, le=2**31 - 1, description="Number of a checkpoint; 0 is the begin.", examples=[3])]


@router.get(
    "/runs/{run_id}/checkpoints", operation_id="list_checkpoints", summary="List a run's checkpoints", response_model=PageOf[Checkpoint]
)
async def list_checkpoints(
    request: Request, subject: RunsRead, run_id: RunId, page: Annotated[PageRequest, Depends(paging("id"))]
) -> Response:
    """Return the moments of a run that can be looked at and forked from, oldest first: one for each execution of a node that ended."""
    return page_answer(await runs_of(request).checkpoints.list(subject, run_id, page), Checkpoint, None, count=page.count)


@router.get(
    "/runs/{run_id}/checkpoints/diff", operation_id="diff_checkpoints", summary="Compare two checkpoints", response_model=CheckpointDiff
)
async def diff_checkpoints(request: Request, subject: RunsRead, run_id: RunId, first: From, to: Bound) -> Response:
    """Return which outputs came, went or changed from one checkpoint to another."""
    return JsonAnswer(await runs_of(request).checkpoints.diff(subject, run_id, first, to))


@router.get(
    "/runs/{run_id}/checkpoints/{number}", operation_id="get_checkpoint", summary="Get a checkpoint", response_model=CheckpointState
)
async def get_checkpoint(request: Request, subject: RunsRead, run_id: RunId, number: Number) -> Response:
    """Return what a run knew at a checkpoint: its inputs, and the outputs of the nodes that had ended."""
    return JsonAnswer(await runs_of(request).checkpoints.state(subject, run_id, number))


@router.post("/runs/{run_id}/fork", status_code=202, operation_id="fork_run", summary="Fork a run", response_model=Run)
async def fork_run(
    request: Request, subject: WorkflowsExecute, run_id: RunId, idempotency: IdempotencyKey, fork: ForkStart | None = None
) -> Response:
    """Start a new run that begins where this one stood at a checkpoint, with changed outputs if wished. This run stays as it is."""
    run = await runs_of(request).fork(subject, run_id, fork or ForkStart(), idempotency=idempotency)
    return JsonAnswer(run, 202, {"Location": f"/api/v1/runs/{run.id}"})


@router.post("/runs/{run_id}/retry", status_code=202, operation_id="retry_run", summary="Retry a run", response_model=Run)
async def retry_run(
    request: Request, subject: WorkflowsExecute, run_id: RunId, idempotency: IdempotencyKey, retry: RetryStart | None = None
) -> Response:
    """Start a new run that keeps what this one has done and runs again what failed, or a node and all that follows it."""
    run = await runs_of(request).retry(subject, run_id, retry or RetryStart(), idempotency=idempotency)
    return JsonAnswer(run, 202, {"Location": f"/api/v1/runs/{run.id}"})
