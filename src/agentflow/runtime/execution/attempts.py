"""Running one node: attempts within their time, until one succeeds or no more are due."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError

from agentflow.compiler.plan import PlanNode
from agentflow.errors import AgentFlowError, NodeError
from agentflow.infra.db.failures import is_outage
from agentflow.infra.db.pool import NoFreeConnection
from agentflow.kit import json
from agentflow.kit.tasks import end_if_cancelled
from agentflow.nodes.base import NodeConfig
from agentflow.nodes.context import NodeContext
from agentflow.runtime.execution import counts
from agentflow.runtime.execution.observed import observed_attempt, observed_node
from agentflow.runtime.execution.retry import next_wait_s
from agentflow.runtime.execution.retry_budget import RetryBudgets
from agentflow.runtime.execution.throttle import Entrance
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord
from agentflow.runtime.states import EventType

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tries:
    """What decides when a node is attempted, and how often.

    Attributes:
        journal: where retries are told.
        max_bytes: largest output.
        budgets: retry budgets of the process.
        lethal: executions that must not be attempted again, each with the error that it fails with.
    """

    journal: RunJournal
    max_bytes: int
    budgets: RetryBudgets
    lethal: Mapping[tuple[str, int], NodeError] = field(default_factory=dict)


@observed_node
async def attempt(
    node: PlanNode, config: NodeConfig, record: NodeRecord, context: Any, tries: Tries, entrance: Entrance | None = None
) -> Any:
    """Run a node until an attempt succeeds, each behind the queues of ``entrance``; returns its output as plain JSON.

    Raises:
        NodeError: the last attempt's cause.
    """
    if (record.key, record.iteration) in tries.lethal:
        raise tries.lethal[record.key, record.iteration]
    system = _outside(node, config, context)
    if system is not None:
        tries.budgets.first_attempt(context.tenant_id, system)
    while True:
        if entrance is not None:
            await entrance.enter(config, context.usage.tokens)
        end_if_cancelled()
        record.attempts += 1
        context.attempt = record.attempts
        try:
            output = to_json(await _once(node, config, context), tries.max_bytes)
        except NodeError as error:
            wait_s = next_wait_s(node.node.retry, record.attempts, error, random.random())  # noqa: S311 - jitter is no secret
            if wait_s is None:
                raise
            await _pause(node, record, context, tries, error, wait_s, system)
        else:
            if entrance is not None:
                entrance.settle(context.usage.tokens)
            return output


def _outside(node: PlanNode, config: NodeConfig, context: Any) -> str | None:
    """Return whose retry budget a node draws on: nobody's when it is never retried."""
    if node.node.retry is None or not node.kind.source_kinds:
        return None
    return node.kind.outside(config, context.source)


async def _pause(
    node: PlanNode, record: NodeRecord, context: Any, tries: Tries, error: NodeError, wait_s: float, system: str | None
) -> None:
    """Wait before the next attempt, as long as the policy and the budget of the outside system say.

    Raises:
        NodeError: ``error`` itself, saying so, when the budget has no retry left within the policy's longest wait.
    """
    data = {"attempt": record.attempts, "error": {"code": error.error_code, "message": error.message}}
    if system is not None and node.node.retry is not None:
        budget_s = tries.budgets.withdraw(context.tenant_id, system, max(node.node.retry.max_interval_s, wait_s))
        if budget_s is None:
            error.details["not_retried"] = "retry_budget"
            error.hint = f"{system} fails so often that its retry budget is spent: it may be down. {error.hint or ''}".rstrip()
            raise error
        if budget_s > wait_s:
            wait_s, data["reason"] = budget_s, "retry_budget"
    tries.journal.event(EventType.NODE_RETRYING, record.key, {**data, "wait_s": round(wait_s, 3)})
    counts.RETRIES(error.error_code).inc()
    await asyncio.sleep(wait_s)


@observed_attempt
async def _once(node: PlanNode, config: NodeConfig, context: NodeContext) -> Any:
    if node.node.timeout_s is None:
        return await _guarded(node, config, context)
    try:
        async with asyncio.timeout(node.node.timeout_s) as timeout:
            return await _guarded(node, config, context)
    except TimeoutError as error:
        if not timeout.expired():
            raise
        raise NodeError(
            f"The node took longer than its timeout_s of {node.node.timeout_s:g} s.",
            error_code="TIMEOUT",
            retryable=True,
            hint="Raise timeout_s, or make the step smaller.",
        ) from error


async def _guarded(node: PlanNode, config: NodeConfig, context: NodeContext) -> Any:
    """Run once; whatever a node type raises becomes a NodeError, so that nothing it does can take the process down.

    Only that our own database cannot serve is no error of the node.
    """
    try:
        return await node.kind.run(context, config)
    except NodeError:
        raise
    except AgentFlowError as error:
        raise NodeError(error.message, error_code=error.code, hint=error.hint) from error
    except Exception as error:
        if isinstance(error, DBAPIError | NoFreeConnection) and is_outage(error):
            raise
        log.exception("node type raised", node=node.id, type=node.node.type)
        raise NodeError(
            f"The node type {node.node.type} failed with {type(error).__name__}.",
            error_code="INTERNAL",
            hint="This is a fault of the node type; the server's log has the details.",
        ) from error


def to_json(output: Any, max_bytes: int) -> Any:
    """Return an output as plain JSON.

    Raises:
        NodeError: ``INVALID_OUTPUT`` when it is not JSON, ``LIMIT_EXCEEDED`` when it is too large.
    """
    value = output.model_dump(mode="json", by_alias=True) if isinstance(output, BaseModel) else output
    if value is None or isinstance(value, bool | int):
        return value
    try:
        size = len(json.dump_bytes(value))
        json.check(value, max_depth=200)
    except ValueError as error:
        raise NodeError(f"The output of the node cannot be stored: {error}.", error_code="INVALID_OUTPUT") from error
    if size > max_bytes:
        raise NodeError(
            f"The output has {size} bytes; max_value_bytes allows {max_bytes}.",
            error_code="LIMIT_EXCEEDED",
            hint="Return less, or raise AGENTFLOW_MAX_VALUE_BYTES.",
            details={"limit": "max_value_bytes"},
        )
    return value


def validated(node: PlanNode, config: Any) -> NodeConfig:
    """Return a rendered config as its model.

    Raises:
        NodeError: ``INVALID_CONFIG``, naming the field and what was rendered there.
    """
    try:
        return node.kind.config_model.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "config"
        raise NodeError(
            f"After filling in its templates, {place} of the config is not valid: {first['msg']}.",
            error_code="INVALID_CONFIG",
            hint=f"Look at the value that was rendered for {place}: the node run's input shows it.",
            details={"field": place},
        ) from error
