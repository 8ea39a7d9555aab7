"""``map``: runs one node, or a small graph, once for each item of a list."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.spec.catalog import SubGraph
from agentflow.spec.model import Identifier

BODY_ID = "item"
"""Id of the body's node when it has none of its own."""


class MapGraph(BaseModel):
    """A small graph, as it stands in a specification."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nodes: list[dict[str, Any]] = Field(min_length=1, description="Its nodes.", examples=[[{"id": "fetch", "type": "http"}]])
    edges: list[dict[str, Any]] = Field(default_factory=list, description="The ways between them.", examples=[[]])
    start_node: Identifier | None = Field(default=None, description="Where it begins.", examples=["fetch"])
    output: Any = Field(
        default=None,
        description="Result of an item, a template tree; without it the output of the node that completed last.",
        examples=["{{ nodes.fetch.body }}"],
    )


class MapConfig(NodeConfig):
    """Settings of ``map``: ``items`` and exactly one of ``node`` and ``graph``."""

    items: list[Any] = Field(description="The list; usually a template that yields one.", examples=["{{ inputs.urls }}"])
    node: dict[str, Any] | None = Field(
        default=None,
        description="The node to run for each item, as in `nodes` but needing no `id`; it can name `item` and `index`.",
        examples=[{"type": "http", "config": {"url": "{{ item }}"}}],
        json_schema_extra={"x-raw": True},
    )
    graph: MapGraph | None = Field(
        default=None,
        description="The graph to run for each item: `nodes`, `edges`, `start_node`, `output`; it can name `item` and `index`.",
        examples=[{"nodes": [{"id": "fetch", "type": "http", "config": {"url": "{{ item }}"}}]}],
        json_schema_extra={"x-raw": True},
    )
    max_concurrency: int = Field(default=8, ge=1, le=1000, description="Most items in work at the same time.", examples=[8])
    on_item_error: Literal["fail", "keep"] = Field(
        default="fail",
        description="What a failed item does: `fail` fails the map; `keep` leaves null in results and notes the error.",
        examples=["keep"],
    )

    @model_validator(mode="after")
    def _one_body(self) -> "MapConfig":
        if (self.node is None) == (self.graph is None):
            raise ValueError("give exactly one of node and graph")
        if self.node is not None and not isinstance(self.node.get("type"), str):
            raise ValueError("node needs a type")
        return self


class ItemError(BaseModel):
    """An item that failed."""

    index: int = Field(description="Its place in the list, from 0.", examples=[3])
    error: dict[str, Any] = Field(description="Why.", examples=[{"code": "HTTP_STATUS", "message": "GET … answered 404."}])


class MapOutput(NodeOutput):
    """What ``map`` brings back."""

    results: list[Any] = Field(description="Results in the order of the items; null where an error was kept.", examples=[["a", "b"]])
    errors: list[ItemError] = Field(description="The errors that were kept.", examples=[[]])


class MapNode(NodeType[MapConfig]):
    """Fan-out over data. The engine runs the body; this type says what the body is and what comes out."""

    type = "map"
    title = "Map"
    description = "Runs a node or a small graph once for each item of a list, some at a time; results keep the order of the items."
    category = "control"
    icon = "list"
    config_model = MapConfig
    output_model = MapOutput
    example = {
        "id": "each",
        "type": "map",
        "config": {"items": "{{ inputs.names }}", "node": {"type": "transform", "config": {"value": "Hello {{ item }}"}}},
    }

    def sub_graphs(self, config: Mapping[str, Any]) -> Sequence[SubGraph]:
        """Return the body; a single node counts as a graph of one, whose place is then the node's own."""
        node, graph = config.get("node"), config.get("graph")
        if isinstance(node, Mapping):
            named = {**node, "id": node.get("id", BODY_ID)}
            return (SubGraph({"nodes": [named], "edges": [], "start_node": named["id"]}, ("node",)),)
        return (SubGraph(graph, ("graph",)),) if isinstance(graph, Mapping) else ()

    def collect(self, results: Sequence[Any], errors: Sequence[Mapping[str, Any]]) -> MapOutput:
        """Return the output for the results, in the order of the items, and the errors kept, each ``{"index", "error"}``."""
        return MapOutput(results=list(results), errors=[ItemError.model_validate(error) for error in errors])

    async def run(self, context: NodeContext, config: MapConfig) -> MapOutput:
        """Refuse: the engine runs the body.

        Raises:
            NodeError: ``INTERNAL``, always.
        """
        raise NodeError("A map is driven by the engine, not run as a node.", error_code="INTERNAL")
