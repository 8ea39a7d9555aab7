"""Fixtures of the tests of checkpoints."""

from tests.databases import database, database_url, postgres_url
from tests.support.redis_server import redis_process

__all__ = ["database", "database_url", "postgres_url", "redis_process"]
