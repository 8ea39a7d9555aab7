"""Fixtures of the conformance suites."""

from tests.databases import database, database_url, postgres_url
from tests.support.redis_cluster import redis_cluster
from tests.support.s3_server import s3

__all__ = ["database", "database_url", "postgres_url", "redis_cluster", "s3"]
