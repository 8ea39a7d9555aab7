"""Builds the runtime of one process and runs it for as long as a context lasts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from agentflow.config.settings import Settings
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.nodes.context import DatabaseSource, HttpClient, Knowledge, ModelGateway, ResolvedSource
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.dispatch.inline import InlineDispatcher
from agentflow.runtime.execution.driver import Driver
from agentflow.runtime.execution.executor import Executor
from agentflow.runtime.execution.plans import PlanCache
from agentflow.runtime.execution.ports import Ports, Secrets
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence, Presence
from agentflow.runtime.records.statements import Statements, lost_guards
from agentflow.runtime.recovery import Recovery
from agentflow.runtime.runs.admission import Admission
from agentflow.runtime.runs.service import RunService
from agentflow.spec.expressions import Renderer
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions.service import WorkflowService


@dataclass(frozen=True, slots=True)
class Outside:
    """What the runtime uses of the layers below it."""

    settings: Settings
    database: Database
    clock: Clock
    registry: NodeRegistry
    renderer: Renderer
    http: HttpClient
    models: ModelGateway
    secrets: Secrets
    open_database: Callable[[ResolvedSource], DatabaseSource]
    knowledge: Callable[[Subject], Knowledge]
    workflows: WorkflowService
    validate: Callable[[Any], ValidationResult]


@asynccontextmanager
async def open_runtime(outside: Outside) -> AsyncIterator[RunService]:
    """Start the runtime: writer, worker, leases, sweeper. On leaving, let runs finish for a while and give the rest back."""
    settings, database = outside.settings, outside.database
    committer = GroupCommitter(database, lost_guards)
    ports = Ports(
        settings=settings,
        database=database,
        committer=committer,
        statements=Statements(is_sqlite=database.is_sqlite),
        hub=LiveHub(),
        clock=outside.clock,
        registry=outside.registry,
        renderer=outside.renderer,
        http=outside.http,
        models=outside.models,
        secrets=outside.secrets,
        open_database=outside.open_database,
        knowledge=outside.knowledge,
    )
    plans = PlanCache(database, outside.registry, outside.renderer, settings.compiled_cache_size)
    presence = _presence(settings, database)
    leases = Leases(database, outside.clock, presence, new_id(), settings.lease_s)
    dispatcher = InlineDispatcher(Executor(ports, plans, Driver(database, committer, settings.max_run_steps)), settings.max_concurrent_runs)
    recovery = Recovery(leases, dispatcher, settings)
    await presence.announce(leases.owner)
    committer.start()
    recovery.start()
    try:
        yield RunService(ports, plans, Admission(ports, leases), dispatcher, outside.workflows, outside.validate)
    finally:
        await recovery.stop()
        given_back = await dispatcher.close(settings.shutdown_grace_s)
        await committer.stop()
        await leases.release(given_back)
        await presence.withdraw()


def _presence(settings: Settings, database: Database) -> Presence:
    if database.is_sqlite:
        return FilePresence(settings.data_dir / "workers")
    return AdvisoryPresence(database)
