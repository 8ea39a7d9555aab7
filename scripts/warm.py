"""Importing this imports all of AgentFlow and the drivers of its databases and brokers: forks of a process that did so start at once."""

import importlib
import pkgutil

DRIVERS = ("aiosqlite", "celery.app", "kombu.transport.pyamqp", "kombu.transport.redis", "psycopg_pool", "redis.asyncio")
"""What processes import by a setting's word only."""


def _import_everything() -> None:
    package = importlib.import_module("agentflow")
    for module in pkgutil.walk_packages(package.__path__, "agentflow."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in DRIVERS:
        importlib.import_module(name)


_import_everything()
