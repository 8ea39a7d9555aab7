"""Fixtures of the queue's tests."""

from tests.databases import database, database_url, postgres_url

__all__ = ["database", "database_url", "postgres_url"]
