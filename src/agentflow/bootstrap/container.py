"""Everything one process is made of, opened and closed in order. The only place that names concrete classes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text

from agentflow.artifacts.links import PURPOSE
from agentflow.artifacts.service import ArtifactService
from agentflow.audit.service import AuditService
from agentflow.bootstrap.belongings import belongings, open_writing, warm
from agentflow.bootstrap.identity import Identity, SealedFactors, open_identity
from agentflow.bootstrap.runtime import Outside, open_runtime, role_of
from agentflow.bootstrap.tables import METADATA
from agentflow.config.settings import Settings
from agentflow.errors import AgentFlowError, Kind
from agentflow.identity.credentials import Credentials
from agentflow.identity.owner import Owner, OwnerService
from agentflow.identity.subject import ResourceKind, Subject
from agentflow.identity.tenants.grants import Finder
from agentflow.infra.audit.denials import Denials
from agentflow.infra.audit.trail import Trail
from agentflow.infra.db import migrate
from agentflow.infra.db.backup import DAMAGED_HINT, DatabaseDamaged, examine
from agentflow.infra.db.engine import Database
from agentflow.infra.db.reach import reach
from agentflow.infra.db.standby import Standby
from agentflow.infra.idempotency.store import Once
from agentflow.infra.objects.objects import Objects, open_objects
from agentflow.infra.observability.health import Check
from agentflow.infra.observability.loop import measured_loop
from agentflow.infra.observability.otlp import exporting
from agentflow.infra.observability.probes import broker_probe, redis_probe
from agentflow.infra.scanner import Scanner
from agentflow.infra.signatures.signer import Signer
from agentflow.kit.clock import Clock, SystemClock
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.retrieval import TenantKnowledge
from agentflow.llm.allowance import Allowance
from agentflow.llm.gateway import LLMGateway
from agentflow.llm.observed import ObservedModels
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.context import Knowledge
from agentflow.nodes.probes import Probes
from agentflow.nodes.registry import NodeRegistry, load_plugins
from agentflow.runtime.queue.depth import QueueGauges
from agentflow.runtime.queue.stuck import Detective
from agentflow.runtime.retention.service import Retention
from agentflow.runtime.runs.closing import end_runs
from agentflow.runtime.runs.service import RunService
from agentflow.secrets.service import SecretService
from agentflow.sources.connections.service import ConnectionService
from agentflow.sources.databases.pool import DatabasePool
from agentflow.sources.http.client import GuardedHttpClient
from agentflow.spec.expressions import Renderer
from agentflow.variables.service import VariableService
from agentflow.workflows.definitions.judging import Judges
from agentflow.workflows.definitions.service import WorkflowService
from agentflow.workflows.sharing.service import SharingService
from agentflow.workflows.transfer.service import TransferService


@dataclass(frozen=True, slots=True)
class Container:
    """What transports and commands use of an open process.

    Attributes:
        settings: as read at start.
        database: the control database, migrated.
        clock: the time.
        credentials: recognises callers.
        identity: who may do what.
        owners: the owner's key and sign-in links.
        owner: who owns this installation.
        registry: node types, built in and of plugins.
        once: does requests once, however often they are sent.
        workflows: stored workflows.
        sharing: who sees them.
        transfers: their export, import and copies.
        collections: documents that workflows search.
        artifacts: files, and large values of runs.
        secrets: what sources are filled in with.
        variables: what workflows read as ``vars``.
        sources: stored connections to outside systems.
        trail: where what people do is written down.
        denials: where it is noted what they were refused.
        audit: the same for those who read it.
        runs: starting and inspecting runs.
        allowance: how many tokens organisations may use.
        retention: deleting runs, and what is no longer to be kept.
        checks: how to look whether the dependencies answer.
        gauges: those metrics that have to be asked for.
        detective: finds out why runs are where they are.
        scanner: looks for malware in files that are sent; None where the installation has none.
    """

    settings: Settings
    database: Database
    clock: Clock
    credentials: Credentials
    identity: Identity
    owners: OwnerService
    owner: Owner
    registry: NodeRegistry
    once: Once
    workflows: WorkflowService
    sharing: SharingService
    transfers: TransferService
    collections: CollectionService
    artifacts: ArtifactService
    secrets: SecretService
    variables: VariableService
    sources: ConnectionService
    trail: Trail
    denials: Denials
    audit: AuditService
    runs: RunService
    allowance: Allowance
    retention: Retention
    checks: Sequence[Check]
    gauges: QueueGauges
    detective: Detective
    scanner: Scanner | None


class DataFolderUnusable(AgentFlowError):
    """The folder for everything that is kept beside the database cannot be made."""

    kind, code, title = Kind.INVALID, "DATA_FOLDER_UNUSABLE", "Data folder cannot be used"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        hint = "Set AGENTFLOW_DATA_DIR, or --data-dir, to a folder that may be written to."
        raise DataFolderUnusable(f"The data folder {folder} cannot be made: {error.strerror}.", hint=hint) from error


@asynccontextmanager
async def open_container(settings: Settings, *, worker: bool = False) -> AsyncIterator[Container]:
    """Open the database (migrating it), the owner, the services and the runtime; close them in reverse.

    Args:
        settings: of this process.
        worker: whether it only drives runs that others accept.

    Raises:
        BrokerNotUsable: a worker without a broker, or a broker without PostgreSQL.
        ScannerAddressInvalid: the address of the malware scanner cannot be read.
        UnsupportedDatabase: the database URL names none that we can use.
        DatabaseDamaged: the SQLite file is not whole.
        MigrationFailed: the database could not be brought to this version's schema.
        MasterKeyMissing: the data are sealed with a master key that is not here, and this is no worker.
        DatabaseUnreachable: the database does not answer, or does not let us in.
        DataFolderUnusable: the data folder cannot be made.
    """
    role = role_of(settings, worker=worker)
    scanner = None if settings.malware_scanner is None else Scanner(settings.malware_scanner)
    _make_folder(settings.data_dir)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(exporting(settings.otlp_endpoint, content=settings.trace_content, service="agentflow"))
        await stack.enter_async_context(measured_loop())
        database = await _database(stack, settings)
        if settings.database_replica_url is not None and not worker:
            database.standby = _standby(stack, settings, settings.database_replica_url, database)
        clock = SystemClock()
        objects = open_objects(settings)
        stack.push_async_callback(objects.close)
        writing = await stack.enter_async_context(open_writing(settings, database, clock, worker=worker))
        finders: dict[ResourceKind, Finder] = {}
        identity = await stack.enter_async_context(
            open_identity(settings, database, clock, SealedFactors(writing.ring), finders, writing.trail, [end_runs])
        )
        owners = OwnerService(
            database, identity.api_keys, identity.one_time_tokens, clock, settings.data_dir, writing.trail, has_keys=writing.has_keys
        )
        owner = await owners.ensure(keep_key=not worker)
        registry = _registry()
        await warm(writing, owner.tenant_id)
        signer = Signer(database, clock, PURPOSE, writing.ring, owner.tenant_id)
        if writing.has_keys:
            await signer.seal_stored()
        once = Once(database, clock, settings.idempotency_ttl_s, writing.ring)
        collections = CollectionService(database, clock, once, writing.trail)
        http = _http(stack, settings)
        models, databases, renderer = (
            ObservedModels(_models(stack, settings, http)),
            _databases(stack, settings, owner.tenant_id),
            _renderer(settings),
        )
        probe = Probes(http, models, databases.open, _knowledge(collections))
        has = belongings(settings, database, clock, once, writing, registry, renderer, probe, owner.tenant_id)
        stack.push_async_callback(has.store.close)
        judges = Judges(has.workspace.validation, has.workspace.structure, has.workspace.needs)
        workflows = WorkflowService(database, once, clock, writing.trail, judges, settings.compiled_cache_size)
        sharing = SharingService(
            database, clock, writing.trail, identity.grants, identity.access, workflows, judges.needs, settings.public_url
        )
        finders |= {
            ResourceKind.WORKFLOW: workflows.exists,
            ResourceKind.COLLECTION: collections.exists,
            ResourceKind.SOURCE: has.sources.exists,
        }
        allowance = Allowance(database, clock, identity.quotas)
        outside = Outside(
            settings=settings,
            database=database,
            objects=objects,
            clock=clock,
            registry=registry,
            renderer=renderer,
            http=http,
            models=models,
            secrets=has.store,
            sources=has.sources.find,
            open_database=databases.open,
            knowledge=_knowledge(collections),
            workflows=workflows,
            workspace=has.workspace,
            trail=writing.trail,
            quotas=identity.quotas,
            allowance=allowance,
            principals=identity.principals,
            denials=writing.denials,
        )
        dependencies = _checks(settings, database, objects)
        for dependency in dependencies:
            stack.push_async_callback(dependency.close)
        gauges = QueueGauges(database, clock)
        stack.push_async_callback(gauges.close)
        runs = await stack.enter_async_context(open_runtime(outside, role))
        retention = Retention(database, objects, clock, settings, writing.trail)
        retention.start()
        if not worker:
            identity.housekeeping.start()
        stack.push_async_callback(retention.stop)
        yield Container(
            settings=settings,
            database=database,
            clock=clock,
            credentials=identity.credentials,
            identity=identity,
            owners=owners,
            owner=owner,
            registry=registry,
            once=once,
            workflows=workflows,
            sharing=sharing,
            transfers=TransferService(database, clock, writing.trail, workflows, sharing, judges),
            collections=collections,
            artifacts=ArtifactService(
                database,
                objects,
                once,
                clock,
                writing.trail,
                settings.retention_artifact_days,
                identity.quotas,
                runs.sees,
                signer,
                presign=settings.object_store_presign,
            ),
            secrets=has.secrets,
            variables=has.variables,
            sources=has.sources,
            trail=writing.trail,
            denials=writing.denials,
            audit=writing.audit,
            runs=runs,
            allowance=allowance,
            retention=retention,
            checks=dependencies,
            gauges=gauges,
            detective=Detective(database, clock, settings),
            scanner=scanner,
        )


def _registry() -> NodeRegistry:
    registry = builtin_registry()
    load_plugins(registry)
    return registry


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


def _databases(stack: AsyncExitStack, settings: Settings, installation: str) -> DatabasePool:
    pool = DatabasePool(control_url=settings.database, data_dir=settings.data_dir, installation=installation)
    stack.push_async_callback(pool.close)
    return pool


def _knowledge(collections: CollectionService) -> Callable[[Subject], Knowledge]:
    def of(subject: Subject) -> Knowledge:
        return TenantKnowledge(collections, subject)

    return of


async def _database(stack: AsyncExitStack, settings: Settings) -> Database:
    database = Database(settings.database, pool_size=settings.database_pool_size, timeout_s=settings.database_timeout_s)
    stack.push_async_callback(database.close)
    if database.is_sqlite:
        await asyncio.to_thread(examine, Path(str(database.url.database)))
    await reach(database)
    await migrate.prepare(database, METADATA)
    return database


def _standby(stack: AsyncExitStack, settings: Settings, url: str, primary: Database) -> Standby:
    copy = Database(url, pool_size=settings.database_pool_size, timeout_s=settings.database_timeout_s)
    standby = Standby(primary, copy)
    standby.start()
    stack.push_async_callback(standby.close)
    return standby


def _checks(settings: Settings, database: Database, objects: Objects) -> Sequence[Check]:
    checks = [Check("database", _ping(database)), Check("object store", objects.check)]
    if database.standby is not None:
        checks.append(Check("database replica", database.standby.ping, required=False))
    if settings.redis_url:
        checks.append(Check("redis", redis_probe(settings.redis_url)))
    if settings.broker_url:
        checks.append(Check("broker", broker_probe(settings.broker_url), required=False))
    return checks


def _ping(database: Database) -> Callable[[], Any]:
    async def ping() -> None:
        if database.damage is not None:
            raise DatabaseDamaged(database.damage, hint=DAMAGED_HINT)
        async with database.reading() as session:
            await session.execute(text("SELECT 1"))

    return ping
