"""Spec queues at run time: who comes over a shaped edge waits until its token buckets let it pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Gauge, Histogram

from agentflow.compiler.plan import Plan, PlanEdge, PlanNode
from agentflow.infra.limits.base import Bucket, Line
from agentflow.infra.limits.lines import Lines
from agentflow.infra.observability.metrics import bounded
from agentflow.nodes.base import NodeConfig
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import EventType, NodeStatus
from agentflow.spec.effects import EffectClass
from agentflow.spec.model import Bandwidth, Queue

DEFAULT_LANE = "default"
TOKENS_AT_ONCE_S = 10.0
"""Seconds' worth of model tokens that may be used at once."""
_LABELS = ["workflow", "queue"]
PASSED = bounded(Counter("agentflow_queue_passed_total", "Attempts that passed a queue of a workflow.", _LABELS))
WAITED = bounded(
    Histogram(
        "agentflow_queue_wait_seconds",
        "How long attempts waited in a queue of a workflow, those left out that passed at once.",
        _LABELS,
        buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
    )
)
WAITING = bounded(Gauge("agentflow_queue_waiting", "Attempts that wait in a queue of a workflow, in this process.", _LABELS))


@dataclass(frozen=True, slots=True)
class _Gate:
    """One queue of a plan.

    Attributes:
        queue: as written.
        ways: the ways it shapes.
        back: all bounded ways back to its target, shaped or not.
        buckets: its limits.
        kinds: names the buckets in the key of its line, which must change with them.
    """

    queue: Queue
    ways: tuple[PlanEdge, ...]
    back: tuple[PlanEdge, ...]
    buckets: tuple[Bucket, ...]
    kinds: str

    def costs(self, *, starts: int, requests: int, tokens: int) -> tuple[float, ...]:
        """Return what to take from each bucket."""
        costs = {_MESSAGES: starts, _REQUESTS: requests, _TOKENS: tokens}
        return tuple(float(costs[bucket.name]) for bucket in self.buckets)

    def lane(self, wanted: str | None) -> tuple[str, float]:
        """Return the lane of a run, and its weight.

        A lane that the queue does not know, or none, is the lane ``default``; where there is no such lane, the lightest.
        """
        lanes = {lane.id: lane.weight for lane in self.queue.sub_queues}
        if not lanes:
            return "", 1.0
        for name in (wanted, DEFAULT_LANE):
            if name is not None and name in lanes:
                return name, lanes[name]
        return min(lanes.items(), key=lambda lane: lane[1])


_MESSAGES, _REQUESTS, _TOKENS = "max_messages_per_second", "max_requests_per_minute", "max_tokens_per_minute"


def _buckets(bandwidth: Bandwidth) -> tuple[Bucket, ...]:
    made = []
    if (rate := bandwidth.max_messages_per_second) is not None:
        made.append(Bucket(_MESSAGES, rate, float(bandwidth.burst_size or max(rate, 1.0))))
    if bandwidth.max_requests_per_minute is not None:
        rate = bandwidth.max_requests_per_minute / 60
        made.append(Bucket(_REQUESTS, rate, float(bandwidth.burst_size or max(rate, 1.0))))
    if bandwidth.max_tokens_per_minute is not None:
        rate = bandwidth.max_tokens_per_minute / 60
        made.append(Bucket(_TOKENS, rate, max(rate * TOKENS_AT_ONCE_S, 1.0)))
    return tuple(made)


_gates: WeakKeyDictionary[Plan, Mapping[str, tuple[_Gate, ...]]] = WeakKeyDictionary()


def _gates_of(plan: Plan) -> Mapping[str, tuple[_Gate, ...]]:
    """Return the queues of a plan by the node they lead to."""
    known = _gates.get(plan)
    if known is None:
        made: dict[str, tuple[_Gate, ...]] = {}
        for queue in plan.spec.queues:
            buckets = _buckets(queue.bandwidth)
            ways = tuple(edge for edge in plan.edges if (edge.source, edge.target) == (queue.from_, queue.to))
            back = tuple(edge for edge in plan.edges if edge.target == queue.to and edge.loop is not None)
            if buckets:
                kinds = "".join(bucket.name[4] for bucket in buckets)
                made[queue.to] = (*made.get(queue.to, ()), _Gate(queue, ways, back, buckets, kinds))
        known = _gates[plan] = made
    return known


class Throttle:
    """The queues of one run.

    Args:
        run: the run; its lane chooses the sub-queue.
        plan: what it runs.
        journal: where waits are told.
        lines: where waiting happens.
        latest: returns the last execution of a node, or None.
    """

    def __init__(self, run: RunRecord, plan: Plan, journal: RunJournal, lines: Lines, latest: Callable[[str], NodeRecord | None]) -> None:
        self.journal, self.lines = journal, lines
        self._run, self._latest = run, latest
        self._gates = _gates_of(plan)
        # Runs of a specification that is not stored share the queues of those with the same name.
        self._scope = f"{run.tenant_id}:{run.workflow_id or 'inline/' + run.workflow_name}"

    def entrance(self, node: PlanNode, record: NodeRecord) -> "Entrance | None":
        """Return the queues that an execution has to pass, or None."""
        gates = self._shaped(node.id) if record.key == node.id else ()
        return Entrance(self, gates, node, record) if gates else None

    def _shaped(self, node_id: str) -> list[_Gate]:
        return [gate for gate in self._gates.get(node_id, ()) if self._came_by(gate)]

    def _came_by(self, gate: _Gate) -> bool:
        back = [edge for edge in gate.back if self._took(edge)]
        return any(self._took(edge) for edge in gate.ways if not back or edge in back)

    def _took(self, edge: PlanEdge) -> bool:
        source = self._latest(edge.source)
        if source is None or not source.is_final or source.taken is None:
            return False
        ways, loop = source.taken
        return edge.index in ways or edge.index == loop

    def line(self, gate: _Gate) -> Line:
        """Return where one waits for a queue."""
        return Line(f"{self._scope}:{gate.queue.id}:{gate.kinds}", gate.buckets)

    async def enter(self, gate: _Gate, costs: tuple[float, ...], key: str, on_wait: Callable[[], None]) -> None:
        """Wait for one's turn in a queue; tells the run's readers, and then ``on_wait``, when that takes time."""
        lane, weight = gate.lane(self._run.lane)
        labels = self._run.workflow_name, gate.queue.id
        waits = False

        def tell(wait_s: float, reason: str | None) -> None:
            nonlocal waits
            waits = True
            WAITING(*labels).inc()
            data = {"queue": gate.queue.id, "wait_s": round(wait_s, 3), "reason": reason}
            self.journal.event(EventType.NODE_RATE_LIMITED, key, {**data, "lane": lane} if lane else data)
            on_wait()

        try:
            waited_s = await self.lines.enter(self.line(gate), lane, weight, costs, tell)
        finally:
            if waits:
                WAITING(*labels).dec()
        PASSED(*labels).inc()
        if waits:
            WAITED(*labels).observe(waited_s)

    async def item(self, node: PlanNode, key: str) -> None:
        """Wait until an item of a map may begin: the traffic over an edge to a map is its items."""
        for gate in self._shaped(node.id) if key.count("[") == 1 else ():
            costs = gate.costs(starts=1, requests=1, tokens=0)
            if any(costs):
                await self.enter(gate, costs, key, _nothing)

    def used(self, key: str, tokens: int) -> None:
        """Count the model tokens that an execution used, if that is inside a map; outside, its entrance counts them."""
        map_id, inside, _ = key.partition("[")
        for gate in self._shaped(map_id) if inside and tokens else ():
            self.lines.settle(self.line(gate), gate.costs(starts=0, requests=0, tokens=-tokens))


def _nothing() -> None:
    """Show nothing: an item of a map has no execution of its own yet."""


class Entrance:
    """The queues of one execution, passed before each attempt. Waiting is no attempt, and its time is not the attempt's."""

    def __init__(self, throttle: Throttle, gates: list[_Gate], node: PlanNode, record: NodeRecord) -> None:
        self._throttle, self._gates, self._node, self._record = throttle, gates, node, record
        self._is_first = True
        self._reserved = 0
        self._used_before = 0

    async def enter(self, config: NodeConfig, used: int) -> None:
        """Wait for one's turn in each queue; the node run reads ``rate_limited`` meanwhile.

        Args:
            config: says how many tokens to reserve.
            used: model tokens that earlier attempts used.
        """
        record = self._record
        tokens = self._node.kind.expected_tokens(config)
        for gate in self._gates:
            costs = gate.costs(starts=int(self._is_first), requests=1, tokens=tokens)
            if any(costs):
                await self._throttle.enter(gate, costs, record.key, self._show)
        self._is_first = False
        self._reserved, self._used_before = tokens, used
        if record.status is NodeStatus.RATE_LIMITED:
            record.status = NodeStatus.RUNNING
            self._throttle.journal.node(record)
            if self._node.effect is not EffectClass.PURE:
                # From here on a crash leaves an effect of unknown outcome; before, it left none.
                await self._throttle.journal.flush()

    def _show(self) -> None:
        self._record.status = NodeStatus.RATE_LIMITED
        self._throttle.journal.node(self._record)

    def settle(self, used: int) -> None:
        """Put back what was reserved too much for the attempt that succeeded, or take what it used in addition.

        What failed attempts used is not known: their estimate stays taken.
        """
        over = self._reserved - (used - self._used_before)
        for gate in self._gates:
            self._throttle.lines.settle(self._throttle.line(gate), gate.costs(starts=0, requests=0, tokens=over))
