"""Everything one process is made of, opened and closed in order. The only place that names concrete classes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from agentflow.bootstrap.runtime import Outside, open_runtime
from agentflow.bootstrap.tables import METADATA
from agentflow.config.settings import Settings
from agentflow.identity.credentials import Credentials
from agentflow.identity.owner import Owner, OwnerService
from agentflow.identity.subject import Subject
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.store import Once
from agentflow.infra.observability.health import Check
from agentflow.kit.clock import SystemClock
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.retrieval import TenantKnowledge
from agentflow.llm.gateway import LLMGateway
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.context import Knowledge
from agentflow.nodes.registry import NodeRegistry, load_plugins
from agentflow.runtime.runs.service import RunService
from agentflow.sources.databases.pool import DatabasePool
from agentflow.sources.http.client import GuardedHttpClient
from agentflow.sources.secrets import EnvironmentSecrets
from agentflow.spec.expressions import Renderer
from agentflow.spec.validate import ValidationResult, validate
from agentflow.workflows.definitions.service import WorkflowService


@dataclass(frozen=True, slots=True)
class Container:
    """What transports and commands use of an open process.

    Attributes:
        settings: as read at start.
        database: the control database, migrated.
        credentials: recognises callers.
        owners: the owner's key and sign-in links.
        owner: who owns this installation.
        registry: node types, built in and of plugins.
        workflows: stored workflows.
        collections: documents that workflows search.
        runs: starting and inspecting runs.
        checks: how to look whether the dependencies answer.
    """

    settings: Settings
    database: Database
    credentials: Credentials
    owners: OwnerService
    owner: Owner
    registry: NodeRegistry
    workflows: WorkflowService
    collections: CollectionService
    runs: RunService
    checks: Sequence[Check]


@asynccontextmanager
async def open_container(settings: Settings) -> AsyncIterator[Container]:
    """Open the database (migrating it), the owner, the services and the runtime; close them in reverse.

    Raises:
        UnsupportedDatabase: the database URL names none that we can use.
        MigrationFailed: the database could not be brought to this version's schema.
        OSError: the data folder or the database cannot be reached.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        database = Database(settings.database, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.close)
        await migrate.prepare(database, METADATA)
        clock = SystemClock()
        credentials = Credentials(database, clock)
        owners = OwnerService(database, credentials, clock, settings.data_dir)
        owner = await owners.ensure()
        registry = _registry()
        secrets = EnvironmentSecrets()
        check = _validator(registry, settings, secrets)
        once = Once(database, clock, settings.idempotency_ttl_s)
        workflows = WorkflowService(database, once, clock, check, settings.compiled_cache_size)
        collections = CollectionService(database, clock, once)
        http = _http(stack, settings)
        outside = Outside(
            settings=settings,
            database=database,
            clock=clock,
            registry=registry,
            renderer=_renderer(settings),
            http=http,
            models=_models(stack, settings, http),
            secrets=secrets,
            open_database=_databases(stack, settings).open,
            knowledge=_knowledge(collections),
            workflows=workflows,
            validate=check,
        )
        runs = await stack.enter_async_context(open_runtime(outside))
        yield Container(
            settings=settings,
            database=database,
            credentials=credentials,
            owners=owners,
            owner=owner,
            registry=registry,
            workflows=workflows,
            collections=collections,
            runs=runs,
            checks=(Check("database", _ping(database)),),
        )


def _registry() -> NodeRegistry:
    registry = builtin_registry()
    load_plugins(registry)
    return registry


def _validator(registry: NodeRegistry, settings: Settings, secrets: EnvironmentSecrets) -> Callable[[Any], ValidationResult]:
    names = secrets.names()

    def check(document: Any) -> ValidationResult:
        return validate(document, registry, settings, secrets=names, variables=())

    return check


def _renderer(settings: Settings) -> Renderer:
    return Renderer(settings.expression_fuel, settings.max_value_bytes, settings.max_template_bytes)


def _http(stack: AsyncExitStack, settings: Settings) -> GuardedHttpClient:
    client = GuardedHttpClient(settings.http_allowed_hosts)
    stack.push_async_callback(client.aclose)
    return client


def _models(stack: AsyncExitStack, settings: Settings, http: GuardedHttpClient) -> LLMGateway:
    gateway = LLMGateway(http.transport, local_weights=settings.local_model_path)
    stack.push_async_callback(gateway.aclose)
    return gateway


def _databases(stack: AsyncExitStack, settings: Settings) -> DatabasePool:
    pool = DatabasePool(control_url=settings.database, data_dir=settings.data_dir)
    stack.push_async_callback(pool.close)
    return pool


def _knowledge(collections: CollectionService) -> Callable[[Subject], Knowledge]:
    def of(subject: Subject) -> Knowledge:
        return TenantKnowledge(collections, subject)

    return of


def _ping(database: Database) -> Callable[[], Any]:
    async def ping() -> None:
        async with database.reading() as session:
            await session.execute(text("SELECT 1"))

    return ping
