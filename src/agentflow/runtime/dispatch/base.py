"""How an accepted run comes to a worker, as a port. A dispatch is a hint: the database knows, and the sweeper repeats it."""

from typing import Protocol

from agentflow.runtime.records.records import RunRecord


class Dispatcher(Protocol):
    """Brings runs to workers."""

    def dispatch(self, run: RunRecord, *, fresh: bool) -> None:
        """Hand over a run that this process owns; ``fresh`` when nothing of it has run yet. Call it only after the commit."""
        ...

    def cancel(self, run_id: str) -> bool:
        """Stop a run that a worker of this process has; False when none has it."""
        ...
