"""Runs the nodes of one run and remembers what has run: fulfils ``compiler.engine.Engine``."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentflow.compiler.engine import Outcome, Scope
from agentflow.compiler.plan import Plan, PlanNode
from agentflow.errors import NodeError
from agentflow.identity.subject import Subject
from agentflow.kit.clock import iso
from agentflow.nodes.base import NodeConfig
from agentflow.nodes.context import Part
from agentflow.runtime.execution import flow
from agentflow.runtime.execution.attempts import attempt, to_json, validated
from agentflow.runtime.execution.cache import NodeCache
from agentflow.runtime.execution.context import Context
from agentflow.runtime.execution.failures import NeedsAttention, RunFailed, run_error
from agentflow.runtime.execution.maps import MapWork
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.resolve import SourceResolver
from agentflow.runtime.execution.usage import UsageMeter
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import EventType, NodeStatus
from agentflow.spec.effects import EffectClass
from agentflow.spec.expressions import ExpressionError
from agentflow.spec.graph import EdgeKind
from agentflow.spec.model import END


@dataclass(slots=True)
class _Execution:
    """One execution under way."""

    node: PlanNode
    record: NodeRecord
    scope: Scope
    loops: Mapping[int, int]


class NodeRunner:
    """The nodes of one run."""

    def __init__(
        self, run: RunRecord, plan: Plan, subject: Subject, journal: RunJournal, ports: Ports, memory: Sequence[NodeRecord]
    ) -> None:
        self.journal = journal
        self.meter = UsageMeter(plan.spec.limits)
        self.last_output: dict[str, Any] = {}
        """By scope prefix, the output of the node that completed last."""
        self._run, self._plan, self._subject, self._ports = run, plan, subject, ports
        self._sources = SourceResolver(plan.spec, ports.secrets, ports.renderer)
        self._cache = NodeCache(run.tenant_id, ports)
        self._memory = {(record.key, record.iteration): record for record in memory}
        self._latest: dict[str, NodeRecord] = {}
        self._maps: dict[tuple[str, int], MapWork] = {}
        self._position = max((record.position for record in memory), default=0)
        self._max_steps = min(plan.spec.limits.max_steps or ports.settings.max_run_steps, ports.settings.max_run_steps)
        self.root = Scope("", _root_names(run, plan))
        for record in sorted(memory, key=lambda record: record.position):
            self._recall(record)

    def _recall(self, record: NodeRecord) -> None:
        self.meter.add_stored(record.usage)
        self._latest[record.key] = record
        node = self._plan.nodes.get(record.key)
        if node is not None and record.is_final:
            self._show(node, record, self.root)

    async def run(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome:
        """Run one node, unless it has run; see ``Engine.run``."""
        known = self._memory.get((scope.key(node.id), iteration))
        if known is not None and known.is_final:
            self._show(node, known, scope)
            return flow.recorded(known)
        doing = _Execution(node, self._begin(node, iteration, scope, known), scope, loops)
        try:
            if node.node.when is not None and not self._ports.renderer.test(node.node.when, scope.names):
                return self._pass_by(doing)
            config = self._prepare(doing)
            output = await self._produce(doing, config)
            outcome = self._complete(doing, config, output)
        except (NodeError, ExpressionError) as error:
            outcome = self._fail(doing, _as_node_error(error))
        except asyncio.CancelledError:
            self._end(doing.record, NodeStatus.CANCELLED)
            raise
        if node.effect is not EffectClass.PURE:
            await self.journal.flush()
        return outcome

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
        if known is not None:
            record = known
            if node.effect is EffectClass.ONCE:
                raise NeedsAttention(_unknown_outcome(key, record))
        else:
            record = self._record(node, key, iteration, NodeStatus.RUNNING)
            record.started_at = self._ports.clock.now()
        record.status = NodeStatus.RUNNING
        self.journal.node(record)
        self.journal.event(
            EventType.NODE_STARTED, key, {"type": node.node.type, "iteration": iteration} if iteration else {"type": node.node.type}
        )
        return record

    def _record(self, node: PlanNode, key: str, iteration: int, status: NodeStatus) -> NodeRecord:
        self._position += 1
        if self._position > self._max_steps:
            raise RunFailed(_too_many_steps(self._max_steps, key))
        record = NodeRecord(key, iteration, self._position, node.node.type, status)
        self._memory[(key, iteration)] = self._latest[key] = record
        return record

    def _prepare(self, doing: _Execution) -> NodeConfig:
        if doing.node.static_config is not None:
            return doing.node.static_config
        rendered = doing.node.config.render(doing.scope.names)
        doing.record.input = rendered
        return validated(doing.node, rendered)

    async def _produce(self, doing: _Execution, config: NodeConfig) -> Any:
        node, record = doing.node, doing.record
        source = self._sources.resolve(node.node.source)
        if node.effect is not EffectClass.PURE:
            await self.journal.flush()
        if node.node.cache is not None:
            key = self._cache.key(node.node, record.input if node.static_config is None else node.node.config, source)
            found, output = await self._cache.find(key)
            if found:
                return output
        context = Context(
            run=self._run,
            record=record,
            parts=self._parts(doing) if node.incoming else (),
            source=source,
            subject=self._subject,
            journal=self.journal,
            meter=self.meter,
            ports=self._ports,
        )
        try:
            output = await attempt(node, config, record, context, self.journal, self._ports.settings.max_value_bytes)
        finally:
            record.usage = context.usage.stored()
        if node.node.cache is not None:
            self._cache.put(self.journal, key, output, node.node.cache.ttl_s)
        return output

    def _parts(self, doing: _Execution) -> list[Part]:
        parts: dict[str, Part] = {}
        for edge in doing.node.incoming:
            record = self._latest.get(doing.scope.key(edge.source))
            arrived = record is not None and record.is_final and edge.index in flow.recorded(record).taken
            if record is None or not arrived:
                parts.setdefault(edge.source, Part(edge.source, "skipped", None))
            elif record.status is NodeStatus.COMPLETED:
                parts[edge.source] = Part(edge.source, "completed", record.output)
            else:
                parts[edge.source] = Part(edge.source, "failed" if record.status is NodeStatus.FAILED else "skipped", None)
        return list(parts.values())

    def _complete(self, doing: _Execution, config: NodeConfig, output: Any) -> Outcome:
        node, record, scope = doing.node, doing.record, doing.scope
        record.output = output
        scope.nodes[node.id] = _view(node, output)
        outcome = flow.after_success(node, config, output, scope.names, doing.loops, self._ports.renderer)
        record.taken = [list(outcome.taken), outcome.loop]
        self._end(record, NodeStatus.COMPLETED)
        self.last_output[scope.prefix] = output
        data: dict[str, Any] = {"attempt": record.attempts, "duration_ms": _duration_ms(record), "output": output}
        if record.iteration:
            data["iteration"] = record.iteration
        if record.usage:
            data["usage"] = record.usage
        self.journal.event(EventType.NODE_COMPLETED, record.key, data)
        return outcome

    def _pass_by(self, doing: _Execution) -> Outcome:
        outcome = flow.passed_by(doing.node)
        doing.record.taken = [list(outcome.taken), None]
        self._end(doing.record, NodeStatus.SKIPPED)
        self.journal.event(EventType.NODE_SKIPPED, doing.record.key, {"reason": "when"})
        return outcome

    def _fail(self, doing: _Execution, error: NodeError) -> Outcome:
        node, record, scope = doing.node, doing.record, doing.scope
        record.output = None
        record.error = run_error(error, node_id=record.key, attempt=record.attempts)
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
            scope.nodes[node.id] = _view(node, record.output)
            self.last_output[scope.prefix] = record.output
        elif record.status is NodeStatus.FAILED:
            scope.nodes[node.id] = {**node.empty, "error": record.error}

    def closing_outputs(self) -> Any:
        """Return the result of a run whose specification names no ``outputs``.

        That is what the last ``output`` node gave; without one, what the node at the end gave, or by id what the nodes at the ends gave.
        """
        done = [record for key, record in self._latest.items() if key in self._plan.nodes and record.status is NodeStatus.COMPLETED]
        done.sort(key=lambda record: record.position)
        for record in reversed(done):
            if record.type == "output":
                return record.output
        ends = [record for record in done if not _leads_on(self._plan.nodes[record.key])]
        return ends[0].output if len(ends) == 1 else {record.key: record.output for record in ends}

    async def open_map(self, node: PlanNode, iteration: int, scope: Scope) -> int:
        """Begin a map; see ``Engine.open_map``."""
        known = self._memory.get((scope.key(node.id), iteration))
        if known is not None and known.is_final:
            return 0
        return (await self._map(node, iteration, scope)).lanes

    async def run_lane(self, node: PlanNode, iteration: int, scope: Scope) -> None:
        """Work on items of a map until none is left."""
        await (await self._map(node, iteration, scope)).work(self)

    async def _map(self, node: PlanNode, iteration: int, scope: Scope) -> MapWork:
        place = (scope.key(node.id), iteration)
        if place not in self._maps:
            doing = _Execution(node, self._begin(node, iteration, scope, self._memory.get(place)), scope, {})
            self._maps[place] = work = MapWork(node, doing.record, scope, self._ports)
            try:
                if node.node.when is None or self._ports.renderer.test(node.node.when, scope.names):
                    work.open(self._prepare(doing))
                else:
                    self._pass_by(doing)
            except (NodeError, ExpressionError) as error:
                work.failure = _as_node_error(error)
        return self._maps[place]

    async def close_map(self, node: PlanNode, iteration: int, scope: Scope, loops: Mapping[int, int]) -> Outcome:
        """Collect the results of a map; see ``Engine.close_map``."""
        known = self._memory.get((scope.key(node.id), iteration))
        if known is not None and known.is_final:
            self._show(node, known, scope)
            return flow.recorded(known)
        work = await self._map(node, iteration, scope)
        if work.record.is_final:
            return flow.recorded(work.record)
        doing = _Execution(node, work.record, scope, loops)
        try:
            if work.lanes and not work.through:
                await work.work(self)
            if work.failure is not None:
                raise work.failure
            assert work.config is not None  # noqa: S101 - a map without failure was opened
            return self._complete(doing, work.config, to_json(work.collect(), self._ports.settings.max_value_bytes))
        except (NodeError, ExpressionError) as error:
            return self._fail(doing, _as_node_error(error))


def _root_names(run: RunRecord, plan: Plan) -> dict[str, Any]:
    # Inputs that the schema declares and the caller left out are known and null.
    declared = dict.fromkeys(plan.spec.inputs.get("properties", ()), None)
    return {
        "inputs": {**declared, **run.inputs} if isinstance(run.inputs, dict) else run.inputs,
        "nodes": {node.id: node.empty for node in plan.nodes.values()},
        "vars": {},
        "run": {"id": run.id, "started_at": iso(run.started_at or run.created_at)},
    }


def _leads_on(node: PlanNode) -> bool:
    return any(edge.target != END and edge.loop is None and edge.kind is not EdgeKind.ERROR for edge in node.outgoing)


def _view(node: PlanNode, output: Any) -> Any:
    """Return an output as templates see it: a node whose error may be asked for has one, null, when it succeeded."""
    if node.node.on_error is not None and isinstance(output, dict) and "error" not in output:
        return {**output, "error": None}
    return output


def _duration_ms(record: NodeRecord) -> float | None:
    if record.started_at is None or record.ended_at is None:
        return None
    return round((record.ended_at - record.started_at).total_seconds() * 1000, 3)


def _as_node_error(error: NodeError | ExpressionError) -> NodeError:
    if isinstance(error, NodeError):
        return error
    return NodeError(
        str(error),
        error_code="EXPRESSION",
        hint="Check the expression against the outputs that the nodes really had.",
        details={"expression": error.expression},
    )


def _unknown_outcome(key: str, record: NodeRecord) -> dict[str, Any]:
    return {
        "code": "UNKNOWN_OUTCOME",
        "message": f"The process died while node {key} was under way; its effect cannot be repeated blindly.",
        "node_id": key,
        "attempt": record.attempts,
        "hint": "Find out whether the effect happened, then resolve the run.",
        "details": {},
    }


def _too_many_steps(limit: int, key: str) -> dict[str, Any]:
    return {
        "code": "LIMIT_EXCEEDED",
        "message": f"The run made more than {limit} node executions.",
        "node_id": key,
        "attempt": None,
        "hint": "Raise limits.max_steps (or AGENTFLOW_MAX_RUN_STEPS), or bound the loops and maps.",
        "details": {"limit": "max_steps"},
    }
