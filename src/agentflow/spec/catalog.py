"""What the validator must know of node types, as a port: ``nodes.registry`` fulfils it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentflow.spec.effects import EffectClass


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A config value that its node type refuses; ``path`` leads to it from the config's root."""

    path: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Target:
    """A node that a config names as a possible successor (a router's route), with its place in the config."""

    node_id: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SubGraph:
    """A specification fragment inside a config (the body of a ``map``), with its place.

    ``document`` has ``nodes``, ``edges`` and ``start_node``; inside it ``item`` and ``index`` are known.
    """

    document: Mapping[str, Any]
    path: tuple[str | int, ...]


HOSTS, WORKFLOWS = "hosts", "workflows"
"""What a config may name outside of its specification, see ``NodeKind.reaches``."""
ANY = "*"
"""Stands for a name that is only known while running, so that it may be any."""


class NodeKind(Protocol):
    """One node type, as far as validation and compilation need it.

    Paths in ``expression_paths`` and ``raw_paths`` are tuples of keys from the config's root; ``"*"`` stands for any key or index.
    Values at (or below) an expression path are bare expressions; at or below a raw path nothing is rendered or checked.
    Every other string in a config is a template.
    """

    @property
    def type(self) -> str:
        """The name used in a specification."""
        ...

    @property
    def source_kinds(self) -> frozenset[str]:
        """Kinds of source this type can use; empty when it uses none."""
        ...

    @property
    def expression_paths(self) -> Sequence[tuple[str, ...]]:
        """Where bare expressions stand in the config."""
        ...

    @property
    def raw_paths(self) -> Sequence[tuple[str, ...]]:
        """Where values stand that are taken as they are."""
        ...

    @property
    def config_schema(self) -> Mapping[str, Any]:
        """JSON Schema (2020-12) of the config after rendering."""
        ...

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a node with this raw config must name a source."""
        ...

    def check_config(self, config: Mapping[str, Any]) -> Sequence[ConfigProblem]:
        """Return what is wrong with a raw config; a value that holds a template is trusted to fit (types are checked apart)."""
        ...

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the JSON Schema of the output; ``{}`` when anything may come out. May depend on the raw config."""
        ...

    def effect(self, config: Mapping[str, Any]) -> EffectClass:
        """Return the effect class of a node with this raw config."""
        ...

    def targets(self, config: Mapping[str, Any]) -> Sequence[Target]:
        """Return the successors that a raw config names (the routes of a router)."""
        ...

    def has_default(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a node that chooses among targets always finds one; True for types that do not choose."""
        ...

    def sub_graphs(self, config: Mapping[str, Any]) -> Sequence[SubGraph]:
        """Return the specification fragments inside a raw config."""
        ...

    def reaches(self, config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """Return what a raw config names outside of the specification and its sources, by ``HOSTS`` and ``WORKFLOWS``."""
        ...


class NodeCatalog(Protocol):
    """All node types of this installation."""

    def find(self, type_name: str) -> NodeKind | None:
        """Return the node type of this name, or None."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names of all node types, sorted."""
        ...
