"""Running one node: attempts within their time, until one succeeds or no more are due."""

import asyncio
import random
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from agentflow.compiler.plan import PlanNode
from agentflow.errors import AgentFlowError, NodeError
from agentflow.kit import json
from agentflow.nodes.base import NodeConfig
from agentflow.nodes.context import NodeContext
from agentflow.runtime.execution.retry import next_wait_s
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord
from agentflow.runtime.states import EventType

log = structlog.get_logger(__name__)


async def attempt(node: PlanNode, config: NodeConfig, record: NodeRecord, context: Any, journal: RunJournal, max_bytes: int) -> Any:
    """Run a node until an attempt succeeds; returns its output as plain JSON.

    Raises:
        NodeError: the last attempt's cause.
    """
    while True:
        record.attempts += 1
        context.attempt = record.attempts
        try:
            return to_json(await _once(node, config, context), max_bytes)
        except NodeError as error:
            wait_s = next_wait_s(node.node.retry, record.attempts, error, random.random())  # noqa: S311 - jitter is no secret
            if wait_s is None:
                raise
            data = {"attempt": record.attempts, "wait_s": round(wait_s, 3), "error": {"code": error.error_code, "message": error.message}}
            journal.event(EventType.NODE_RETRYING, record.key, data)
            await asyncio.sleep(wait_s)


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
    """Run once; whatever a node type raises becomes a NodeError, so that nothing it does can take the process down."""
    try:
        return await node.kind.run(context, config)
    except (NodeError, TimeoutError):
        raise
    except AgentFlowError as error:
        raise NodeError(error.message, error_code=error.code, hint=error.hint) from error
    except Exception as error:
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
