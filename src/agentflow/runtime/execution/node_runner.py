"""Runs the nodes of one run and remembers what has run: fulfils ``compiler.engine.Engine``."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from agentflow.compiler.engine import Advance, Outcome, Scope, StepAgain
from agentflow.compiler.plan import Plan, PlanNode
from agentflow.errors import NodeError
from agentflow.kit.tasks import end_if_cancelled
from agentflow.nodes.base import NodeConfig
from agentflow.runtime.execution import flow
from agentflow.runtime.execution.attempts import Tries, attempt, to_json, validated
from agentflow.runtime.execution.cache import NodeCache
from agentflow.runtime.execution.context import Context
from agentflow.runtime.execution.failures import RunFailed, Suspended, UnknownOutcome, as_node_error, run_error
from agentflow.runtime.execution.gate import FAIL, RETRY, Gate, said_to_have_failed
from agentflow.runtime.execution.maps import MapWork
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.resolve import SourceResolver
from agentflow.runtime.execution.rights import Rights
from agentflow.runtime.execution.shown import duration_ms, root_names, too_many_steps, view
from agentflow.runtime.execution.stalled import Stalled
from agentflow.runtime.execution.throttle import Throttle
from agentflow.runtime.execution.underway import Execution, turns
from agentflow.runtime.execution.usage import UsageMeter
from agentflow.runtime.execution.waits import Place, Waits
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import EventType, NodeStatus
from agentflow.spec.effects import EffectClass
from agentflow.spec.expressions import ExpressionError

_ASKED = (InterruptKind.HUMAN, InterruptKind.EVENT, InterruptKind.ATTENTION)


class NodeRunner:
    """The nodes of one run."""

    def __init__(self, run: RunRecord, plan: Plan, journal: RunJournal, ports: Ports, memory: Sequence[NodeRecord], tries: Tries) -> None:
        self.journal = journal
        self.meter = UsageMeter(plan.spec.limits)
        self.last_output: dict[str, Any] = {}
        """By scope prefix, the output of the node that completed last."""
        self._run, self.plan, self._ports = run, plan, ports
        self.rights = Rights(run, ports)
        self._sources = SourceResolver(run.tenant_id, plan.spec, ports, self.rights)
        journal.hidden = self._sources.hidden
        self._cache = NodeCache(run.tenant_id, ports)
        self._memory = {(record.key, record.iteration): record for record in memory}
        self._latest: dict[str, NodeRecord] = {}
        self._maps: dict[tuple[str, int], MapWork] = {}
        self._position = max((record.position for record in memory), default=0)
        self._max_steps = min(plan.spec.limits.max_steps or ports.settings.max_run_steps, ports.settings.max_run_steps)
        self._turns = turns(plan.spec.limits.max_parallel_nodes)
        self.undoing = False
        """Whether what the run has done is being undone: no limit on steps may keep it from that."""
        self.waits = Waits(run, journal, ports)
        self.stalled = Stalled(self.waits.held)
        self._gate = Gate(run, self.waits, journal)
        self._context = partial(Context, run=run, rights=self.rights, journal=journal, meter=self.meter, waits=self.waits, ports=ports)
        self._throttle = Throttle(run, plan, journal, ports.lines, self._latest.get) if plan.spec.queues else None
        self._tries = tries
        self._pins: Mapping[str, Any] = (run.control or {}).get("pins", {})
        self.root = Scope("", root_names(run, plan))
        for record in sorted(memory, key=lambda record: record.position):
            self._recall(record)
            if record.status is NodeStatus.WAITING:
                self.waits.hold((record.key, record.iteration), None)

    def _recall(self, record: NodeRecord) -> None:
        self.meter.add_stored(record.usage)
        self._latest[record.key] = record
        node = self.plan.nodes.get(record.key)
        if node is not None and record.is_final:
            self._show(node, record, self.root)

    @property
    def memory(self) -> Collection[NodeRecord]:
        """Every execution so far."""
        return self._memory.values()

    @property
    def begun(self) -> list[Place]:
        """The executions that have begun, or were stopped before they did."""
        return [*self._memory, *self.waits.breakpoints]

    async def run(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome | None:
        """Run one node, unless it has run; see ``Engine.run``."""
        place = (scope.key(node.id), iteration)
        again = self.stalled.running.get(place)
        if again is not None and again is not asyncio.current_task():
            await asyncio.wait([again])
        outcome = await self._go(node, place, scope, loops)
        if outcome is None:
            self.stalled.add(place, partial(self._go, node, place, scope, dict(loops)))
        elif self.waits.held:
            self.waits.held.pop(place, None)
        return outcome

    def stalled_at(self, node: PlanNode, again: StepAgain) -> None:
        """Take note of a step that stopped at a node which waits; see ``Engine.stalled_at``."""
        self.stalled.add_step(node.id, again)

    def revived(self) -> Advance | None:
        """Return what came of nodes that waited; see ``Engine.revived``."""
        return self.stalled.take(self.plan.nodes) if self.stalled.through else None

    async def _go(self, node: PlanNode, place: Place, scope: Scope, loops: Mapping[int, int]) -> Outcome | None:
        iteration = place[1]
        known = self._memory.get(place)
        if known is not None and known.is_final:
            return await self._leave(node, place, self._recorded(node, known, scope, loops))
        end_if_cancelled()
        if self._is_paused(place) or (self._gate.on and not await self._gate.may_begin(node, place, scope)):
            return None
        verdict = None
        if known is not None and self._gate.doubts(node, known) and (verdict := await self._gate.verdict(known)) is None:
            return None
        if verdict is not None and known is not None and (verdict.answer or {}).get("decision") != RETRY:
            outcome: Outcome | None = await self._as_told(Execution(node, known, scope, loops), verdict)
        else:
            recovered = known is not None and known.status in {NodeStatus.RUNNING, NodeStatus.CANCELLED}
            async with self._turns:
                if self._is_paused(place):
                    return None
                outcome = await self._execute(Execution(node, self._begin(node, iteration, scope, known), scope, loops, recovered))
        # What can run again, or knows by itself that it ran, is written together with the next node's beginning.
        if outcome is not None and node.effect is EffectClass.ONCE:
            await self.journal.flush()
        return outcome and await self._leave(node, place, outcome)

    def _is_paused(self, place: Place) -> bool:
        """Tell whether nothing may begin now; then the execution waits. What is under way goes on, and so does undoing."""
        if self._run.paused_at is None or self.undoing:
            return False
        self.waits.hold(place, None)
        return True

    async def _leave(self, node: PlanNode, place: Place, outcome: Outcome) -> Outcome | None:
        if not self._gate.on or await self._gate.may_leave(node.id, place, self._memory[place].output):
            return outcome
        return None

    def _recorded(self, node: PlanNode, known: NodeRecord, scope: Scope, loops: Mapping[int, int]) -> Outcome:
        """Return the outcome of an execution that is through.

        Raises:
            RunFailed: it failed and nothing takes over.
        """
        if known.taken is None:
            return self._patched(Execution(node, known, scope, loops))
        if known.status is NodeStatus.FAILED and known.error is not None and flow.after_failure(node) is None:
            raise RunFailed(known.error)
        self._show(node, known, scope)
        return flow.recorded(known)

    def _patched(self, doing: Execution) -> Outcome:
        """Return the outcome of an execution whose output was changed when the run was forked: which ways it takes is decided anew."""
        try:
            return self._complete(doing, self._prepare(doing), doing.record.output)
        except (NodeError, ExpressionError) as error:
            return self._fail(doing, as_node_error(error))

    async def _execute(self, doing: Execution) -> Outcome | None:
        node, scope = doing.node, doing.scope
        try:
            if node.node.when is not None and not self._ports.renderer.test(node.node.when, scope.names):
                return self._pass_by(doing)
            config = self._prepare(doing)
            output = self._pins[node.id] if node.id in self._pins else await self._produce(doing, config)
            return self._complete(doing, config, output)
        except (NodeError, ExpressionError) as error:
            return self._fail(doing, as_node_error(error))
        except UnknownOutcome:
            doing.record.attempts -= 1
            await self._gate.verdict(doing.record)
            return None
        except Suspended as wait:
            doing.record.attempts -= 1
            doing.record.status = NodeStatus.WAITING
            self.journal.node(doing.record)
            self.waits.hold((doing.record.key, doing.record.iteration), wait.wake_at)
            return None
        except asyncio.CancelledError:
            if doing.record.status is not NodeStatus.RATE_LIMITED:  # whoever goes on with the run has to know that it had not begun
                self._end(doing.record, NodeStatus.CANCELLED)
            raise

    async def _as_told(self, doing: Execution, verdict: Interrupt) -> Outcome:
        """End an execution of unknown outcome as a person said."""
        self.waits.announce(verdict)
        answer = verdict.answer or {}
        try:
            if answer.get("decision") == FAIL:
                raise said_to_have_failed(doing.record, verdict)
            output = to_json(answer.get("values"), self._ports.settings.max_value_bytes)
            return self._complete(doing, self._prepare(doing), output)
        except (NodeError, ExpressionError) as error:
            return self._fail(doing, as_node_error(error))

    def abandon(self) -> None:
        """End the executions that wait: the run is over."""
        if not self.waits.interrupted and self._throttle is None:
            return
        for record in self._memory.values():
            if record.status in (NodeStatus.WAITING, NodeStatus.RATE_LIMITED):
                self._end(record, NodeStatus.CANCELLED)

    def skip(self, node: PlanNode, iteration: int, scope: Scope) -> None:
        """Record that a node lies on a branch that was not taken."""
        key = scope.key(node.id)
        if (key, iteration) not in self._memory:
            record = self._record(node, key, iteration, NodeStatus.SKIPPED)
            record.taken = [[], None]
            self.journal.node(record)
            self.journal.event(EventType.NODE_SKIPPED, key, {"reason": "branch"})

    def _begin(self, node: PlanNode, iteration: int, scope: Scope, known: NodeRecord | None) -> NodeRecord:
        key = scope.key(node.id)
        if known is None:
            known = self._record(node, key, iteration, NodeStatus.RUNNING)
            known.started_at = self._ports.clock.now()
        waited = known.status is NodeStatus.WAITING
        known.status = NodeStatus.RUNNING
        self.journal.node(known)
        if waited:
            self.waits.announce_all((key, iteration), _ASKED)
        else:
            data = {"type": node.node.type, "iteration": iteration} if iteration else {"type": node.node.type}
            self.journal.event(EventType.NODE_STARTED, key, data)
        return known

    def _record(self, node: PlanNode, key: str, iteration: int, status: NodeStatus) -> NodeRecord:
        self._position += 1
        if self._position > self._max_steps and not self.undoing:
            raise RunFailed(too_many_steps(self._max_steps, key))
        record = NodeRecord(key, iteration, self._position, node.node.type, status)
        self._memory[(key, iteration)] = self._latest[key] = record
        return record

    def _prepare(self, doing: Execution) -> NodeConfig:
        if doing.node.static_config is not None:
            return doing.node.static_config
        rendered = doing.node.config.render(doing.scope.names)
        doing.record.input = rendered
        return validated(doing.node, rendered)

    async def _produce(self, doing: Execution, config: NodeConfig) -> Any:
        node, record = doing.node, doing.record
        source = await self._sources.resolve(node.node.source)
        # What a worker may have died of must be on record before it is tried again.
        if node.effect is not EffectClass.PURE or self._run.tries > 1:
            await self.journal.flush()
        if node.node.cache is not None:
            key = self._cache.key(node.node, record.input if node.static_config is None else node.node.config, source)
            found, output = await self._cache.find(key)
            if found:
                return output
        parts = flow.parts(node, doing.scope, self._latest) if node.incoming else ()
        context = self._context(record=record, parts=parts, source=source, recovered=doing.recovered)
        try:
            entrance = None if self._throttle is None else self._throttle.entrance(node, record)
            output = self.journal.hidden.value(await attempt(node, config, record, context, self._tries, entrance))
        finally:
            context.settle()
            record.usage = context.usage.stored()
            if self._throttle is not None:
                self._throttle.used(record.key, context.usage.tokens)
        if node.node.cache is not None:
            self._cache.put(self.journal, key, output, node.node.cache.ttl_s)
        return output

    def _complete(self, doing: Execution, config: NodeConfig, output: Any) -> Outcome:
        node, record, scope = doing.node, doing.record, doing.scope
        record.output = output
        scope.nodes[node.id] = view(node, output)
        outcome = flow.after_success(node, config, output, scope.names, doing.loops, self._ports.renderer)
        record.taken = [list(outcome.taken), outcome.loop]
        self._end(record, NodeStatus.COMPLETED)
        self.last_output[scope.prefix] = output
        data: dict[str, Any] = {"attempt": record.attempts, "duration_ms": duration_ms(record), "output": output}
        if record.iteration:
            data["iteration"] = record.iteration
        if record.usage:
            data["usage"] = record.usage
        self.journal.event(EventType.NODE_COMPLETED, record.key, data)
        return outcome

    def _pass_by(self, doing: Execution) -> Outcome:
        outcome = flow.passed_by(doing.node)
        doing.record.taken = [list(outcome.taken), None]
        self._end(doing.record, NodeStatus.SKIPPED)
        self.journal.event(EventType.NODE_SKIPPED, doing.record.key, {"reason": "when"})
        return outcome

    def _fail(self, doing: Execution, error: NodeError) -> Outcome:
        node, record, scope = doing.node, doing.record, doing.scope
        record.output = None
        record.error = self.journal.hidden.value(run_error(error, node_id=record.key, attempt=record.attempts))
        outcome = flow.after_failure(node)
        record.taken = [list(outcome.taken) if outcome else [], None]
        self._end(record, NodeStatus.FAILED)
        self.journal.event(EventType.NODE_FAILED, record.key, {"attempt": record.attempts, "error": record.error})
        if outcome is None:
            raise RunFailed(record.error) from error
        self._show(node, record, scope)
        return outcome

    def _end(self, record: NodeRecord, status: NodeStatus) -> None:
        record.status = status
        record.ended_at = self._ports.clock.now()
        self.journal.node(record)

    def _show(self, node: PlanNode, record: NodeRecord, scope: Scope) -> None:
        """Let templates see what an execution came to."""
        if record.status is NodeStatus.COMPLETED:
            scope.nodes[node.id] = view(node, record.output)
            self.last_output[scope.prefix] = record.output
        elif record.status is NodeStatus.FAILED:
            scope.nodes[node.id] = {**node.empty, "error": record.error}

    def closing_outputs(self) -> Any:
        """Return the result of a run whose specification names no ``outputs``; see ``flow.closing_outputs``."""
        return flow.closing_outputs(self.plan, self._latest)

    async def open_map(self, node: PlanNode, iteration: int, scope: Scope) -> int:
        """Begin a map; see ``Engine.open_map``."""
        place = (scope.key(node.id), iteration)
        if ((known := self._memory.get(place)) is not None and known.is_final) or self._is_paused(place):
            return 0
        if self._gate.on and not await self._gate.may_begin(node, place, scope):
            return 0
        return (await self._map(node, iteration, scope)).lanes

    async def pass_item(self, node: PlanNode, key: str, iteration: int) -> None:
        """Wait until an item of a map may begin."""
        known = self._memory.get((key, iteration))
        if self._throttle is not None and (known is None or not known.is_final):
            await self._throttle.item(node, key)

    async def run_lane(self, node: PlanNode, iteration: int, scope: Scope) -> None:
        """Work on items of a map until none is left; nothing, when the map is through: a checkpoint may be older than that."""
        if (known := self._memory.get((scope.key(node.id), iteration))) is None or not known.is_final:
            await (await self._map(node, iteration, scope)).work(self)

    async def _map(self, node: PlanNode, iteration: int, scope: Scope) -> MapWork:
        place = (scope.key(node.id), iteration)
        if place not in self._maps:
            doing = Execution(node, self._begin(node, iteration, scope, self._memory.get(place)), scope, {})
            self._maps[place] = work = MapWork(node, doing.record, scope, self._ports)
            try:
                if node.node.when is None or self._ports.renderer.test(node.node.when, scope.names):
                    work.open(self._prepare(doing))
                else:
                    self._pass_by(doing)
            except (NodeError, ExpressionError) as error:
                work.failure = as_node_error(error)
        return self._maps[place]

    async def close_map(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome | None:
        """Collect the results of a map; see ``Engine.close_map``."""
        place = (scope.key(node.id), iteration)
        known = self._memory.get(place)
        if known is not None and known.is_final:
            return await self._leave(node, place, self._recorded(node, known, scope, loops))
        if place in self.waits.held:
            return None
        work = await self._map(node, iteration, scope)
        if work.record.is_final:
            return flow.recorded(work.record)
        doing = Execution(node, work.record, scope, loops)
        try:
            if work.lanes and not work.through:
                await work.work(self)
            if work.failure is not None:
                raise work.failure
            if work.waiting:
                self._wait_for_items(place, work)
                return None
            assert work.config is not None  # noqa: S101 - a map without failure was opened
            outcome = self._complete(doing, work.config, to_json(work.collect(), self._ports.settings.max_value_bytes))
        except (NodeError, ExpressionError) as error:
            outcome = self._fail(doing, as_node_error(error))
        return await self._leave(node, place, outcome)

    def _wait_for_items(self, place: Place, work: MapWork) -> None:
        """Let a map wait with its items; it is opened anew when one of them goes on."""
        del self._maps[place]
        work.record.status = NodeStatus.WAITING
        self.journal.node(work.record)
        self.waits.hold(place, None)
