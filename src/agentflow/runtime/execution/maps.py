"""The items of one ``map``: handed out to lanes, run in scopes of their own, collected in order."""

from typing import TYPE_CHECKING, Any

from agentflow.compiler.engine import Scope
from agentflow.compiler.plan import MapBody, PlanNode
from agentflow.compiler.steps import is_single, run_single
from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig
from agentflow.runtime.execution.failures import RunFailed
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.records.records import NodeRecord
from agentflow.spec.expressions import ExpressionError

if TYPE_CHECKING:
    from agentflow.runtime.execution.node_runner import NodeRunner


_WAITS = object()
"""Stands for the result of an item that waits."""


class MapWork:
    """One execution of a map."""

    def __init__(self, node: PlanNode, record: NodeRecord, scope: Scope, ports: Ports) -> None:
        assert node.body is not None  # noqa: S101 - made for maps only
        self.record = record
        self.config: NodeConfig | None = None
        self.failure: NodeError | None = None
        self.lanes = 0
        self.waiting = 0
        """How many items wait for something."""
        self._node, self._scope, self._ports = node, scope, ports
        self._body: MapBody = node.body
        self._items: list[Any] = []
        self._next = 0
        self._results: dict[int, Any] = {}
        self._errors: dict[int, dict[str, Any]] = {}

    @property
    def through(self) -> bool:
        """Whether every item has a result or an error or waits, or the map has failed."""
        return self.failure is not None or len(self._results) + len(self._errors) + self.waiting == len(self._items)

    def open(self, config: Any) -> None:
        """Take over the rendered items.

        Raises:
            NodeError: ``LIMIT_EXCEEDED``, naming ``max_map_items``.
        """
        limit = self._ports.settings.max_map_items
        if len(config.items) > limit:
            raise NodeError(
                f"The map has {len(config.items)} items; max_map_items allows {limit}.",
                error_code="LIMIT_EXCEEDED",
                hint="Map over fewer items, or raise AGENTFLOW_MAX_MAP_ITEMS.",
                details={"limit": "max_map_items"},
            )
        self.config = config
        self._items = config.items
        self.lanes = min(config.max_concurrency, len(self._items))
        self._keep = config.on_item_error == "keep"

    async def work(self, runner: "NodeRunner") -> None:
        """Run items until none is left or the map has failed."""
        while self._next < len(self._items) and self.failure is None:
            index, self._next = self._next, self._next + 1
            try:
                result = await self._item(index, runner)
            except RunFailed as error:
                self._errors[index] = error.error
                if not self._keep:
                    self.failure = _item_failed(index, error.error)
            else:
                if result is _WAITS:
                    self.waiting += 1
                else:
                    self._results[index] = result

    async def _item(self, index: int, runner: "NodeRunner") -> Any:
        key = f"{self._scope.key(self._node.id)}[{index}]"
        await runner.pass_item(self._node, key, self.record.iteration)
        empty = {node.id: node.empty for node in self._body.plan.nodes.values()}
        names = {**self._scope.names, "nodes": {**self._scope.nodes, **empty}, "item": self._items[index], "index": index}
        if self._body.single is not None:
            scope = Scope(key + "/", names, alias=key)
            if await runner.run(self._body.single, self.record.iteration, scope, {}) is None:
                return _WAITS
            return runner.last_output.pop(scope.prefix, None)
        scope = Scope(f"{key}@{self.record.iteration}/" if self.record.iteration else key + "/", names)
        await self._drive(scope, runner)
        if runner.stalled.under(scope.prefix):
            return _WAITS
        last = runner.last_output.pop(scope.prefix, None)
        if self._body.output is None:
            return last
        try:
            return self._body.output.render(names)
        except ExpressionError as error:
            raise RunFailed(
                {"code": "EXPRESSION", "message": str(error), "node_id": key, "attempt": None, "hint": None, "details": {}}
            ) from error

    async def _drive(self, scope: Scope, runner: "NodeRunner") -> None:
        if is_single(self._body.plan):
            await run_single(self._body.plan, runner, scope)
            return
        from agentflow.compiler.graph import run_body

        await run_body(self._body.plan, runner, scope, self._ports.settings.max_run_steps)

    def collect(self) -> Any:
        """Return the map's output: results in the order of the items."""
        results = [self._results.get(index) for index in range(len(self._items))]
        errors = [{"index": index, "error": self._errors[index]} for index in sorted(self._errors)]
        kind: Any = self._node.kind
        return kind.collect(results, errors)


def _item_failed(index: int, error: dict[str, Any]) -> NodeError:
    return NodeError(
        f"Item {index} failed: {error['message']}",
        error_code=error["code"],
        hint=error["hint"] or 'Set "on_item_error": "keep" to go on without it.',
        details={"index": index, "node_id": error["node_id"], **error["details"]},
    )
