"""S40: whatever is kept under a key: in caches, limits, locks, queues and topics, the key tells organisations apart."""

import ast
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

import agentflow
from agentflow.config.settings import Settings
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Credential, CredentialKind, Subject
from agentflow.identity.traffic import Traffic
from agentflow.infra.limits.rates import LocalRates

ROOT = Path(agentflow.__file__).parent
KEYED = {"dict", "OrderedDict", "defaultdict", "Memo", "WeakKeyDictionary", "WeakValueDictionary"}
CACHED = {"lru_cache", "cache"}
LEFT_OUT = {"entrypoints", "kit", "spec", "compiler"}
"""What knows nothing of organisations: the command line of one person, helpers, and what is computed from a specification alone."""


class By(Enum):
    """What a key tells apart."""

    TENANT = "the tenant stands in the key"
    ID = "an id that is unique in the installation, which leads here only after the tenant was checked"
    CREDENTIAL = "a hash of a secret that belongs to one tenant"
    CONTENT = "a hash or the whole of what the value is computed from; it holds nothing else"
    OUTSIDE = "an address, a file or a key of the installation"
    ONE = "it lives in one run, request or connection, which is of one tenant"
    CODE = "names of our own code"


STORES = {
    "endpoints.edges.network_of": By.CONTENT,
    "identity.access.AccessReader._known": By.TENANT,
    "identity.credentials.Credentials._known": By.CREDENTIAL,
    "identity.passwords._hasher": By.CODE,
    "identity.passwords._nobody": By.CODE,
    "identity.principals.Principals._known": By.TENANT,
    "identity.quotas.TenantQuotas._known": By.TENANT,
    "identity.tokens.access.AccessTokens._genuine": By.CREDENTIAL,
    "infra.audit.chain.Verifier._anchors": By.ONE,
    "infra.audit.denials.Denials._sources": By.TENANT,
    "infra.audit.sealer.Sealer._anchored": By.TENANT,
    "infra.celery.hints.HintSender.broker_transport_options": By.CODE,
    "infra.crypto._begun": By.CONTENT,
    "infra.db.bulk.BulkStatement._compiled": By.CODE,
    "infra.db.last_uses.LastUses._noted": By.ID,
    "infra.db.last_uses.LastUses._unwritten": By.ID,
    "infra.db.news.News._items": By.ID,
    "infra.db.standby.Standby._wrote": By.TENANT,
    "infra.db.types._bytes": By.CONTENT,
    "infra.db.types._parsed": By.CONTENT,
    "infra.keys.local.FileKeys._keys": By.OUTSIDE,
    "infra.keys.ring.KeyRing._known": By.TENANT,
    "infra.limits.leased.LeasedRates._fetches": By.TENANT,
    "infra.limits.leased.LeasedRates._leases": By.TENANT,
    "infra.limits.lines.Lines._open": By.TENANT,
    "infra.limits.lines._Keeper._left": By.ONE,
    "infra.limits.lines._Keeper._told": By.ONE,
    "infra.limits.lines._Keeper._waiters": By.ONE,
    "infra.limits.memory.MemoryBuckets._lines": By.TENANT,
    "infra.limits.memory._State._last_tag": By.ONE,
    "infra.limits.memory._State._waiting": By.ONE,
    "infra.limits.memory._State.granted": By.ONE,
    "infra.limits.rates.LocalRates._full_at": By.TENANT,
    "infra.limits.shared.SharedBuckets._known_since": By.TENANT,
    "infra.observability.metrics.Bounded._children": By.CODE,
    "infra.observability.metrics.Tallies._tallies": By.CODE,
    "infra.observability.metrics._duration": By.CODE,
    "infra.observability.otlp.OtlpTracer._kinds": By.CODE,
    "infra.observability.redaction.Redactor._secrets": By.CONTENT,
    "infra.observability.redaction.disguises": By.CONTENT,
    "interfaces.rest.catalogue.spec_schema": By.CODE,
    "knowledge.parsers.isolated._turns": By.CODE,
    "knowledge.vector_stores.exact.ExactVectorStore._indexes": By.TENANT,
    "knowledge.vector_stores.exact.ExactVectorStore._loading": By.TENANT,
    "knowledge.vector_stores.lexical.LexicalIndex._postings": By.ONE,
    "nodes.control.deciders._compiled": By.CONTENT,
    "nodes.data.db_statements._Writer.params": By.ONE,
    "nodes.registry.NodeRegistry._types": By.CODE,
    "runtime.checkpoints.hot.HotTier._forgotten": By.ID,
    "runtime.checkpoints.hot.HotTier._puts": By.ID,
    "runtime.checkpoints.saver.AgentFlowSaver._last": By.ID,
    "runtime.checkpoints.tiered.RunSaver._given": By.ONE,
    "runtime.checkpoints.tiered.RunSaver._in_redis": By.ONE,
    "runtime.checkpoints.tiered.RunSaver._kept": By.ONE,
    "runtime.checkpoints.tiered.RunSaver._saved": By.ONE,
    "runtime.dispatch.pool.WorkerPool._again": By.ID,
    "runtime.dispatch.pool.WorkerPool._drives": By.ID,
    "runtime.execution.attendant.Attendant._checked": By.ONE,
    "runtime.execution.maps.MapWork._errors": By.ONE,
    "runtime.execution.maps.MapWork._results": By.ONE,
    "runtime.execution.node_runner.NodeRunner._latest": By.ONE,
    "runtime.execution.node_runner.NodeRunner._maps": By.ONE,
    "runtime.execution.node_runner.NodeRunner._memory": By.ONE,
    "runtime.execution.node_runner.NodeRunner.last_output": By.ONE,
    "runtime.execution.plans.PlanCache._plans": By.CONTENT,
    "runtime.execution.resolve.SourceResolver._named": By.ONE,
    "runtime.execution.resolve.SourceResolver._resolved": By.ONE,
    "runtime.execution.resolve.SourceResolver._stored": By.ONE,
    "runtime.execution.resolve.SourceResolver._sources": By.ONE,
    "runtime.execution.retry_budget.RetryBudgets._budgets": By.TENANT,
    "runtime.execution.stalled.Stalled._again": By.ONE,
    "runtime.execution.stalled.Stalled._steps": By.ONE,
    "runtime.execution.stalled.Stalled.running": By.ONE,
    "runtime.execution.stalled.Stalled.through": By.ONE,
    "runtime.execution.throttle._gates": By.CONTENT,
    "runtime.execution.waits.Waits._known": By.ONE,
    "runtime.execution.waits.Waits.held": By.ONE,
    "runtime.journal.hub.LiveHub._ends": By.ID,
    "runtime.journal.hub.LiveHub._readers": By.ID,
    "runtime.journal.hub.LiveHub._remote": By.ID,
    "runtime.journal.writer.RunJournal._nodes": By.ONE,
    "runtime.runs.admission.Admission._stored_specs": By.TENANT,
    "runtime.runs.daily.DailyRuns._far": By.TENANT,
    "runtime.runs.inputs.InputSchemas._validators": By.CONTENT,
    "runtime.runs.making.RunMaker._valid": By.TENANT,
    "runtime.runs.queries._SORTS": By.CODE,
    "runtime.runs.wire._NONE_LARGE": By.CODE,
    "runtime.values.spill.SpillingCommitter._columns": By.CODE,
    "runtime.values.spill.SpillingCommitter._stored": By.TENANT,
    "secrets.store.EnvironmentSecrets._values": By.OUTSIDE,
    "sources.chat_models.local._load": By.OUTSIDE,
    "sources.chat_models.openai_assembly.Assembly._calls": By.ONE,
    "sources.databases.pool.DatabasePool._open": By.TENANT,
    "sources.databases.settings._DRIVERS": By.CODE,
    "sources.embeddings.minilm._load": By.CODE,
    "sources.http.client.GuardedHttpClient._clients": By.CODE,
    "workflows.definitions.repository._SORTS": By.CODE,
    "workflows.definitions.service.WorkflowService._started": By.TENANT,
    "workflows.sharing.openings.Openings._noted": By.ID,
    "workflows.sharing.service.SharingService._cleaned": By.CONTENT,
    "workflows.transfer.endpoints._DOCUMENT": By.CODE,
}
"""Everything that the program keeps in memory under a key, and what its key tells apart."""
IN_REDIS = {
    "agentflow:checkpoints": By.ID,
    "agentflow:limits": By.TENANT,
    "agentflow:rates": By.TENANT,
    "agentflow:session": By.ID,
}
"""Beginnings of the keys in Redis."""


def _head(node: ast.expr) -> str | None:
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _kept_by(owner: ast.AST, *, in_object: bool) -> Iterator[str]:
    """Yield the names of what is assigned something that has keys."""
    for statement in ast.walk(owner) if in_object else ast.iter_child_nodes(owner):
        wanted = ast.Attribute if in_object else ast.Name
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, wanted) and _head(statement.annotation) in KEYED:
            yield _head(statement.target) or ""
        elif in_object and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict | ast.DictComp):
            yield from (target.attr for target in statement.targets if isinstance(target, ast.Attribute))


def _found() -> Iterator[str]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in LEFT_OUT:
            continue
        module, tree = ".".join(parts), ast.parse(path.read_text())
        yield from (f"{module}.{name}" for name in _kept_by(tree, in_object=False))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(_head(each) in CACHED for each in node.decorator_list):
                yield f"{module}.{node.name}"
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    yield from (f"{module}.{node.name}.{name}" for name in _kept_by(part, in_object=True))


def test_s40_every_store_in_memory_says_how_it_tells_organisations_apart():
    """A cache, limit, lock, queue or topic that is not in the table fails this, and so does one that is gone."""
    assert set(_found()) == set(STORES)


def test_s40_every_key_in_redis_says_how_it_tells_organisations_apart():
    """Likewise for the beginnings of keys that the program writes there."""
    texts = [
        node.value
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    begins = {found[0] for text in texts if (found := re.match(r"agentflow:[a-z]+", text))}
    assert begins == set(IN_REDIS)


@pytest.mark.parametrize("kind", CredentialKind)
async def test_s40_s22_the_keys_of_limits_hold_the_organisation(container, kind):
    """The same user, key and route in two organisations are counted apart; only what is claimed before anybody is known is by address."""
    settings = Settings(rate_limit_routes={"GET /x": 5})
    traffic = Traffic(LocalRates(), settings, container.identity.quotas)
    keys = []
    for tenant_id in ("tenant-1", "tenant-2"):
        subject = Subject(tenant_id, "same-user", frozenset({Permission.RUNS_READ}), credential=Credential(kind, "same-key"))
        claims = [*await traffic.by_subject(subject, "GET /x"), *traffic.by_miss(subject)]
        assert len(claims) == (5 if kind is CredentialKind.KEY else 4)
        assert all(tenant_id in claim.key.split(":") for claim in claims)
        keys.append({claim.key for claim in claims})
    assert not keys[0] & keys[1]
    assert all(claim.key.endswith(":192.0.2.1") for claim in (*traffic.by_address("192.0.2.1"), *traffic.by_stranger("192.0.2.1")))
