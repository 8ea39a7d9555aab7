"""All node types: one table for the built-ins, the entry point ``agentflow.nodes`` for plugins, one door for both."""

from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any

import structlog

from agentflow.errors import AgentFlowError, Kind
from agentflow.nodes.base import NodeType

log = structlog.get_logger(__name__)

ENTRY_POINT = "agentflow.nodes"


class InvalidNodeType(AgentFlowError):
    """A plugin offers something that is not a usable node type."""

    kind, code, title = Kind.INVALID, "INVALID_NODE_TYPE", "Invalid node type"


class NodeRegistry:
    """The node types of this installation; fulfils ``spec.catalog.NodeCatalog``."""

    def __init__(self, types: Iterable[NodeType[Any]] = ()) -> None:
        self._types: dict[str, NodeType[Any]] = {}
        self._plugins: set[str] = set()
        for node_type in types:
            self.add(node_type)

    def add(self, node_type: NodeType[Any], *, plugin: bool = False) -> None:
        """Register a node type; ``plugin`` tells that its code did not come with the product.

        Raises:
            InvalidNodeType: it is incomplete, its example is invalid, or its name is taken.
        """
        name = getattr(node_type, "type", None)
        if not isinstance(node_type, NodeType) or not isinstance(name, str):
            raise InvalidNodeType(
                f"{node_type!r} is not a node type.", hint="Subclass agentflow.nodes.base.NodeType and register an instance."
            )
        missing = [a for a in ("title", "description", "category", "icon", "config_model", "example") if not hasattr(node_type, a)]
        if missing:
            raise InvalidNodeType(f"Node type {name} lacks {', '.join(missing)}.")
        if name in self._types:
            raise InvalidNodeType(f"Node type {name} is already registered.", hint="Give the plugin's type another name.")
        problems = node_type.check_config(node_type.example.get("config", {}))
        if problems:
            raise InvalidNodeType(f"The example of node type {name} is invalid: {problems[0].message}")
        self._types[name] = node_type
        if plugin:
            self._plugins.add(name)

    def is_plugin(self, type_name: str) -> bool:
        """Tell whether the code of a node type did not come with the product."""
        return type_name in self._plugins

    def find(self, type_name: str) -> NodeType[Any] | None:
        """Return the node type of this name, or None."""
        return self._types.get(type_name)

    def names(self) -> Sequence[str]:
        """Return the names of all node types, sorted."""
        return sorted(self._types)

    def all(self) -> Sequence[NodeType[Any]]:
        """Return all node types, sorted by name."""
        return [self._types[name] for name in self.names()]


def load_plugins(registry: NodeRegistry) -> None:
    """Add the node types of installed packages; one that cannot be used is logged and left out, it does not stop the server.

    An entry point names a ``NodeType`` subclass or instance, or a list of them.
    """
    for point in entry_points(group=ENTRY_POINT):
        try:
            loaded = point.load()
            for item in loaded if isinstance(loaded, list | tuple) else [loaded]:
                registry.add(item() if isinstance(item, type) else item, plugin=True)
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way; the server goes on without it
            log.error("plugin refused", plugin=point.name, package=point.value, error=str(error))
