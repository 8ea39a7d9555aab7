"""Accounts are tested through the API, on SQLite and on PostgreSQL, with a hash that takes no time."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher, Type

from agentflow.identity import passwords
from agentflow.infra.mailer.console import ConsoleMailer
from agentflow.kit.clock import SystemClock
from tests.identity.people import speaking


@pytest.fixture
def settings(settings_on_both):
    """Give settings of both databases."""
    return settings_on_both


@pytest.fixture
def quick_hashes(monkeypatch):
    """Make hashes with little effort: their cost is tested by itself."""
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.ID)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords._nobody.cache_clear()
    yield hasher
    passwords._nobody.cache_clear()


@pytest.fixture
async def stranger(app):
    """Give a client without a credential, whose paths begin below ``/api/v1``."""
    async with speaking(app) as client:
        yield client


@pytest.fixture
def mails(container, monkeypatch):
    """Give the list of mails that were sent; nobody writes them to the terminal."""
    sent = []

    async def send(self, mail):
        sent.append(mail)

    monkeypatch.setattr(ConsoleMailer, "send", send)
    return sent


@pytest.fixture
def later(monkeypatch):
    """Give a function that lets time go on, for everybody."""
    passed = [timedelta()]
    now, monotonic = SystemClock.now, SystemClock.monotonic
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) + passed[0])
    monkeypatch.setattr(SystemClock, "monotonic", lambda self: monotonic(self) + passed[0].total_seconds())

    def go_on(**duration):
        passed[0] += timedelta(**duration)

    return go_on
