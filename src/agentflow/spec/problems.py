"""What validation finds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Every problem a specification can have."""

    SCHEMA = "SCHEMA"
    """The document, or a part of it, has not the shape of a specification: a field is missing, unknown or of the wrong type."""
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    """Something is larger than a setting allows; the message names the setting."""
    DUPLICATE_ID = "DUPLICATE_ID"
    """Two nodes, sources, queues or edges have the same id."""
    NO_START_NODE = "NO_START_NODE"
    """`start_node` is missing and cannot be inferred."""
    UNKNOWN_START_NODE = "UNKNOWN_START_NODE"
    """`start_node` names no node."""
    UNKNOWN_NODE_TYPE = "UNKNOWN_NODE_TYPE"
    """A node has a type that is not installed."""
    INVALID_CONFIG = "INVALID_CONFIG"
    """A config does not fit its node type, or `inputs` is not a JSON Schema."""
    DANGLING_EDGE = "DANGLING_EDGE"
    """An edge, route or `on_error` names a node that does not exist."""
    DUPLICATE_EDGE = "DUPLICATE_EDGE"
    """The same way from one node to another is declared twice."""
    SELF_LOOP = "SELF_LOOP"
    """An edge leads from a node to itself."""
    CYCLE = "CYCLE"
    """Nodes lead back to themselves without a bounded `loop`; the message names them in order."""
    UNREACHABLE_NODE = "UNREACHABLE_NODE"
    """No way leads from the start to a node."""
    DISCONNECTED_GRAPH = "DISCONNECTED_GRAPH"
    """The nodes fall into parts that nothing joins."""
    UNKNOWN_SOURCE = "UNKNOWN_SOURCE"
    """A node names a source that does not exist, or needs one and names none."""
    SOURCE_KIND_MISMATCH = "SOURCE_KIND_MISMATCH"
    """A node names a source of a kind it cannot use."""
    MISSING_SECRET = "MISSING_SECRET"  # noqa: S105 - the name of a rule
    """A source uses a secret that is not stored."""
    INVALID_EXPRESSION = "INVALID_EXPRESSION"
    """A condition or expression cannot be read, or uses what the language does not allow."""
    INVALID_TEMPLATE = "INVALID_TEMPLATE"
    """A template cannot be read, or uses what the language does not allow."""
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    """An expression names something that does not exist, or that cannot have run before."""
    TYPE_MISMATCH = "TYPE_MISMATCH"
    """A value has a type that its place cannot take."""
    ROUTER_WITHOUT_DEFAULT = "ROUTER_WITHOUT_DEFAULT"
    """Warning: a router may find no route."""
    UNUSED_SOURCE = "UNUSED_SOURCE"
    """Warning: no node uses a source."""
    QUEUE_WITHOUT_EDGE = "QUEUE_WITHOUT_EDGE"
    """A queue shapes a way that does not exist."""

    @property
    def is_warning(self) -> bool:
        """Whether a specification with this problem still runs."""
        return self in {Code.ROUTER_WITHOUT_DEFAULT, Code.UNUSED_SOURCE}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        code: which rule found it.
        message: what is wrong, naming the thing.
        path: JSON Pointer to the place in the document.
        node_id: the node concerned, or None.
        hint: the way out, or None.
    """

    code: Code
    message: str
    path: str
    node_id: str | None = None
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the problem as it crosses the wire."""
        return {"code": self.code.value, "message": self.message, "path": self.path, "node_id": self.node_id, "hint": self.hint}
