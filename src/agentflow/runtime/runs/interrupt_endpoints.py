"""REST: what runs wait for, as an inbox, and the events that they wait for."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RunsApprove, RunsRead, RunsSignal
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.interrupts.records import InterruptKind, InterruptStatus
from agentflow.runtime.runs.endpoints import RunId, runs_of
from agentflow.runtime.runs.inbox_queries import SORTABLE, InboxFilter
from agentflow.runtime.runs.interrupt_schemas import (
    Comment,
    CommentCreate,
    Delivery,
    EventSend,
    Interrupt,
    InterruptUpdate,
    SignalReceipt,
    SignalSend,
)

router = slice_router("/api/v1", "interrupts")

InterruptId = Annotated[str, Path(description="Id of the interrupt.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"], max_length=64)]
Paging = Annotated[PageRequest, Depends(paging(*SORTABLE))]


@router.get("/interrupts", operation_id="list_interrupts", summary="List what runs wait for", response_model=PageOf[Interrupt])
async def list_interrupts(
    request: Request,
    subject: RunsRead,
    page: Paging,
    status: Annotated[list[InterruptStatus] | None, Query(description="Only those in these states.", max_length=10)] = None,
    kind: Annotated[list[InterruptKind] | None, Query(description="Only those of these kinds.", max_length=10)] = None,
    assignee: Annotated[
        str | None,
        Query(
            max_length=210,
            description="`me` for what you are asked, by name or because everybody is; else one assignee.",
            examples=["me", "role:accountant"],
        ),
    ] = None,
    workflow: Annotated[str | None, Query(max_length=200, description="Only those of this workflow, by id or name.")] = None,
    fields: Fields = None,
) -> Response:
    """List questions, events, breakpoints and unknown outcomes over all runs, newest first. `status=open&assignee=me` is your inbox."""
    which = InboxFilter(tuple(status or ()), tuple(kind or ()), assignee, workflow)
    return page_answer(await runs_of(request).inbox.list(subject, which, page), Interrupt, fields, count=page.count)


@router.get(
    "/runs/{run_id}/interrupts", operation_id="list_run_interrupts", summary="List what a run waits for", response_model=PageOf[Interrupt]
)
async def list_run_interrupts(request: Request, subject: RunsRead, run_id: RunId, page: Paging, fields: Fields = None) -> Response:
    """List what a run waits and waited for, newest first."""
    return page_answer(await runs_of(request).inbox.of_run(subject, run_id, page), Interrupt, fields, count=page.count)


@router.get("/interrupts/{interrupt_id}", operation_id="get_interrupt", summary="Get an interrupt", response_model=Interrupt)
async def get_interrupt(request: Request, subject: RunsRead, interrupt_id: InterruptId) -> Response:
    """Return one thing that a run waits for, or waited for."""
    return JsonAnswer(await runs_of(request).inbox.get(subject, interrupt_id))


@router.patch("/interrupts/{interrupt_id}", operation_id="reassign_interrupt", summary="Reassign an interrupt", response_model=Interrupt)
async def reassign_interrupt(request: Request, subject: RunsApprove, interrupt_id: InterruptId, change: InterruptUpdate) -> Response:
    """Change who may answer an open interrupt, or until when. The run's events tell who did."""
    return JsonAnswer(await runs_of(request).inbox.reassign(subject, interrupt_id, change))


@router.get(
    "/interrupts/{interrupt_id}/comments", operation_id="list_comments", summary="Read the comments", response_model=PageOf[Comment]
)
async def list_comments(request: Request, subject: RunsRead, interrupt_id: InterruptId) -> Response:
    """Return what was said about a question, oldest first."""
    return JsonAnswer({"items": await runs_of(request).inbox.comments(subject, interrupt_id), "next_cursor": None})


@router.post(
    "/interrupts/{interrupt_id}/comments", status_code=201, operation_id="add_comment", summary="Comment on it", response_model=Comment
)
async def add_comment(request: Request, subject: RunsApprove, interrupt_id: InterruptId, new: CommentCreate) -> Response:
    """Say something about a question, for others to read before they answer."""
    return JsonAnswer(await runs_of(request).inbox.comment(subject, interrupt_id, new.text), 201)


@router.post("/events", operation_id="send_event", summary="Send an event", response_model=Delivery)
async def send_event(request: Request, subject: RunsSignal, event: EventSend, idempotency: IdempotencyKey) -> Response:
    """Hand an event to every `wait_for_event` node that waits for its name and key now. Nobody who begins to wait later gets it."""
    return JsonAnswer(await runs_of(request).messages.send(subject, event, idempotency=idempotency))


@router.post("/runs/{run_id}/signal", operation_id="signal_run", summary="Send an event to one run", response_model=SignalReceipt)
async def signal_run(request: Request, subject: RunsSignal, run_id: RunId, signal: SignalSend, idempotency: IdempotencyKey) -> Response:
    """Hand an event to one run. If no node waits for it yet, it is kept for the first one that does; each is taken once, in order."""
    return JsonAnswer(await runs_of(request).messages.signal(subject, run_id, signal, idempotency=idempotency))
