"""What is seen of every execution of a node: its lines in the log are named, its attempts are timed, and traced where that is asked for."""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from agentflow.compiler.plan import PlanNode
from agentflow.infra.observability.context import enter_node, leave_node
from agentflow.infra.observability.metrics import SECONDS, Tallies
from agentflow.nodes.base import NodeConfig
from agentflow.nodes.context import NodeContext
from agentflow.runtime.execution import spans
from agentflow.runtime.records.records import NodeRecord

P = ParamSpec("P")
TIMES = Tallies("agentflow_node_attempt_duration_seconds", "Time of an attempt of a node, by node type.", "type", SECONDS)


def observed_node(
    run: Callable[Concatenate[PlanNode, NodeConfig, NodeRecord, P], Awaitable[Any]],
) -> Callable[Concatenate[PlanNode, NodeConfig, NodeRecord, P], Awaitable[Any]]:
    """Observe a function that runs a node until an attempt succeeds."""

    @wraps(run)
    async def observed(node: PlanNode, config: NodeConfig, record: NodeRecord, /, *arguments: P.args, **options: P.kwargs) -> Any:
        bound = enter_node(record.key)
        try:
            with spans.node(record):
                return await run(node, config, record, *arguments, **options)
        finally:
            leave_node(bound)

    return observed


def observed_attempt(
    run: Callable[[PlanNode, NodeConfig, NodeContext], Awaitable[Any]],
) -> Callable[[PlanNode, NodeConfig, NodeContext], Awaitable[Any]]:
    """Observe a function that makes one attempt."""

    @wraps(run)
    async def observed(node: PlanNode, config: NodeConfig, context: NodeContext) -> Any:
        began = time.perf_counter()
        try:
            with spans.attempt(node, context):
                return await run(node, config, context)
        finally:
            TIMES.of(node.node.type).observe(time.perf_counter() - began)

    return observed
