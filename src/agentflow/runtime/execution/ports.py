"""What driving runs needs of the rest of the program, gathered once per process by ``bootstrap``."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agentflow.config.settings import Settings
from agentflow.identity.quotas import TenantQuotas
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter
from agentflow.infra.limits.lines import Lines
from agentflow.kit.clock import Clock
from agentflow.nodes.context import ChildRun, DatabaseSource, HttpClient, Knowledge, ModelGateway, ResolvedSource
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.execution.retry_budget import RetryBudgets
from agentflow.runtime.interrupts.store import InterruptStore
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.values.large import LargeValues
from agentflow.spec.expressions import Renderer


class Secrets(Protocol):
    """Where the values of ``{{ secrets.NAME }}`` come from."""

    def names(self) -> frozenset[str]:
        """Return the names of all secrets."""
        ...

    def get(self, name: str) -> str | None:
        """Return a secret's value, or None."""
        ...


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A child run that a ``subworkflow`` node asks for."""

    subject: Subject
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
    open_database: Callable[[ResolvedSource], DatabaseSource]
    knowledge: Callable[[Subject], Knowledge]
    quotas: TenantQuotas | None = None
    """What tenants may start; None where nobody has said."""
    run_child: Callable[[ChildRequest], Awaitable[ChildRun]] | None = None
    """Set by the run service once it exists: starting runs stands above driving them."""
    cancel_children: Callable[[RunRecord], Awaitable[None]] | None = None
    """Likewise: asks the children of a run that did not succeed to stop."""
    wake: Callable[[str], Awaitable[None]] | None = None
    """Likewise: takes up a run that was put back into the queue."""
