"""How a run stops before its end: the signals that unwind the engine, and errors as a run shows them."""

from datetime import datetime
from typing import Any

from agentflow.errors import AgentFlowError, NodeError
from agentflow.spec.expressions import ExpressionError


class RunFailed(Exception):
    """A node failed for good and nothing takes over; carries the error as the run shows it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Suspended(BaseException):
    """A node has to wait for longer than a worker should be held; raised through the node type's ``run``.

    No ``Exception``: a node type that catches everything must not swallow it.

    Attributes:
        wake_at: when to look again although nothing has come, or None.
    """

    def __init__(self, wake_at: datetime | None = None) -> None:
        super().__init__("the node waits")
        self.wake_at = wake_at


class UnknownOutcome(BaseException):
    """An execution whose effect cannot be repeated had been begun by an owner that died; raised through the node type's ``run``."""


def run_error(error: AgentFlowError, *, node_id: str | None = None, attempt: int | None = None) -> dict[str, Any]:
    """Return an error as it is stored with a run or node run."""
    return {
        "code": error.error_code if isinstance(error, NodeError) else error.code,
        "message": error.message,
        "node_id": node_id,
        "attempt": attempt,
        "hint": error.hint,
        "details": error.details if isinstance(error, NodeError) else {},
    }


def as_node_error(error: NodeError | ExpressionError) -> NodeError:
    """Return what stopped a node as the error of the node."""
    if isinstance(error, NodeError):
        return error
    return NodeError(
        str(error),
        error_code="EXPRESSION",
        hint="Check the expression against the outputs that the nodes really had.",
        details={"expression": error.expression},
    )
