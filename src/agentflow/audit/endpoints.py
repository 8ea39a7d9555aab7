"""REST: the audit log."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from agentflow.audit.repository import AuditFilter
from agentflow.audit.schemas import AuditRecord, Verification, Verify
from agentflow.audit.service import AuditService, check_span
from agentflow.endpoints.answers import JsonAnswer, encode
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import AuditRead
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1", "audit")

NDJSON = "application/x-ndjson"


def _audit(request: Request) -> AuditService:
    service: AuditService = request.app.state.container.audit
    return service


async def _which(  # async, or FastAPI would call it in a thread
    action: Annotated[
        str | None, Query(max_length=100, description="One action, or all of a resource.", examples=["secret.created"])
    ] = None,
    actor: Annotated[str | None, Query(max_length=200, description="Id or name of who did it.", examples=["owner"])] = None,
    resource_id: Annotated[str | None, Query(max_length=200, description="What it was done to.")] = None,
    outcome: Annotated[Literal["done", "denied"] | None, Query(description="`denied` lists what was refused.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Not before this.", examples=["2026-11-02T00:00:00Z"])] = None,
    until: Annotated[AwareDatetime | None, Query(description="Before this.", examples=["2026-11-03T00:00:00Z"])] = None,
) -> AuditFilter:
    check_span(since, until)
    return AuditFilter(action, actor, resource_id, outcome, since, until)


Which = Annotated[AuditFilter, Depends(_which)]


@router.get("/audit", operation_id="list_audit", summary="List the audit log", response_model=PageOf[AuditRecord])
async def list_audit(
    request: Request, subject: AuditRead, which: Which, page: Annotated[PageRequest, Depends(paging("id"))], fields: Fields = None
) -> Response:
    """List who did what, newest first: every change, every sign-in, every refusal."""
    return page_answer(await _audit(request).list(subject, which, page), AuditRecord, fields, count=page.count)


@router.get(
    "/audit/export",
    operation_id="export_audit",
    summary="Export the audit log",
    response_class=StreamingResponse,
    responses={
        200: {"description": "One record a line, as JSON, in the order of the chain.", "content": {NDJSON: {"schema": {"type": "string"}}}}
    },
)
async def export_audit(request: Request, subject: AuditRead, which: Which) -> Response:
    """Return the records up to now, oldest first. Without a filter the file can be verified by itself."""
    records = await _audit(request).export(subject, which)

    async def lines() -> AsyncIterator[bytes]:
        async for record in records:
            yield encode(record) + b"\n"

    return StreamingResponse(lines(), media_type=NDJSON)


@router.post("/audit/verify", operation_id="verify_audit", summary="Verify the audit log", response_model=Verification)
async def verify_audit(request: Request, subject: AuditRead, body: Verify) -> Response:
    """Follow the chain from its begin, and name the first record that was changed, added, moved or deleted."""
    return JsonAnswer(await _audit(request).verify(subject, body.anchors))


@router.get("/audit/{record}", operation_id="get_audit_record", summary="Get an audit record", response_model=AuditRecord)
async def get_audit_record(
    request: Request,
    subject: AuditRead,
    record: Annotated[str, Path(description="Id of the record.", max_length=100)],
    fields: Fields = None,
) -> Response:
    """Return one record."""
    return JsonAnswer(cut(await _audit(request).get(subject, record), AuditRecord, fields))
