"""One process of the program inside a simulation, the durable things it works on, and the client that talks to it."""

import asyncio
import contextlib
import sqlite3
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from agentflow.bootstrap import runtime as assembly
from agentflow.bootstrap.runtime import Outside, open_runtime
from agentflow.compiler.build import build_plan
from agentflow.compiler.formats import CURRENT
from agentflow.compiler.plan import Plan
from agentflow.config.settings import Settings
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.objects.objects import open_objects
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.execution import plans
from agentflow.runtime.execution.plans import spec_hash
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.reader import ENDS
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.runs import overload
from agentflow.runtime.runs.answers import AlreadyAnswered
from agentflow.runtime.runs.service import RunService
from agentflow.secrets.store import EnvironmentSecrets
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import WorkflowSpec
from agentflow.spec.validate import ValidationResult, validate
from tests.chaos.corpus import Case, Submission
from tests.chaos.effects import Book, effect_nodes
from tests.chaos.store import StoredInterrupt, interrupts
from tests.runtime.support import SUBJECT, Ask, BareWorkspace, StoredWorkflows, no_sources

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SimulatedClock:
    """The wall clock of a simulation: it begins where it is told, and goes with the loop."""

    def __init__(self, begin: datetime) -> None:
        self._loop = asyncio.get_running_loop()
        self._zero = begin - timedelta(seconds=self._loop.time())

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Let the clock be set by somebody."""
        self._zero += timedelta(seconds=seconds)


class Program:
    """What does not change from one process to the next: code, node types, the texts of compiled statements and plans.

    A real process makes all of this anew when it starts, always the same; sharing it is what makes thousands of starts a minute possible.
    """

    def __init__(self, data_dir: Path) -> None:
        self.settings = Settings(data_dir=data_dir, shutdown_grace_s=0.5)
        self.database = Database(self.settings.database)
        self.book = Book()
        self.registry = builtin_registry()
        for node in effect_nodes(self.book):
            self.registry.add(node)
        self.registry.add(Ask())
        self.statements = Statements(is_sqlite=True)
        limit = self.settings.max_template_bytes
        self.renderer = Renderer(fuel=self.settings.expression_fuel, max_output_bytes=1_000_000, max_template_bytes=limit)
        self._checked: dict[str, ValidationResult] = {}
        self._plans: dict[str, Plan] = {}

    def check(self, document: Any) -> ValidationResult:
        """Validate a specification, each only once."""
        digest = spec_hash(document)
        if digest not in self._checked:
            self._checked[digest] = validate(document, self.registry, self.settings)
        return self._checked[digest]

    def plan(self, spec: WorkflowSpec, registry: NodeRegistry, renderer: Renderer) -> Plan:
        """Build the plan of a specification, each only once."""
        text = spec.model_dump_json()
        if text not in self._plans:
            self._plans[text] = build_plan(spec, registry, renderer)
        return self._plans[text]


class _Workspace(BareWorkspace):
    """Validates each specification only once."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.registry, program.settings)
        self.check = program.check  # type: ignore[method-assign]


class Process:
    """One start of the program, to its end. Its memory is gone with it."""

    def __init__(self, program: Program, case: Case, begin: datetime) -> None:
        self.clock = SimulatedClock(begin)
        self._program, self._case = program, case
        self._stack = AsyncExitStack()
        self.runs: RunService

    async def start(self) -> None:
        program, workflows = self._program, StoredWorkflows()
        settings, registry = program.settings, program.registry
        workflows.specs.update(self._case.stored)
        self._stack.push_async_callback(program.database.close)
        objects = open_objects(settings)
        self._stack.push_async_callback(objects.close)
        self._stack.enter_context(patch.object(plans, "FORMATS", {CURRENT: program.plan}))
        self._stack.enter_context(patch.object(overload, "TICK_S", 1.0))  # nothing is overloaded here, and each tick takes real time
        self._stack.enter_context(patch.object(assembly, "Statements", lambda *, is_sqlite: program.statements))
        outside: Any = Outside(
            settings=settings,
            database=program.database,
            objects=objects,
            clock=self.clock,
            registry=registry,
            renderer=program.renderer,
            http=None,
            models=None,
            secrets=EnvironmentSecrets({}),
            sources=no_sources,
            open_database=None,
            knowledge=None,
            workflows=workflows,
            workspace=_Workspace(program),
        )
        self.runs = await self._stack.enter_async_context(open_runtime(outside))

    async def stop(self) -> None:
        await self._stack.aclose()


@dataclass
class Ledger:
    """What a client was promised, and what it saw.

    Attributes:
        accepted: run ids by key: every answer that came.
        cancels: keys whose cancellation was answered.
        seen: events by run id, as they came.
        answered: questions whose answer was accepted.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    cancels: set[str] = field(default_factory=set)
    seen: dict[str, list[Event]] = field(default_factory=dict)
    answered: set[StoredInterrupt] = field(default_factory=set)

    def copy(self) -> "Ledger":
        seen = {run_id: list(events) for run_id, events in self.seen.items()}
        return Ledger(dict(self.accepted), set(self.cancels), seen, set(self.answered))


class Client:
    """Asks for the runs of a case, follows them, and answers what they ask; after a crash it repeats what got no answer, with the same key."""

    def __init__(self, case: Case, ledger: Ledger, book: Book, store: sqlite3.Connection) -> None:
        self._case, self.ledger, self._book, self._store = case, ledger, book, store

    async def work(self, runs: RunService) -> None:
        """Do everything that is still to be done, and stay until every run has ended."""
        person = asyncio.get_running_loop().create_task(self._answer(runs))
        try:
            async with asyncio.TaskGroup() as group:
                for submission in self._case.submissions:
                    group.create_task(self._submission(runs, submission))
        finally:
            person.cancel()
            await asyncio.wait([person])

    async def _submission(self, runs: RunService, wanted: Submission) -> None:
        key = wanted.key
        await asyncio.sleep(wanted.at_s)
        if key not in self.ledger.accepted:
            await asyncio.gather(*[self._start(runs, wanted) for _ in range(wanted.twins)])
        async with asyncio.TaskGroup() as group:
            if wanted.cancel_at_s is not None and key not in self.ledger.cancels:
                group.create_task(self._cancel(runs, wanted))
            group.create_task(self._follow(runs, self.ledger.accepted[key], fickle=wanted.fickle))

    async def _start(self, runs: RunService, wanted: Submission) -> None:
        same = Idempotency(wanted.key, wanted.key)
        run = await runs.start_inline(SUBJECT, wanted.spec, wanted.inputs, options=wanted.options, idempotency=same)
        known = self.ledger.accepted.setdefault(wanted.key, run.id)
        assert known == run.id, f"the key {wanted.key} names two runs"

    async def _cancel(self, runs: RunService, wanted: Submission) -> None:
        assert wanted.cancel_at_s is not None
        await asyncio.sleep(wanted.cancel_at_s)
        await runs.cancel(SUBJECT, self.ledger.accepted[wanted.key])
        self.ledger.cancels.add(wanted.key)

    async def _follow(self, runs: RunService, run_id: str, *, fickle: bool) -> None:
        seen = self.ledger.seen.setdefault(run_id, [])
        while not (seen and seen[-1].type in ENDS):
            async with contextlib.aclosing(runs.follow(SUBJECT, run_id, after=seen[-1].seq if seen else 0)) as events:
                async for event in events:
                    seen.append(event)
                    if fickle:
                        break

    async def _answer(self, runs: RunService) -> None:
        """Answer every question, like a person who looks now and then."""
        while True:
            await asyncio.sleep(0.4)
            for asked in interrupts(self._store):
                if asked.status == "open" and asked not in self.ledger.answered:
                    with contextlib.suppress(AlreadyAnswered):
                        await runs.answer(SUBJECT, asked.run_id, asked.node, self._decision(asked))
                    self.ledger.answered.add(asked)

    def _decision(self, asked: StoredInterrupt) -> dict[str, Any]:
        if asked.kind != "attention":
            return {"decision": "continue"}
        # Whoever looks into the outside world knows whether it happened.
        key = ":".join(map(str, asked.place))
        happened = [effect for effect in self._book.effects if effect.key == key]
        return {"decision": "done", "values": happened[0].value} if happened else {"decision": "retry"}
