"""A tiny catalog of node types, and short ways to write and check specifications."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from agentflow.config.limits import Limits
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.registry import NodeRegistry
from agentflow.spec.catalog import SubGraph, Target
from agentflow.spec.validate import ValidationResult, validate


class Empty(NodeConfig):
    """No settings."""


class Begin(NodeType[Empty]):
    type, title, description, category, icon = "begin", "Begin", "Begins.", "control", "play"
    config_model = Empty
    example: Mapping[str, Any] = {"id": "a", "type": "begin"}

    async def run(self, context, config):
        return {}


class Hit(BaseModel):
    text: str
    score: float


class FoundOutput(NodeOutput):
    matches: list[Hit]
    total: int
    note: str | None = None


class FindConfig(NodeConfig):
    query: str = "x"
    top_k: int = Field(default=5, ge=1, le=100)
    where: dict[str, Any] = Field(default_factory=dict)
    only: bool | None = Field(default=None, json_schema_extra={"x-expression": True})
    sql: str = Field(default="", json_schema_extra={"x-raw": True})


class Find(NodeType[FindConfig]):
    type, title, description, category, icon = "find", "Find", "Finds.", "data", "search"
    config_model, output_model = FindConfig, FoundOutput
    example: Mapping[str, Any] = {"id": "a", "type": "find"}

    async def run(self, context, config):
        return {}


class AskConfig(NodeConfig):
    prompt: str = "hello"


class Ask(NodeType[AskConfig]):
    type, title, description, category, icon = "ask", "Ask", "Asks a model.", "ai", "bot"
    config_model = AskConfig
    source_kinds = frozenset({"llm"})
    example: Mapping[str, Any] = {"id": "a", "type": "ask"}

    async def run(self, context, config):
        return {}


class Way(NodeConfig):
    when: bool | str = Field(default=True, json_schema_extra={"x-expression": True})
    to: str


class ChooseConfig(NodeConfig):
    routes: list[Way] = Field(default_factory=list)
    default: str | None = None


class Choose(NodeType[ChooseConfig]):
    type, title, description, category, icon = "choose", "Choose", "Chooses.", "control", "split"
    config_model = ChooseConfig
    example: Mapping[str, Any] = {"id": "a", "type": "choose"}

    def targets(self, config: Mapping[str, Any]) -> Sequence[Target]:
        found = [Target(route["to"], ("routes", index, "to")) for index, route in enumerate(config.get("routes", ()))]
        return [*found, Target(config["default"], ("default",))] if config.get("default") else found

    def has_default(self, config: Mapping[str, Any]) -> bool:
        return "default" in config

    async def run(self, context, config):
        return {}


class EachConfig(NodeConfig):
    over: list[Any]
    body: dict[str, Any] = Field(json_schema_extra={"x-raw": True})


class Each(NodeType[EachConfig]):
    type, title, description, category, icon = "each", "Each", "Repeats.", "control", "list"
    config_model = EachConfig
    example: Mapping[str, Any] = {"id": "a", "type": "each", "config": {"over": [], "body": {}}}

    def sub_graphs(self, config: Mapping[str, Any]) -> Sequence[SubGraph]:
        body = config.get("body")
        if isinstance(body, Mapping) and "type" in body:
            node = {"id": "one", **body}
            return (SubGraph({"nodes": [node], "edges": [], "start_node": node["id"]}, ("body",)),)
        return (SubGraph(body, ("body",)),) if isinstance(body, Mapping) else ()

    async def run(self, context, config):
        return {}


class Broken(NodeType[Empty]):
    """A plugin that fails wherever it can."""

    type, title, description, category, icon = "broken", "Broken", "Fails.", "plugin", "bug"
    config_model = Empty
    example: Mapping[str, Any] = {"id": "a", "type": "broken", "config": {}}

    def targets(self, config):
        raise RuntimeError("targets")

    def sub_graphs(self, config):
        raise RuntimeError("sub_graphs")

    def output_schema(self, config):
        raise RuntimeError("output_schema")

    def has_default(self, config):
        raise RuntimeError("has_default")

    def source_required(self, config):
        raise RuntimeError("source_required")

    async def run(self, context, config):
        return {}


CATALOG = NodeRegistry([Begin(), Find(), Ask(), Choose(), Each(), Broken()])

Item = dict[str, Any]
INPUTS = {"type": "object", "properties": {"q": {"type": "string"}, "n": {"type": "integer"}, "tags": {"type": "array"}}}


def node(node_id: str, kind: str = "begin", config: Item | None = None, **more: Any) -> Item:
    """Return a node of a specification."""
    return {"id": node_id, "type": kind, **({"config": config} if config is not None else {}), **more}


def chain(*nodes: Item, **more: Any) -> Item:
    """Return a specification whose nodes follow one another."""
    ids = [item["id"] for item in nodes]
    edges = [{"from": first, "to": second} for first, second in itertools.pairwise(ids)]
    return {"name": "test", "inputs": INPUTS, "start_node": ids[0], "nodes": list(nodes), "edges": edges, **more}


def check(document: Any, limits: Limits | None = None, **known: Any) -> ValidationResult:
    """Validate with the tiny catalog."""
    return validate(document, CATALOG, limits or Limits(), **known)


Level = Literal["errors", "warnings"]


def found(document: Any, limits: Limits | None = None, level: Level = "errors", **known: Any) -> list[tuple[str, str]]:
    """Return code and path of every problem."""
    return [(problem.code.value, problem.path) for problem in getattr(check(document, limits, **known), level)]
