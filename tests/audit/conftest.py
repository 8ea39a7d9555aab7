"""Tested through the API, on SQLite and on PostgreSQL."""

import pytest

from tests.identity.conftest import later, mails, quick_hashes, stranger

__all__ = ["later", "mails", "quick_hashes", "stranger"]


@pytest.fixture
def settings(settings_on_both):
    """Give settings of both databases; everybody may register, and come as a guest."""
    return settings_on_both.model_copy(update={"registration": "open", "guest_access": True})
