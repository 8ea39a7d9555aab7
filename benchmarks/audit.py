"""What the audit log costs runs, in a process that also seals it."""

from agentflow.bootstrap.container import Container
from benchmarks import in_turns
from benchmarks.report import Figure


def measure() -> list[Figure]:
    """Measure on SQLite and on PostgreSQL."""
    return in_turns.measure("the audit log", _switch)


def _switch(container: Container) -> in_turns.Switch:
    ports = container.runs._ports  # noqa: SLF001 - the only way to run without what is always there

    def switch(on: bool) -> None:
        ports.trail = container.trail if on else None

    return switch
