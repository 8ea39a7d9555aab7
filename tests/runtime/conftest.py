"""A world for each test, on SQLite and on PostgreSQL."""

import pytest

from agentflow.config.settings import Settings
from tests.runtime.support import World


@pytest.fixture
def world(settings_on_both: Settings) -> World:
    """Give a world with an empty database."""
    return World(Settings(data_dir=settings_on_both.data_dir, database_url=settings_on_both.database_url))
