"""How an accepted run comes to a worker, as a port. A hint is only a hint: the database knows, and the sweeper repeats it."""

from collections.abc import Iterable
from typing import Protocol

from agentflow.runtime.records.records import RunRecord


class Others(Protocol):
    """The other processes of a cluster."""

    def cancel(self, run_id: str) -> None:
        """Ask whoever drives a run to stop it."""
        ...

    def signalled(self, run_id: str) -> None:
        """Tell whoever drives a run that something has come which it may wait for."""
        ...


class Dispatcher(Protocol):
    """Brings runs to workers. Nothing here waits, and nothing fails because a broker is down."""

    def reserve(self, run: RunRecord) -> bool:
        """Tell whether this process will drive a run that is about to be admitted, and keep a place for it if so."""
        ...

    def unreserve(self, run: RunRecord) -> None:
        """Give back a place that ``reserve`` kept: nobody will ask to drive the run. If it was stored all the same, it comes into the queue."""
        ...

    def dispatch(self, run: RunRecord, *, fresh: bool) -> None:
        """Bring a run to a worker after its commit: this process drives what it owns, of anything else it tells the workers.

        Args:
            run: the run as it was committed.
            fresh: whether nothing of it has run yet.
        """
        ...

    def hint(self, run_ids: Iterable[str]) -> None:
        """Tell the workers that these runs were put into the queue."""
        ...

    def signalled(self, run_id: str) -> None:
        """Tell whoever drives a run, or else the workers, that something has come which it may wait for."""
        ...

    def cancel(self, run_id: str) -> bool:
        """Stop a run that a worker of this process has; False when none has it."""
        ...

    def cancel_elsewhere(self, run_id: str) -> None:
        """Ask another process to stop a run that it drives; its owner sees the request anyway when it next renews its lease."""
        ...

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run as this process has it in its hands, or None; its end is durable only once the hub says so."""
        ...
