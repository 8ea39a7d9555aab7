"""Fixtures that every package may use."""

from tests.apps import anonymous, app, client, container, migrated_file, migrated_postgres, settings, settings_on_both, settings_on_postgres
from tests.leases import no_run_is_left_without_a_live_lease
from tests.missing import pytest_runtest_setup

__all__ = [
    "anonymous",
    "app",
    "client",
    "container",
    "migrated_file",
    "migrated_postgres",
    "no_run_is_left_without_a_live_lease",
    "pytest_runtest_setup",
    "settings",
    "settings_on_both",
    "settings_on_postgres",
]
