"""People of the tests: accounts that sign in through the front door."""

from contextlib import asynccontextmanager

import httpx
import pytest

from agentflow.entrypoints.cli.asgi import AsgiTransport
from tests.apps import BASE

one_database = pytest.mark.parametrize("settings_on_both", ["sqlite"], indirect=True)
"""For what the database has no part in, and for long lists of cases: one of the two will do."""
PASSWORD = "clouds swim under green bridges"


@asynccontextmanager
async def speaking(app, headers=None):
    """Give a client whose paths begin below ``/api/v1``."""
    async with httpx.AsyncClient(transport=AsgiTransport(app), base_url=f"{BASE}/api/v1", headers=headers or {}) as client:
        yield client


async def hire(client, username, *roles, **more):
    """Make an account as whoever ``client`` is, and return it."""
    body = {"username": username, "password": PASSWORD, "roles": list(roles), **more}
    answer = await client.post("/users", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def sign_in(client, username, password=PASSWORD, **more):
    """Return the tokens of somebody."""
    answer = await client.post("/auth/login", json={"username": username, "password": password, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(tokens):
    """Return the header of an access token."""
    return {"Authorization": f"Bearer {tokens['access_token'] if isinstance(tokens, dict) else tokens}"}


async def mint(client, **body):
    """Make an API key and return it with its secret."""
    answer = await client.post("/api-keys", json={"name": "test", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


@asynccontextmanager
async def working_as(app, client, username, *roles):
    """Make an account as whoever ``client`` is, and give a client that is signed in with it."""
    await hire(client, username, *roles)
    async with speaking(app) as stranger:
        tokens = await sign_in(stranger, username)
    async with speaking(app, bearer(tokens)) as person:
        person.tokens = tokens
        yield person
