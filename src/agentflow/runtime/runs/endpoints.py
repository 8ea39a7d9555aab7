"""REST: starting runs, their history, their events, and ending them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RunsApprove, RunsCancel, RunsPause, RunsRead, RunsReadOne, WorkflowsExecute, WorkflowsExecuteOne
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.runs.answers import Where
from agentflow.runtime.runs.queries import SORTABLE, RunFilter
from agentflow.runtime.runs.schemas import InlineStart, InterruptAnswer, NodeRun, Run, RunStart
from agentflow.runtime.runs.service import RunService
from agentflow.runtime.states import RunStatus
from agentflow.runtime.values.large import RUN_VALUES

router = slice_router("/api/v1", "runs")

MAX_WAIT_S = 60


def _written_out(value: object) -> object:
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("must be a time like 2026-11-21T09:30:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
RunId = Annotated[str, Path(description="Id of the run.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"], max_length=64)]
WorkflowRef = Annotated[str, Path(description="Id of the workflow, or its name.", examples=["cited-answer"], max_length=200)]
Wait = Annotated[
    float | None,
    Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait for the end: 200 when the run ended in time, else 202 as without it."),
]


def runs_of(request: Request) -> RunService:
    """Return the service of the process that answers."""
    service: RunService = request.app.state.container.runs
    return service


@router.post(
    "/workflows/{workflow}/execute",
    status_code=202,
    operation_id="execute_workflow",
    summary="Run a workflow",
    response_model=Run,
    responses={200: {"model": Run, "description": "The run ended within `wait`."}},
)
async def execute_workflow(
    request: Request,
    subject: WorkflowsExecuteOne,
    workflow: WorkflowRef,
    idempotency: IdempotencyKey,
    start: RunStart | None = None,
    wait: Wait = None,
) -> Response:
    """Accept a run of a stored workflow. Once this answers, the run goes to its end whatever happens to the server."""
    run = await runs_of(request).start_stored(subject, workflow, start or RunStart(), idempotency=idempotency)
    return await _started(request, subject, run, wait)


@router.post(
    "/execute",
    status_code=202,
    operation_id="execute_spec",
    summary="Run a specification",
    response_model=Run,
    responses={200: {"model": Run, "description": "The run ended within `wait`."}},
)
async def execute_spec(
    request: Request, subject: WorkflowsExecute, start: InlineStart, idempotency: IdempotencyKey, wait: Wait = None
) -> Response:
    """Validate a specification and accept a run of it without storing it as a workflow."""
    run = await runs_of(request).start_inline(
        subject,
        start.spec,
        start.inputs,
        tags=start.tags,
        lane=start.lane,
        priority=start.priority,
        options=start,
        idempotency=idempotency,
    )
    return await _started(request, subject, run, wait)


async def _started(request: Request, subject: WorkflowsExecute, run: Run, wait: float | None) -> Response:
    if wait is not None:
        run = await runs_of(request).wait(subject, run.id, wait)
    status = 200 if wait is not None and run.status.is_terminal else 202
    return JsonAnswer(run, status, {"Location": f"/api/v1/runs/{run.id}"})


@router.get("/runs", operation_id="list_runs", summary="List runs", response_model=PageOf[Run])
async def list_runs(
    request: Request,
    subject: RunsRead,
    page: Annotated[PageRequest, Depends(paging(*SORTABLE))],
    status: Annotated[list[RunStatus] | None, Query(description="Only runs of these states.", max_length=20)] = None,
    workflow_id: Annotated[str | None, Query(description="Only runs of this stored workflow.", max_length=64)] = None,
    tag: Annotated[str | None, Query(description="Only runs with this label.", max_length=100)] = None,
    q: Annotated[str | None, Query(description="Only runs whose workflow has this text in its name.", max_length=200)] = None,
    created_after: Annotated[Moment | None, Query(description="Only runs accepted at or after this time.")] = None,
    created_before: Annotated[Moment | None, Query(description="Only runs accepted before this time.")] = None,
    parent_run_id: Annotated[str | None, Query(description="Only runs that this run started.", max_length=64)] = None,
    dead_letter: Annotated[
        bool | None, Query(description="`true`: only runs that were given up because worker after worker died of them.")
    ] = None,
    fields: Fields = None,
) -> Response:
    """List the history of runs, newest first."""
    which = RunFilter(tuple(status or ()), workflow_id, tag, q, created_after, created_before, parent_run_id, dead_letter)
    return page_answer(await runs_of(request).list(subject, which, page), Run, fields, count=page.count)


@router.get("/runs/{run_id}", operation_id="get_run", summary="Get a run", response_model=Run)
async def get_run(request: Request, subject: RunsReadOne, run_id: RunId, fields: Fields = None) -> Response:
    """Return one run: where it is, what came out, why it failed, what it used."""
    wanted = RUN_VALUES if fields is None else [name for name in RUN_VALUES if name in fields.split(",")]
    return JsonAnswer(cut(await runs_of(request).get(subject, run_id, wanted), Run, fields))


@router.get("/runs/{run_id}/nodes", operation_id="list_run_nodes", summary="List a run's nodes", response_model=PageOf[NodeRun])
async def list_run_nodes(request: Request, subject: RunsReadOne, run_id: RunId) -> Response:
    """Return what each node did, in the order they began: status, attempts, input, output, error and times."""
    return JsonAnswer({"items": await runs_of(request).nodes(subject, run_id), "next_cursor": None})


@router.post("/runs/{run_id}/cancel", operation_id="cancel_run", summary="Cancel a run", response_model=Run)
async def cancel_run(request: Request, subject: RunsCancel, run_id: RunId) -> Response:
    """End a run. One that has ended stays as it is."""
    return JsonAnswer(await runs_of(request).cancel(subject, run_id))


@router.post("/runs/{run_id}/pause", operation_id="pause_run", summary="Pause a run", response_model=Run)
async def pause_run(request: Request, subject: RunsPause, run_id: RunId) -> Response:
    """Let nothing more of a run, or of its children, begin. What is under way goes on to its end; then the run waits."""
    return JsonAnswer(await runs_of(request).pausing.pause(subject, run_id))


@router.post("/runs/{run_id}/resume", operation_id="resume_run", summary="Let a paused run go on", response_model=Run)
async def resume_run(request: Request, subject: RunsPause, run_id: RunId) -> Response:
    """Let a run that was paused go on, and its children. One that is not paused stays as it is."""
    return JsonAnswer(await runs_of(request).pausing.resume(subject, run_id))


@router.post("/runs/{run_id}/interrupt", operation_id="answer_run", summary="Answer a run", response_model=Run)
async def answer_run(request: Request, subject: RunsApprove, run_id: RunId, answer: InterruptAnswer) -> Response:
    """Answer what a run waits for: a person's decision, leave to go on at a breakpoint, or word on an unknown outcome.

    The first valid answer counts; the same answer sent again by the same person is answered alike.
    """
    given = answer.model_dump(include={"decision", "values", "comment"})
    where = Where(answer.node_id, answer.iteration, answer.interrupt_id, answer.shown_hash)
    return JsonAnswer(await runs_of(request).answer(subject, run_id, answer.node_id, given, where))
