"""Fixtures of the tests of the database layer."""

from tests.databases import database, database_url, postgres_url
from tests.infra.db.values import table

__all__ = ["database", "database_url", "postgres_url", "table"]
