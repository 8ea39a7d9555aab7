"""What validation finds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Every problem a specification can have."""

    SCHEMA = "SCHEMA"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    DUPLICATE_ID = "DUPLICATE_ID"
    NO_START_NODE = "NO_START_NODE"
    UNKNOWN_START_NODE = "UNKNOWN_START_NODE"
    UNKNOWN_NODE_TYPE = "UNKNOWN_NODE_TYPE"
    INVALID_CONFIG = "INVALID_CONFIG"
    DANGLING_EDGE = "DANGLING_EDGE"
    DUPLICATE_EDGE = "DUPLICATE_EDGE"
    SELF_LOOP = "SELF_LOOP"
    CYCLE = "CYCLE"
    UNREACHABLE_NODE = "UNREACHABLE_NODE"
    DISCONNECTED_GRAPH = "DISCONNECTED_GRAPH"
    UNKNOWN_SOURCE = "UNKNOWN_SOURCE"
    SOURCE_KIND_MISMATCH = "SOURCE_KIND_MISMATCH"
    MISSING_SECRET = "MISSING_SECRET"  # noqa: S105 - the name of a rule
    INVALID_EXPRESSION = "INVALID_EXPRESSION"
    INVALID_TEMPLATE = "INVALID_TEMPLATE"
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    ROUTER_WITHOUT_DEFAULT = "ROUTER_WITHOUT_DEFAULT"
    UNUSED_SOURCE = "UNUSED_SOURCE"
    QUEUE_WITHOUT_EDGE = "QUEUE_WITHOUT_EDGE"

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
