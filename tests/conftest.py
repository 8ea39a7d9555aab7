"""Fixtures that every package may use."""

from tests.apps import anonymous, app, client, container, migrated_file, migrated_postgres, settings, settings_on_both, settings_on_postgres
from tests.missing import pytest_runtest_setup

__all__ = [
    "anonymous",
    "app",
    "client",
    "container",
    "migrated_file",
    "migrated_postgres",
    "pytest_runtest_setup",
    "settings",
    "settings_on_both",
    "settings_on_postgres",
]
