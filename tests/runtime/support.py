"""A runtime without a server, and node types that tests steer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar

from agentflow.bootstrap.runtime import Outside, Role, open_runtime
from agentflow.config.settings import Settings
from agentflow.errors import NodeError
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.objects.objects import open_objects
from agentflow.kit.clock import Clock, SystemClock
from agentflow.kit.ids import new_id
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.context import NodeContext, Question, Usage
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.runs.schemas import Run
from agentflow.runtime.runs.service import RunService
from agentflow.secrets.store import EnvironmentSecrets
from agentflow.spec.effects import EffectClass
from agentflow.spec.expressions import Renderer
from agentflow.spec.uses import Uses, uses_of
from agentflow.spec.validate import ValidationResult, validate
from agentflow.workflows.definitions.service import StoredVersion

SUBJECT = Subject(new_id(), new_id(), ALL_PERMISSIONS)


class ProbeConfig(NodeConfig):
    """What a probe does."""

    value: Any = None
    fail_times: int = 0
    wait_for: str | None = None
    tokens: int = 0
    expected: int = 0


class Probe(NodeType[ProbeConfig]):
    """Counts its runs, fails on demand, and waits for a gate when told to."""

    type = "probe"
    title = description = "Probe"
    category = "control"
    icon = "flask-conical"
    config_model = ProbeConfig
    example: ClassVar[Mapping[str, Any]] = {"id": "probe", "type": "probe", "config": {"value": 1}}

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.gates: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = {}

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    def arrival(self, name: str) -> asyncio.Event:
        return self.reached.setdefault(name, asyncio.Event())

    def expected_tokens(self, config: ProbeConfig) -> int:
        return config.expected

    async def run(self, context: NodeContext, config: ProbeConfig) -> Any:
        self.runs[context.node_id] += 1
        if config.tokens:
            context.use(Usage(input_tokens=config.tokens, model="probe"))
        if context.attempt <= config.fail_times:
            raise NodeError("The probe was told to fail.", error_code="PROBE", retryable=True, hint="Lower fail_times.")
        if config.wait_for:
            self.arrival(config.wait_for).set()
            await self.gate(config.wait_for).wait()
        return config.value


class OnceProbe(Probe):
    """A probe whose effect cannot be repeated."""

    type = "once_probe"
    effect_class = EffectClass.ONCE
    example: ClassVar[Mapping[str, Any]] = {"id": "probe", "type": "once_probe", "config": {}}


class UnsureProbe(Probe):
    """A probe that finds out when it runs that its effect cannot be noted."""

    type = "unsure_probe"
    effect_class = EffectClass.TRANSACTIONAL
    example: ClassVar[Mapping[str, Any]] = {"id": "probe", "type": "unsure_probe", "config": {}}

    async def run(self, context: NodeContext, config: ProbeConfig) -> Any:
        if config.tokens == 0:
            await context.cannot_repeat()
        return await super().run(context, config)


class AskConfig(NodeConfig):
    """What a node asks."""

    question: str = "Go on?"
    expires_in_s: float | None = None


class Ask(NodeType[AskConfig]):
    """Asks a person, and gives what came back."""

    type = "ask"
    title = description = "Ask"
    category = "people"
    icon = "hand"
    config_model = AskConfig
    example: ClassVar[Mapping[str, Any]] = {"id": "ask", "type": "ask", "config": {}}

    async def run(self, context: NodeContext, config: AskConfig) -> Any:
        reply = await context.ask(Question("human", {"question": config.question}, expires_in_s=config.expires_in_s))
        return {"status": reply.status, **reply.answer}


class BareWorkspace:
    """A tenant that has workflows and nothing else."""

    def __init__(self, registry: NodeRegistry, settings: Settings) -> None:
        self._registry, self._settings = registry, settings

    async def validation(self, tenant_id: str) -> Callable[[Any], ValidationResult]:
        return self.check

    def check(self, document: Any) -> ValidationResult:
        return validate(document, self._registry, self._settings)

    structure = check

    def uses(self, document: Any) -> Uses:
        return uses_of(document, self._registry, self._settings)

    async def variables(self, tenant_id: str, wanted: Collection[str] | None) -> Mapping[str, Any]:
        return {}


async def no_sources(tenant_id: str, name: str) -> None:
    """Find no stored source."""


class StoredWorkflows:
    """Stored workflows by name, for child runs."""

    def __init__(self) -> None:
        self.specs: dict[str, Any] = {}

    async def get_version(self, subject: Subject, ref: str, version: int | None) -> StoredVersion:
        from agentflow.errors import NotFound
        from agentflow.runtime.execution.plans import spec_hash

        if ref not in self.specs:
            raise NotFound(f"There is no workflow {ref}.")
        spec = self.specs[ref]
        return StoredVersion(new_id(), 1, spec, spec_hash(spec), subject.user_id, "organisation")


class ShiftedClock(SystemClock):
    """The system's clock, set forward by the test."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class World:
    """One database with node types and workflows; runtimes come and go on it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.probe, self.once = Probe(), OnceProbe()
        self.registry = builtin_registry()
        self.registry.add(self.probe)
        self.registry.add(self.once)
        self.unsure = UnsureProbe()
        self.registry.add(self.unsure)
        self.registry.add(Ask())
        self.workflows = StoredWorkflows()

    @asynccontextmanager
    async def runtime(self, role: Role = Role.ALONE, **changed: Any) -> AsyncIterator[RunService]:
        settings = self.settings.model_copy(update=changed)
        database, objects = Database(settings.database), open_objects(settings)
        outside: Any = Outside(
            settings=settings,
            database=database,
            objects=objects,
            clock=self.clock,
            registry=self.registry,
            renderer=Renderer(fuel=settings.expression_fuel, max_output_bytes=1_000_000, max_template_bytes=settings.max_template_bytes),
            http=None,  # type: ignore[arg-type]  # no node of these tests leaves the process
            models=None,  # type: ignore[arg-type]
            secrets=EnvironmentSecrets({}),
            sources=no_sources,
            open_database=lambda source, tenant_id: None,  # type: ignore[arg-type,return-value]
            knowledge=lambda subject: None,  # type: ignore[arg-type,return-value]
            workflows=self.workflows,  # type: ignore[arg-type]
            workspace=BareWorkspace(self.registry, settings),
        )
        try:
            async with open_runtime(outside, role) as runs:
                yield runs
        finally:
            await database.close()
            await objects.close()


async def run_to_end(runs: RunService, spec: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """Start a run and wait for its end."""
    run = await runs.start_inline(SUBJECT, spec, inputs or {}, **options)
    return await runs.wait(SUBJECT, run.id, 30)


def spec_of(nodes: list[dict[str, Any]], edges: list[Any] = [], **more: Any) -> dict[str, Any]:  # noqa: B006 - never changed
    """Return a specification; an edge may be written ``"a>b"``."""
    ways = [dict(zip(("from", "to"), edge.split(">"), strict=True)) if isinstance(edge, str) else edge for edge in edges]
    return {"spec_version": "1", "name": "test", "start_node": nodes[0]["id"], "nodes": nodes, "edges": ways, **more}


def transform(node_id: str, value: Any, **more: Any) -> dict[str, Any]:
    """Return a ``transform`` node."""
    return {"id": node_id, "type": "transform", "config": {"value": value}, **more}


def probe(node_id: str, type_: str = "probe", policy: Mapping[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """Return a probe node."""
    return {"id": node_id, "type": type_, "config": config, **(policy or {})}


async def statuses(runs: RunService, run_id: str) -> dict[str, str]:
    """Return the last status of each node of a run."""
    return {item.node_id: item.status.value for item in await runs.nodes(SUBJECT, run_id)}


async def until(runs: RunService, run_id: str, event_type: str, times: int = 1) -> Run:
    """Wait for the ``times``-th event of a type and return the run as it is then."""
    seen = 0
    async for event in runs.follow(SUBJECT, run_id):
        seen += event.type == event_type
        if seen == times:
            break
    run = await runs.get(SUBJECT, run_id)
    assert seen == times, run
    return run


async def types(runs: RunService, run_id: str) -> list[str]:
    """Return the types of a run's events, and hold them to be without a gap."""
    events = await runs.events(SUBJECT, run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.type.value for event in events]
