"""REST: what an organisation uses of its quotas."""

from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import Signed
from agentflow.identity.tenants.schemas import Quotas
from agentflow.runtime.runs.schemas import Wire
from agentflow.runtime.runs.usage import runs_of_tenant

router = slice_router("/api/v1/tenants", "tenants")


class Used(Wire):
    """What is used, under the names of the quotas."""

    runs_per_day: int = Field(description="Runs that were started in the last 24 hours.", examples=[120])
    max_queued_runs: int = Field(description="Runs that wait for a worker.", examples=[3])
    max_running_runs: int = Field(description="Runs that are driven.", examples=[7])
    storage_bytes: int = Field(description="Bytes of artifacts.", examples=[1_000_000])
    tokens_per_day: int = Field(description="Tokens used today, in UTC; counted while there is a quota of tokens.", examples=[40_000])
    tokens_per_month: int = Field(description="Tokens used this month, likewise.", examples=[900_000])
    tokens_held: int = Field(description="Tokens kept for calls under way.", examples=[1_200])


class TenantUsage(Wire):
    """What an organisation uses, beside what it may."""

    tenant_id: str = Field(description="Id of the organisation.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    quotas: Quotas = Field(description="What it may use; null for the installation's own limit.")
    used: Used = Field(description="What it uses now.")


@router.get("/{tenant}/usage", operation_id="get_tenant_usage", summary="Get what an organisation uses", response_model=TenantUsage)
async def get_tenant_usage(
    request: Request,
    subject: Signed,
    tenant: Annotated[str, Path(description="Id of the organisation, or `current`.", examples=["current"], max_length=64)],
) -> Response:
    """Return what the organisation one works in uses of its quotas; with `tenants:manage` any."""
    container = request.app.state.container
    found = await container.identity.tenants.get(subject, tenant)
    tokens = await container.allowance.used(found.id)
    runs = await runs_of_tenant(container.database, found.id, container.clock.now())
    used = Used(
        runs_per_day=runs.started,
        max_queued_runs=runs.queued,
        max_running_runs=runs.running,
        storage_bytes=await container.artifacts.stored_bytes(found.id),
        tokens_per_day=tokens.day,
        tokens_per_month=tokens.month,
        tokens_held=tokens.held,
    )
    return JsonAnswer(TenantUsage(tenant_id=found.id, quotas=found.quotas, used=used))
