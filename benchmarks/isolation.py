"""What the second wall between tenants costs runs: row-level security, which every transaction for a caller passes."""

from typing import Any

from agentflow.bootstrap.container import Container
from benchmarks import in_turns
from benchmarks.report import Figure


def measure() -> list[Figure]:
    """Measure on PostgreSQL; SQLite has none."""
    return in_turns.measure("row-level security", _switch, sqlite=False)


def _switch(container: Container) -> in_turns.Switch:
    database: Any = container.database
    narrow, reader = database._narrow, database._reader  # noqa: SLF001 - the only way to run without what is always there

    async def leave_wide(_session: Any, _tenant_id: str | None) -> None:
        """Let the login role see the rows of all tenants."""

    def read_wide(tenant_id: str | None) -> Any:
        """Read as the login role; for a tenant in a transaction all the same, for that is not the price of the wall."""
        return reader(None) if tenant_id is None else database._snapshots.connect()  # noqa: SLF001 - likewise

    def switch(on: bool) -> None:
        database._narrow = narrow if on else leave_wide  # noqa: SLF001 - likewise
        database._reader = reader if on else read_wide  # noqa: SLF001 - likewise

    return switch
