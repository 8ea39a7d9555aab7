"""Fixtures that every package may use."""

from tests.apps import anonymous, app, client, container, migrated_file, migrated_postgres, settings, settings_on_both, settings_on_postgres

__all__ = [
    "anonymous",
    "app",
    "client",
    "container",
    "migrated_file",
    "migrated_postgres",
    "settings",
    "settings_on_both",
    "settings_on_postgres",
]
