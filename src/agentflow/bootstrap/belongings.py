"""What a tenant has besides workflows and runs: secrets, variables, stored sources; and the audit log over all of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from agentflow.audit.service import AuditService
from agentflow.bootstrap.keys import key_service
from agentflow.bootstrap.workspace import Workspace
from agentflow.config.settings import Settings
from agentflow.infra.audit.denials import Denials
from agentflow.infra.audit.pruning import Pruner
from agentflow.infra.audit.sealer import SIGN_PURPOSE, Sealer
from agentflow.infra.audit.trail import MAC_PURPOSE, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.last_uses import LastUses
from agentflow.infra.idempotency.store import Once
from agentflow.infra.keys.errors import MasterKeyMissing
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.clock import Clock
from agentflow.nodes.registry import NodeRegistry
from agentflow.secrets.models import SecretRow
from agentflow.secrets.service import SecretService
from agentflow.secrets.store import EnvironmentSecrets, SecretStore
from agentflow.sources.connections.service import ConnectionService, Probe, naming_secret
from agentflow.spec.expressions import Renderer
from agentflow.spec.uses import uses_of
from agentflow.variables.service import VariableService
from agentflow.workflows.definitions import uses

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Writing:
    """What every service that changes something uses.

    Attributes:
        ring: the tenants' keys.
        trail: where changes are written down.
        denials: where it is noted what they were refused.
        audit: the same for those who read it.
        has_keys: whether the master key is here; only a worker goes on without.
    """

    ring: KeyRing
    trail: Trail
    denials: Denials
    audit: AuditService
    has_keys: bool


@dataclass(frozen=True, slots=True)
class Belongings:
    """The services over what tenants have.

    Attributes:
        secrets: secrets, for people.
        store: their values, for runs.
        variables: variables.
        sources: stored sources.
        workspace: all that, as validation sees it.
    """

    secrets: SecretService
    store: SecretStore
    variables: VariableService
    sources: ConnectionService
    workspace: Workspace


@asynccontextmanager
async def open_writing(settings: Settings, database: Database, clock: Clock, *, worker: bool) -> AsyncIterator[Writing]:
    """Open the keys and the audit log; seals records as long as the context lasts.

    A worker also starts without the master key: it has work enough that needs no secret.

    Raises:
        MasterKeyMissing: the data are sealed with a master key that is not here, and this is no worker.
        MasterKeyUnreadable: what is here is no key.
    """
    ring = KeyRing(database, key_service(settings), clock, settings.data_dir / "workers")
    has_keys = await _has_keys(ring, worker=worker)
    trail = Trail(database, ring, clock)
    sealer = Sealer(database, ring, clock, settings.data_dir, settings.audit_seal_interval_s, settings.audit_anchor_interval_s)
    denials = Denials(trail, clock)
    pruner = Pruner(database, ring, clock, trail, sealer, settings.audit_retention_days)
    if has_keys:
        sealer.start()
        denials.start()
        pruner.start(settings.audit_retention_interval_s)
    try:
        yield Writing(ring, trail, denials, AuditService(database, ring, sealer, trail, denials), has_keys)
    finally:
        await pruner.stop()
        await denials.stop()
        await sealer.stop()


async def _has_keys(ring: KeyRing, *, worker: bool) -> bool:
    try:
        return await ring.prepare(begin=not worker)
    except MasterKeyMissing as error:
        if not worker:
            raise
        log.warning("this worker has no master key: runs that need a stored secret fail here", error=str(error), hint=error.hint)
        return False


async def warm(writing: Writing, tenant_id: str) -> None:
    """Have the keys of a tenant that nearly every request needs."""
    if not writing.has_keys:
        return
    for purpose in (MAC_PURPOSE, SIGN_PURPOSE):
        await writing.ring.key(tenant_id, purpose)


def belongings(
    settings: Settings,
    database: Database,
    clock: Clock,
    once: Once,
    writing: Writing,
    registry: NodeRegistry,
    renderer: Renderer,
    probe: Probe,
    installation: str,
) -> Belongings:
    """Join the services over what tenants have; ``installation`` is the tenant of the installation's owner."""
    noted = LastUses(database, SecretRow, "last_used_at")
    store = SecretStore(database, writing.ring, clock, EnvironmentSecrets(), installation, noted)

    catalogue = partial(uses_of, catalog=registry, limits=settings)
    trail = writing.trail
    variables = VariableService(database, clock, once, trail, [uses.finder(catalogue, uses.by_variable)])
    secrets = SecretService(
        database, writing.ring, clock, once, trail, [uses.finder(catalogue, uses.by_secret), naming_secret], installation
    )
    workspace = Workspace(registry, settings, store, variables)
    finders = [uses.finder(catalogue, uses.by_source)]
    sources = ConnectionService(database, clock, once, trail, finders, store, renderer, workspace.examine, probe)
    workspace.sources = sources
    return Belongings(secrets, store, variables, sources, workspace)
