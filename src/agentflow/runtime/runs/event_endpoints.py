"""REST: the event log of a run, as a list or as a live stream."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query, Request, Response
from pydantic import BaseModel, Field

from agentflow.endpoints.answers import JsonAnswer, encode
from agentflow.endpoints.requests import slice_router
from agentflow.endpoints.sse import EventStream, frame
from agentflow.identity.auth import RunsReadOne, until_refused
from agentflow.identity.permissions import Permission
from agentflow.runtime.journal.events import Event
from agentflow.runtime.runs.endpoints import RunId
from agentflow.runtime.runs.service import RunService
from agentflow.runtime.states import EventType

router = slice_router("/api/v1", "runs")

MAX_EVENTS = 1_000
SSE = "text/event-stream"
_STREAM_EXAMPLE = 'id: 1\nevent: run.queued\ndata: {"seq":1,"type":"run.queued","node_id":null,"data":{}}\n\n'


class EventList(BaseModel):
    """Stored events of a run."""

    items: list[Event] = Field(description="Events in order.")
    next_after: int | None = Field(default=None, description="Send as `after` for the events that follow; null when these were the last.")


@router.get(
    "/runs/{run_id}/events",
    operation_id="list_run_events",
    summary="Read or follow a run's events",
    response_model=EventList,
    responses={200: {"content": {SSE: {"schema": {"type": "string"}, "example": _STREAM_EXAMPLE}}}},
)
async def list_run_events(
    request: Request,
    subject: RunsReadOne,
    run_id: RunId,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events behind this sequence number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS, description="Most events in a list; a stream has no limit.")] = MAX_EVENTS,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", pattern="^[0-9]{1,9}$", description="Where a broken stream stopped; wins over `after`.", examples=["7"]
        ),
    ] = None,
) -> Response:
    """Return the events of a run, as a list or as a stream.

    With `Accept: text/event-stream` they come as a stream: history first, then live, without gap or repeat, up to the event that ends
    the run; `id:` is the sequence number. Otherwise the answer is a list of stored events.
    """
    runs: RunService = request.app.state.container.runs
    after = after if last_event_id is None else int(last_event_id)
    if SSE in request.headers.get("accept", ""):
        await runs.get(subject, run_id, ())  # an unknown run is a 404, not a stream that breaks
        refused = until_refused(request, subject, Permission.RUNS_READ)
        return EventStream(_frames(runs.follow(subject, run_id, after)), request.app.state.stopping, refused)
    events = await runs.events(subject, run_id, after, limit)
    return JsonAnswer({"items": events, "next_after": events[-1].seq if len(events) == limit else None})


async def _frames(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    async for event in events:
        # Text as it comes is not stored, so a stream cannot be resumed at it: it has no id.
        yield frame(event.type.value, encode(event), None if event.type is EventType.NODE_TOKEN else event.seq)
