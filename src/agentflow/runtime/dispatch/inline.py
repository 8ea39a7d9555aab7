"""Runs come to the workers of the same process: without a broker, and in ``agentflow worker`` itself."""

from collections.abc import Iterable

from agentflow.runtime.dispatch.base import Others
from agentflow.runtime.dispatch.pool import WorkerPool
from agentflow.runtime.records.records import RunRecord


class InlineDispatcher:
    """Fulfils ``Dispatcher`` on the running event loop.

    Args:
        pool: the workers.
        others: the other processes of a cluster; None where there are none.
    """

    def __init__(self, pool: WorkerPool, others: Others | None = None) -> None:
        self._pool = pool
        self._others = others

    def reserve(self, run: RunRecord) -> bool:
        """Keep a place for the run if there is one; else it will wait in the queue."""
        return self._pool.reserve(run)

    def unreserve(self, run: RunRecord) -> None:
        """Give a kept place back."""
        self._pool.unreserve(run)

    def dispatch(self, run: RunRecord, *, fresh: bool) -> None:
        """Drive the run, or look into the queue for it."""
        if run.lease_owner is None:
            self._pool.wake()
        else:
            self._pool.drive(run, fresh=fresh)

    def hint(self, run_ids: Iterable[str]) -> None:
        """Look into the queue."""
        self._pool.wake()

    def signalled(self, run_id: str) -> None:
        """Tell whoever drives the run, and look into the queue for it."""
        if not self._pool.poke(run_id) and self._others is not None:
            self._others.signalled(run_id)
        self._pool.wake()

    def cancel(self, run_id: str) -> bool:
        """Ask a run of this process to stop."""
        return self._pool.cancel(run_id)

    def cancel_elsewhere(self, run_id: str) -> None:
        """Ask whoever drives the run to stop it."""
        if self._others is not None:
            self._others.cancel(run_id)

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run as this process has it in its hands, or None."""
        return self._pool.record(run_id)
