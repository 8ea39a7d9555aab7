"""What driving runs needs of the rest of the program, gathered once per process by ``bootstrap``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.config.settings import Settings
from agentflow.identity.principals import Principals
from agentflow.identity.quotas import TenantQuotas
from agentflow.identity.subject import Subject
from agentflow.infra.audit.denials import Denials
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter
from agentflow.infra.limits.lines import Lines
from agentflow.kit.clock import Clock
from agentflow.llm.allowance import Allowance
from agentflow.nodes.context import ChildRun, DatabaseSource, HttpClient, Knowledge, ModelGateway, ResolvedSource
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.execution.retry_budget import RetryBudgets
from agentflow.runtime.interrupts.store import InterruptStore
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.values.large import LargeValues
from agentflow.sources.connections.fill import Secrets
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import Source


class WorkflowRights(Protocol):
    """Says which workflows a run may start."""

    def require_workflow(self, subject: Subject, workflow_id: str, name: str) -> None:
        """Raise NodeError ``NOT_PERMITTED`` unless the subject may."""
        ...


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A child run that a ``subworkflow`` node asks for."""

    subject: Subject
    rights: WorkflowRights
    parent_run_id: str
    parent_key: str
    depth: int
    workflow: str
    version: int | None
    inputs: Mapping[str, Any]


@dataclass(slots=True)
class Ports:
    """The outside of the runtime."""

    settings: Settings
    database: Database
    committer: GroupCommitter
    statements: Statements
    values: LargeValues
    hub: LiveHub
    interrupts: InterruptStore
    lines: Lines
    budgets: RetryBudgets
    clock: Clock
    registry: NodeRegistry
    renderer: Renderer
    http: HttpClient
    models: ModelGateway
    secrets: Secrets
    sources: Callable[[str, str], Awaitable[tuple[str, Source] | None]]
    """Finds a tenant's stored source, and its id, by its name."""
    open_database: Callable[[ResolvedSource, str], DatabaseSource]
    """Opens the database of a tenant's source."""
    knowledge: Callable[[Subject], Knowledge]
    quotas: TenantQuotas | None = None
    """What tenants may start; None where nobody has said."""
    allowance: Allowance | None = None
    """How many tokens tenants may use; None likewise."""
    principals: Principals | None = None
    """For whom runs act; None where nobody is asked for rights."""
    denials: Denials | None = None
    """Where it is noted what runs were refused."""
    trail: Trail | None = None
    """Where what people do with runs is written down; a simulation has none."""
    run_child: Callable[[ChildRequest], Awaitable[ChildRun]] | None = None
    """Set by the run service once it exists: starting runs stands above driving them."""
    cancel_children: Callable[[RunRecord], Awaitable[None]] | None = None
    """Likewise: asks the children of a run that did not succeed to stop."""
    wake: Callable[[str], Awaitable[None]] | None = None
    """Likewise: takes up a run that was put back into the queue."""

    async def note(self, session: AsyncSession, actor: Subject, deed: Deed) -> None:
        """Write down what somebody does with a run, in the transaction that does it."""
        if self.trail is not None:
            await self.trail.add(session, actor, deed)
