"""Fixtures of the journal's tests."""

from tests.databases import postgres_url

__all__ = ["postgres_url"]
