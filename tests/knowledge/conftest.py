"""Collections on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest

from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.store import Once
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.knowledge.collections.service import CollectionService
from tests.databases import database, database_url, postgres_url
from tests.support.keys import new_trail

__all__ = ["database", "database_url", "postgres_url"]


@pytest.fixture
def subject() -> Subject:
    """Give a caller of a tenant of its own."""
    return Subject(new_id(), new_id(), ALL_PERMISSIONS)


@pytest.fixture
async def collections(database: Database, tmp_path: Path) -> CollectionService:
    """Give the service over an empty database of either kind."""
    clock = SystemClock()
    return CollectionService(database, clock, Once(database, clock, 86_400), await new_trail(database, tmp_path))
