"""Builds the runtime of one process and runs it for as long as a context lasts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from agentflow.bootstrap.checkpoints import hot_tier
from agentflow.bootstrap.limits import open_limits
from agentflow.config.settings import Settings
from agentflow.identity.principals import Principals
from agentflow.identity.quotas import TenantQuotas
from agentflow.identity.subject import Subject
from agentflow.infra.audit.denials import Denials
from agentflow.infra.audit.trail import Trail
from agentflow.infra.celery.app import BrokerNotUsable
from agentflow.infra.celery.hints import HintReceiver, HintSender
from agentflow.infra.db.engine import Database, database_url
from agentflow.infra.limits.lines import Lines
from agentflow.infra.objects.objects import Objects
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.llm.allowance import Allowance
from agentflow.nodes.context import DatabaseSource, HttpClient, Knowledge, ModelGateway, ResolvedSource
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.dispatch.base import Dispatcher
from agentflow.runtime.dispatch.celery import CeleryDispatcher
from agentflow.runtime.dispatch.inline import InlineDispatcher
from agentflow.runtime.dispatch.pool import WorkerPool
from agentflow.runtime.execution.driver import Driver
from agentflow.runtime.execution.executor import Executor
from agentflow.runtime.execution.plans import PlanCache
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.retry_budget import RetryBudgets
from agentflow.runtime.interrupts.store import InterruptStore
from agentflow.runtime.journal.bus import RunNews
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.queue.backlog import Backlog
from agentflow.runtime.queue.claims import Claims
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence, Presence
from agentflow.runtime.records.statements import Statements, lost_guards
from agentflow.runtime.recovery import Recovery
from agentflow.runtime.runs.admission import Admission
from agentflow.runtime.runs.closing import Latecomers
from agentflow.runtime.runs.making import Workspace
from agentflow.runtime.runs.overload import Overload
from agentflow.runtime.runs.service import RunService
from agentflow.runtime.values.large import LargeValues
from agentflow.runtime.values.spill import SpillingCommitter
from agentflow.sources.connections.fill import Secrets
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import Source
from agentflow.workflows.definitions.service import WorkflowService


@dataclass(frozen=True, slots=True)
class Outside:
    """What the runtime uses of the layers below it."""

    settings: Settings
    database: Database
    objects: Objects
    clock: Clock
    registry: NodeRegistry
    renderer: Renderer
    http: HttpClient
    models: ModelGateway
    secrets: Secrets
    sources: Callable[[str, str], Awaitable[tuple[str, Source] | None]]
    open_database: Callable[[ResolvedSource, str], DatabaseSource]
    knowledge: Callable[[Subject], Knowledge]
    workflows: WorkflowService
    workspace: Workspace
    trail: Trail | None = None
    quotas: TenantQuotas | None = None
    allowance: Allowance | None = None
    principals: Principals | None = None
    denials: Denials | None = None


class Role(StrEnum):
    """What a process does with runs."""

    ALONE = "alone"
    """Accepts and drives them: no broker is set."""
    API = "api"
    """Accepts them; workers drive them."""
    WORKER = "worker"
    """Drives what others have accepted."""


def role_of(settings: Settings, *, worker: bool) -> Role:
    """Return what a process does, by its settings.

    Raises:
        BrokerNotUsable: a worker without a broker, or a broker without PostgreSQL.
    """
    if settings.broker_url is None:
        if worker:
            raise BrokerNotUsable("A worker needs a broker.", hint="Set AGENTFLOW_BROKER_URL to amqp://… or redis://… as for the server.")
        return Role.ALONE
    if database_url(settings.database).get_backend_name() == "sqlite":
        raise BrokerNotUsable(
            "broker_url is set, but the database is SQLite, which other machines cannot share.",
            hint="Set AGENTFLOW_DATABASE_URL to postgresql://…, or unset AGENTFLOW_BROKER_URL.",
        )
    return Role.WORKER if worker else Role.API


@asynccontextmanager
async def open_runtime(outside: Outside, role: Role = Role.ALONE) -> AsyncIterator[RunService]:
    """Start the runtime: limits, writer, worker, leases, sweeper. On leaving, let runs finish for a while and give the rest back."""
    async with open_limits(outside.settings) as lines, _runtime(outside, lines, role) as runs:
        yield runs


@asynccontextmanager
async def _runtime(outside: Outside, lines: Lines, role: Role) -> AsyncIterator[RunService]:
    settings, database = outside.settings, outside.database
    statements = Statements(is_sqlite=database.is_sqlite)
    committer = SpillingCommitter(database, lost_guards, statements, outside.objects, outside.clock, settings.spill_bytes)
    ports = _ports(outside, committer, statements, lines)
    plans = PlanCache(database, outside.registry, outside.renderer, settings.compiled_cache_size)
    presence = _presence(settings, database, outside.clock, role)
    leases = Leases(database, outside.clock, presence, new_id(), settings.lease_s)
    claims = Claims(
        database, outside.clock, leases.owner, settings.lease_s, settings.max_concurrent_runs_per_tenant, max_tries=settings.max_attempts
    )
    tier = hot_tier(settings)
    executor = Executor(ports, plans, Driver(database, committer, settings.max_run_steps, tier))
    pool = WorkerPool(executor, claims, 0 if role is Role.API else settings.max_concurrent_runs)
    async with AsyncExitStack() as stack:
        await claims.learn()
        await presence.announce(leases.owner)
        stack.push_async_callback(presence.withdraw)
        dispatcher = await stack.enter_async_context(_dispatching(role, settings, database, pool, ports.hub))
        overload = Overload(settings, Backlog(database), lambda: pool.unbegun)
        recovery = Recovery(leases, claims, pool, dispatcher, Latecomers(database, outside.clock), settings)
        committer.start()
        if tier is not None:
            await tier.start()
        pool.start()
        recovery.start()
        overload.start()
        try:
            yield RunService(ports, plans, Admission(ports, leases, dispatcher, overload), dispatcher, outside.workflows, outside.workspace)
        finally:
            await overload.stop()
            await pool.close(settings.shutdown_grace_s)
            await recovery.stop()  # only now: leases must be renewed as long as runs finish
            await committer.stop()
            if tier is not None:
                await tier.stop()
            await leases.release()


def _ports(outside: Outside, committer: SpillingCommitter, statements: Statements, lines: Lines) -> Ports:
    return Ports(
        settings=outside.settings,
        database=outside.database,
        committer=committer,
        statements=statements,
        values=LargeValues(outside.objects, outside.settings.max_inline_bytes),
        hub=LiveHub(),
        interrupts=InterruptStore(outside.database),
        lines=lines,
        budgets=RetryBudgets(outside.settings.retry_budget_ratio, outside.settings.retry_budget_reserve),
        clock=outside.clock,
        registry=outside.registry,
        renderer=outside.renderer,
        http=outside.http,
        models=outside.models,
        secrets=outside.secrets,
        sources=outside.sources,
        open_database=outside.open_database,
        knowledge=outside.knowledge,
        quotas=outside.quotas,
        allowance=outside.allowance,
        principals=outside.principals,
        denials=outside.denials,
        trail=outside.trail,
    )


@asynccontextmanager
async def _dispatching(role: Role, settings: Settings, database: Database, pool: WorkerPool, hub: LiveHub) -> AsyncIterator[Dispatcher]:
    """Join this process with the others of its cluster, if there are any."""
    if role is Role.ALONE or settings.broker_url is None:
        yield InlineDispatcher(pool)
        return
    news = RunNews(database.url, hub, pool)
    hub.elsewhere = news
    news.start()
    installation, loop = database.url.database or "", asyncio.get_running_loop()
    try:
        if role is Role.API:
            sender = HintSender(settings.broker_url, installation)
            sender.start()
            yield CeleryDispatcher(pool, sender, news)
            await asyncio.to_thread(sender.close)
        else:
            pool.when_full = news.queued
            receiver = HintReceiver(settings.broker_url, installation, partial(loop.call_soon_threadsafe, pool.wake))
            receiver.start()
            yield InlineDispatcher(pool, news)
            await asyncio.to_thread(receiver.close)
    finally:
        await news.stop()


def _presence(settings: Settings, database: Database, clock: Clock, role: Role) -> Presence:
    if database.is_sqlite:
        return FilePresence(settings.data_dir / "workers")
    return AdvisoryPresence(database, clock, drives=role is not Role.API)
