"""Runs come to ``agentflow worker`` processes: a Celery message is the hint that something is in the queue, the queue is in the database."""

from collections.abc import Iterable
from typing import Protocol

from agentflow.runtime.dispatch.base import Others
from agentflow.runtime.dispatch.pool import WorkerPool
from agentflow.runtime.records.records import RunRecord


class Hints(Protocol):
    """Where hints go; must not wait and not fail."""

    def send(self, run_ids: Iterable[str]) -> None:
        """Tell the workers of queued runs."""
        ...


class CeleryDispatcher:
    """Fulfils ``Dispatcher`` in a process that drives no runs, but ends those that are cancelled while nobody drives them."""

    def __init__(self, pool: WorkerPool, hints: Hints, others: Others) -> None:
        self._pool = pool
        self._hints = hints
        self._others = others

    def reserve(self, run: RunRecord) -> bool:
        """Keep no place: runs are driven elsewhere."""
        return False

    def unreserve(self, run: RunRecord) -> None:
        """Do nothing: no place was kept."""

    def dispatch(self, run: RunRecord, *, fresh: bool) -> None:
        """Tell the workers of the run; drive it only if this process took it over to end it."""
        if run.lease_owner is None:
            self._hints.send([run.id])
        else:
            self._pool.drive(run, fresh=fresh)

    def hint(self, run_ids: Iterable[str]) -> None:
        """Tell the workers of queued runs."""
        self._hints.send(run_ids)

    def signalled(self, run_id: str) -> None:
        """Tell whoever drives the run, and the workers, who find it in the queue if nobody does."""
        if not self._pool.poke(run_id):
            self._others.signalled(run_id)
            self._hints.send([run_id])

    def cancel(self, run_id: str) -> bool:
        """Ask a run of this process to stop."""
        return self._pool.cancel(run_id)

    def cancel_elsewhere(self, run_id: str) -> None:
        """Ask whoever drives the run to stop it."""
        self._others.cancel(run_id)

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run as this process has it in its hands, or None."""
        return self._pool.record(run_id)
