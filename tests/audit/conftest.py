"""Tested through the API, on SQLite and on PostgreSQL."""

import pytest


@pytest.fixture
def settings(settings_on_both):
    """Give settings of both databases."""
    return settings_on_both
