"""Nodes over real collections."""

from tests.databases import database, database_url, postgres_url
from tests.knowledge.conftest import collections, subject

__all__ = ["collections", "database", "database_url", "postgres_url", "subject"]
