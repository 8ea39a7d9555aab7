"""The contract of a node type: a config model, an output model, an effect class, an example and one async ``run``."""

import builtins
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from agentflow.nodes.context import NodeContext, ResolvedSource
from agentflow.spec.catalog import ANY, ConfigProblem, SubGraph, Target
from agentflow.spec.effects import EffectClass

Category = Literal["control", "ai", "data", "knowledge", "people", "plugin"]


class NodeConfig(BaseModel):
    """Base of config models: unknown fields are errors; every field needs a description and an example.

    Mark a field whose strings are bare expressions with ``json_schema_extra={"x-expression": True}`` and one that is taken as it
    is (never rendered) with ``json_schema_extra={"x-raw": True}``; both also count for everything below the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class NodeOutput(BaseModel):
    """Base of output models; dumped to plain JSON before anything else sees it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


C = TypeVar("C", bound=NodeConfig)


class NodeType(ABC, Generic[C]):
    """A node type. Instances hold no state: one serves all runs of a process.

    Attributes:
        type: the name in specifications.
        title: the name for people.
        description: one sentence; the docs and the editor show it.
        category: where the editor's palette lists it.
        icon: name of a Lucide icon.
        config_model: what a config must be after its templates are rendered.
        output_model: what comes out; None when anything may (then ``output_schema`` may still say more).
        effect_class: what recovery may do; ``effect`` may depend on the config.
        source_kinds: the kinds of source the type can use.
        example: one valid node, as it stands in a specification.
    """

    type: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    category: ClassVar[Category]
    icon: ClassVar[str]
    config_model: ClassVar[builtins.type[NodeConfig]]
    output_model: ClassVar[builtins.type[NodeOutput] | None] = None
    effect_class: ClassVar[EffectClass] = EffectClass.PURE
    source_kinds: ClassVar[frozenset[str]] = frozenset()
    example: ClassVar[Mapping[str, Any]]

    @abstractmethod
    async def run(self, context: NodeContext, config: C) -> NodeOutput | Any:
        """Do the work and return the output (an ``output_model`` instance or plain JSON).

        Raises:
            NodeError: the typed cause of a failure; anything else is reported as ``INTERNAL`` and never retried.
        """

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a node with this raw config must name a source; by default when the type can use one."""
        return bool(self.source_kinds)

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the JSON Schema of the output; may depend on the raw config."""
        return self._output_schema

    def effect(self, config: Mapping[str, Any]) -> EffectClass:
        """Return the effect class of a node with this raw config."""
        return self.effect_class

    def targets(self, config: Mapping[str, Any]) -> Sequence[Target]:
        """Return the successors that a raw config names; only routers have any."""
        return ()

    def has_default(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a choosing node always finds a target."""
        return True

    def sub_graphs(self, config: Mapping[str, Any]) -> Sequence[SubGraph]:
        """Return the specification fragments inside a raw config."""
        return ()

    def reaches(self, config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """Return what a raw config names outside of the specification and its sources; see ``spec.catalog.NodeKind``."""
        return {}

    def expected_tokens(self, config: C) -> int:
        """Return roughly how many model tokens one attempt will use; a queue with a token limit reserves them beforehand."""
        return 0

    def outside(self, config: C, source: ResolvedSource | None) -> str | None:
        """Return a name for the outside system that one attempt calls, or None; attempts that call the same share a retry budget."""
        if source is None:
            return None
        return f"{source.kind}:{host_of(str(source.config.get('base_url', ''))) or source.config.get('provider') or source.id}"

    def chosen(self, config: C, output: Any) -> frozenset[str]:
        """Return which of ``targets`` the node chose, given its dumped output; only asked of types that have targets."""
        return frozenset()

    @cached_property
    def config_schema(self) -> Mapping[str, Any]:
        """JSON Schema of the config."""
        return self.config_model.model_json_schema()

    @cached_property
    def _output_schema(self) -> Mapping[str, Any]:
        return self.output_model.model_json_schema(mode="serialization") if self.output_model else {}

    @cached_property
    def expression_paths(self) -> Sequence[tuple[str, ...]]:
        """Where bare expressions stand in the config."""
        return tuple(_marked(self.config_schema, "x-expression"))

    @cached_property
    def raw_paths(self) -> Sequence[tuple[str, ...]]:
        """Where values stand that are taken as they are."""
        return tuple(_marked(self.config_schema, "x-raw"))

    def check_config(self, config: Mapping[str, Any]) -> Sequence[ConfigProblem]:
        """Return what is wrong with a raw config; complaints about values that hold a template are left out."""
        try:
            self.config_model.model_validate(config)
        except ValidationError as error:
            return tuple(
                ConfigProblem(_place(config, item["loc"]), item["msg"].removeprefix("Value error, "))
                for item in error.errors(include_url=False, include_context=False, include_input=False)
                if not _holds_template(config, item["loc"])
            )
        return ()


def host_of(url: str) -> str:
    """Return host and port of a URL, without credentials; empty when it has none or cannot be read."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def hosts_named(text: str) -> Sequence[str]:
    """Return the host that a raw URL leads to, ``*`` where a template decides it, nothing for a path."""
    scheme, mark, rest = text.partition("://")
    if is_template(scheme):
        return (ANY,)
    if not mark:
        return ()
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return (ANY,) if is_template(authority) else (authority.rpartition("@")[2].strip().lower(),)


def is_template(value: object) -> bool:
    """Tell whether a value is text that renders."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value)


def _place(config: Any, location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Keep of a Pydantic location what leads through ``config``; it also names union members and the missing field itself."""
    value, path = config, []
    for index, part in enumerate(location):
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif index == len(location) - 1 and isinstance(value, Mapping):
            path.append(part)
            break
        else:
            continue
        path.append(part)
    return tuple(path)


def _holds_template(config: Any, location: tuple[str | int, ...]) -> bool:
    value = config
    for part in _place(config, location):
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            return False
    return value is not config and holds_template(value)


def holds_template(value: object) -> bool:
    """Tell whether a value has text that renders anywhere in it."""
    if isinstance(value, Mapping):
        return any(map(holds_template, value.values()))
    if isinstance(value, list):
        return any(map(holds_template, value))
    return is_template(value)


def _marked(schema: Mapping[str, Any], mark: str) -> list[tuple[str, ...]]:
    """Find the paths of a JSON Schema whose fields carry ``mark``; follows ``$ref`` into ``$defs`` once per path."""
    definitions = schema.get("$defs", {})
    found: list[tuple[str, ...]] = []

    def walk(node: Any, path: tuple[str, ...], seen: frozenset[str]) -> None:
        if not isinstance(node, Mapping):
            return
        if node.get(mark):
            found.append(path)
            return
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            walk(definitions.get(reference.rsplit("/", 1)[-1]), path, seen | {reference})
        for name, child in node.get("properties", {}).items():
            walk(child, (*path, name), seen)
        for keyword in ("items", "additionalProperties"):
            walk(node.get(keyword), (*path, "*"), seen)
        for keyword in ("anyOf", "oneOf", "allOf"):
            for child in node.get(keyword, ()):
                walk(child, path, seen)

    walk(schema, (), frozenset())
    return found
