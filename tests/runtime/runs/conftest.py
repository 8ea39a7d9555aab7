"""People and events are tested through the API, on SQLite and on PostgreSQL."""

from dataclasses import replace

import pytest

from agentflow.identity.permissions import Permission


@pytest.fixture
def settings(settings_on_both):
    """Give settings of both databases, with a sweeper that looks often and a small limit on values."""
    return settings_on_both.model_copy(update={"sweep_interval_s": 0.1, "max_value_bytes": 50_000})


@pytest.fixture
def as_clerk(container, monkeypatch):
    """Give a function after which the credential stands for somebody who may answer only what is addressed to them."""
    authenticate = container.credentials.authenticate

    async def narrowed(secret, kind):
        subject = await authenticate(secret, kind)
        return replace(subject, permissions=subject.permissions - {Permission.RUNS_APPROVE_ANY})

    return lambda: monkeypatch.setattr(container.credentials, "authenticate", narrowed)
