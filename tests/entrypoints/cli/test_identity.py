"""Accounts and keys from the terminal."""

import io

import pytest

from agentflow.bootstrap.identity import check_address
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.commands import users
from agentflow.identity.owner import RemoteBindRefused


async def allowed(settings: Settings) -> bool:
    try:
        await check_address(settings)
    except RemoteBindRefused:
        return False
    return True


def test_s26_the_server_listens_elsewhere_once_its_owner_has_a_password(tmp_path, monkeypatch):
    """Before, on an empty folder too, it refuses; the password comes from standard input, and another needs the present one."""
    import asyncio

    settings = Settings(data_dir=tmp_path, host="0.0.0.0")
    assert not asyncio.run(allowed(settings))
    monkeypatch.setattr("sys.stdin", io.StringIO("clouds swim under green bridges\n"))
    users.password("owner", None, tmp_path)
    assert asyncio.run(allowed(settings))
    monkeypatch.setattr("sys.stdin", io.StringIO("seven lamps hum beside rivers\n"))
    with pytest.raises(Exception, match="wrong"):
        users.password("owner", None, tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("seven lamps hum beside rivers\nclouds swim under green bridges\n"))
    users.password("owner", None, tmp_path)
