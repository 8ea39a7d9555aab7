"""After each test: no run may stay ``running`` without a live lease, or nobody would ever take it up again."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from agentflow.infra.db.engine import Database

_NOW = {"sqlite": "CAST(strftime('%s', 'now') AS INTEGER) * 1000000 - 1000000", "postgresql": "now()"}


@pytest.fixture(autouse=True)
def no_run_is_left_without_a_live_lease(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look into each database when the process that used it closes it."""
    left: list[str] = []
    close = Database.close

    async def look_and_close(self: Database) -> None:
        left.extend(await _left(self))
        await close(self)

    monkeypatch.setattr(Database, "close", look_and_close)
    yield
    assert not left, f"runs without a live lease: {left}"


async def _left(database: Database) -> list[str]:
    kind = "sqlite" if database.is_sqlite else "postgresql"
    query = f"SELECT status FROM runs WHERE status = 'running' AND (lease_owner IS NULL OR lease_until < {_NOW[kind]})"
    try:
        async with database.engine.connect() as connection:
            return [str(row) for row in (await connection.execute(text(query))).all()]
    except (SQLAlchemyError, OSError):
        return []  # the test had no tables, or took its database away
