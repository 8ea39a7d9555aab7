"""Skips tests whose server is missing: ``make test`` has then said so, and set its variable to nothing."""

import os

import pytest

SERVERS = {
    "AGENTFLOW_TEST_POSTGRES_URL": ("postgres",),
    "AGENTFLOW_TEST_MYSQL_URL": ("mysql", "mariadb"),
    "AGENTFLOW_TEST_REDIS_URL": ("redis",),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that names the server in its id, its fixtures, or the constants it uses (``POSTGRES``)."""
    code = getattr(getattr(item, "function", None), "__code__", None)
    words = [item.nodeid.lower(), *getattr(item, "fixturenames", ()), *(name.lower() for name in (code.co_names if code else ()))]
    for variable, names in SERVERS.items():
        if os.environ.get(variable) == "" and any(name in word for name in names for word in words):
            pytest.skip(f"{variable} is empty: no such server")
