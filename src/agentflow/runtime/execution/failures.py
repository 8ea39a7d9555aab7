"""How a run stops before its end: the signals that unwind the engine, and errors as a run shows them."""

from typing import Any

from agentflow.errors import AgentFlowError, NodeError


class RunFailed(Exception):
    """A node failed for good and nothing takes over; carries the error as the run shows it."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class NeedsAttention(Exception):
    """A node with an effect that cannot be repeated was under way when its owner died; a person must say what happened."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


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
