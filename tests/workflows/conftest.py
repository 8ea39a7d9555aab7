"""Stored workflows are tested on SQLite and on PostgreSQL."""

import pytest

from tests.identity.conftest import later, quick_hashes, stranger

__all__ = ["later", "quick_hashes", "stranger"]


@pytest.fixture
def settings(settings_on_both):
    """Give settings of both databases."""
    return settings_on_both
