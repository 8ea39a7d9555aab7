"""Asking a hot standby whether it is one, and answers."""

from collections.abc import Awaitable, Callable

from agentflow.infra.db.engine import Database
from agentflow.infra.db.standby import Standby


def replica_probe(url: str) -> Callable[[], Awaitable[object]]:
    """Return how to ask, on a connection of its own that is closed again; see ``Standby.ping``."""

    async def probe() -> None:
        database = Database(url, pool_size=1)
        try:
            await Standby(database, database).ping()
        finally:
            await database.close()

    return probe
