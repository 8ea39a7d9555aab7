"""Node types as the validator sees them: one that fails on an odd config is reported, and never stops the validation."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentflow.spec.catalog import ANY, HOSTS, ConfigProblem, NodeCatalog, NodeKind, SubGraph, Target
from agentflow.spec.effects import EffectClass


class TolerantKind:
    """A node type whose answers about a config that it has refused, or cannot cope with, are empty."""

    def __init__(self, kind: NodeKind) -> None:
        self._kind = kind
        self.type = kind.type
        self.source_kinds = kind.source_kinds
        self.expression_paths = kind.expression_paths
        self.raw_paths = kind.raw_paths
        self.config_schema = kind.config_schema

    def check_config(self, config: Mapping[str, Any]) -> Sequence[ConfigProblem]:
        """Return what is wrong with a raw config."""
        try:
            return self._kind.check_config(config)
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way
            return (ConfigProblem((), f"node type {self.type} cannot check this config: {error}"),)

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a node must name a source."""
        try:
            return self._kind.source_required(config)
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return False

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the JSON Schema of the output."""
        try:
            return self._kind.output_schema(config)
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return {}

    def effect(self, config: Mapping[str, Any]) -> EffectClass:
        """Return the effect class; asked for valid configs only."""
        return self._kind.effect(config)

    def targets(self, config: Mapping[str, Any]) -> Sequence[Target]:
        """Return the successors that a raw config names."""
        try:
            return [target for target in self._kind.targets(config) if isinstance(target.node_id, str)]
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return ()

    def has_default(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a choosing node always finds a target."""
        try:
            return self._kind.has_default(config)
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return True

    def sub_graphs(self, config: Mapping[str, Any]) -> Sequence[SubGraph]:
        """Return the fragments inside a raw config."""
        try:
            return [part for part in self._kind.sub_graphs(config) if isinstance(part.document, Mapping)]
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return ()

    def reaches(self, config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """Return what a raw config names outside of the specification."""
        try:
            return self._kind.reaches(config)
        except Exception:  # noqa: BLE001 - see check_config, which reports it
            return {HOSTS: (ANY,)}


class TolerantCatalog:
    """A catalog of tolerant node types, for one validation."""

    def __init__(self, catalog: NodeCatalog) -> None:
        self._catalog = catalog
        self._kinds: dict[str, TolerantKind | None] = {}

    def find(self, type_name: str) -> TolerantKind | None:
        """Return the node type of this name, or None."""
        if type_name not in self._kinds:
            kind = self._catalog.find(type_name)
            self._kinds[type_name] = TolerantKind(kind) if kind is not None else None
        return self._kinds[type_name]

    def names(self) -> Sequence[str]:
        """Return the names of all node types, sorted."""
        return self._catalog.names()
