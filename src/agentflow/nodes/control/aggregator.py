"""``aggregator``: joins branches into one value."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext

Strategy = Literal["all", "first", "merge", "concat", "vote"]


class AggregatorConfig(NodeConfig):
    """Settings of ``aggregator``."""

    strategy: Strategy = Field(
        default="all",
        description=(
            "How the completed branches become one value, in the order of their edges: `all` lists them, `first` takes the first, "
            "`merge` merges objects deeply (later ones win), `concat` joins lists or texts, `vote` takes the most frequent "
            "(of equals, the one that comes first)."
        ),
        examples=["first"],
    )
    field: str | None = Field(
        default=None,
        min_length=1,
        description="Field of each branch's output to work on instead of the whole; dots lead into objects.",
        examples=["text"],
    )
    separator: str = Field(default="\n\n", description="What `concat` puts between texts.", examples=["\n"])


class BranchPart(BaseModel):
    """One incoming branch."""

    node_id: str = Field(description="Node at the end of the branch.", examples=["search"])
    status: Literal["completed", "failed", "skipped"] = Field(description="How the branch ended.", examples=["completed"])
    output: Any = Field(description="Its output; null unless completed.", examples=[{"text": "…"}])


class AggregatorOutput(NodeOutput):
    """What ``aggregator`` brings together."""

    value: Any = Field(description="The joined value; null when `first` or `vote` has no completed branch.", examples=["…"])
    parts: list[BranchPart] = Field(description="Every branch, in the order of the edges.", examples=[[]])


class AggregatorNode(NodeType[AggregatorConfig]):
    """Runs once, when all branches that will come have come."""

    type = "aggregator"
    title = "Aggregator"
    description = "Joins branches: lists, first, deep merge, concatenation or majority vote of their outputs."
    category = "control"
    icon = "merge"
    config_model = AggregatorConfig
    output_model = AggregatorOutput
    example = {"id": "joined", "type": "aggregator", "config": {"strategy": "concat", "field": "text"}}

    async def run(self, context: NodeContext, config: AggregatorConfig) -> AggregatorOutput:
        """Join the completed parts.

        Raises:
            NodeError: ``AGGREGATE`` when an output does not fit the strategy or lacks the field.
        """
        values = [(part.node_id, _pick(part.node_id, part.output, config.field)) for part in context.parts if part.status == "completed"]
        parts = [BranchPart(node_id=part.node_id, status=part.status, output=part.output) for part in context.parts]
        return AggregatorOutput(value=_join(values, config), parts=parts)


_Values: TypeAlias = Sequence[tuple[str, Any]]


def _all(values: _Values) -> list[Any]:
    return [value for _, value in values]


def _first(values: _Values) -> Any:
    return values[0][1] if values else None


def _merge(values: _Values) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for node_id, value in values:
        if not isinstance(value, Mapping):
            raise _misfit(node_id, value, "merge needs objects")
        merged = _merged(merged, value)
    return merged


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _concat(values: _Values, separator: str) -> Any:
    if not values:
        return []
    kind = list if isinstance(values[0][1], list) else str
    for node_id, value in values:
        if not isinstance(value, kind):
            raise _misfit(node_id, value, "concat needs only lists or only texts")
    if kind is list:
        return [item for _, value in values for item in value]
    return separator.join(value for _, value in values)


def _vote(values: _Values) -> Any:
    counts: dict[bytes, int] = {}
    ballots = [(json.canonical(value), value) for _, value in values]
    for ballot, _ in ballots:
        counts[ballot] = counts.get(ballot, 0) + 1
    # max keeps the first of equals, and dicts keep the order of the edges.
    winner = max(counts, key=counts.__getitem__, default=None)
    return next((value for ballot, value in ballots if ballot == winner), None)


_WHOLE: Mapping[str, Callable[[_Values], Any]] = {"all": _all, "first": _first, "merge": _merge, "vote": _vote}


def _join(values: _Values, config: AggregatorConfig) -> Any:
    return _concat(values, config.separator) if config.strategy == "concat" else _WHOLE[config.strategy](values)


def _pick(node_id: str, output: Any, field: str | None) -> Any:
    value = output
    for name in field.split(".") if field else ():
        if not isinstance(value, Mapping) or name not in value:
            raise NodeError(
                f"The output of {node_id} has no field {field}.",
                error_code="AGGREGATE",
                hint="Name a field that every incoming branch produces.",
                details={"node_id": node_id, "field": field},
            )
        value = value[name]
    return value


def _misfit(node_id: str, value: Any, reason: str) -> NodeError:
    return NodeError(
        f"The output of {node_id} cannot be joined: {reason}.",
        error_code="AGGREGATE",
        hint="Set field to the part of the outputs to join, or choose another strategy.",
        details={"node_id": node_id, "found": type(value).__name__},
    )
