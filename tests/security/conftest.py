"""Attacks go through the front door; where the database has a part in it, on both."""

from tests.identity.conftest import quick_hashes, stranger

__all__ = ["quick_hashes", "stranger"]
