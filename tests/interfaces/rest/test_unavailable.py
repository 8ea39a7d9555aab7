"""A database that is gone: requests are refused for now, the process goes on, and so do requests once it is back."""

import psycopg
import pytest

from tests.databases import POSTGRES

SPEC = {"name": "x", "start_node": "a", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}]}


@pytest.fixture
def settings(settings_on_postgres):
    """Give settings on PostgreSQL, which can be taken away."""
    return settings_on_postgres


def allow(name, *, connections):
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {connections}")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [name])


async def test_a_database_that_is_gone_makes_requests_unavailable(client, anonymous, settings):
    """Reading, writing and starting are 503 with Retry-After; readiness says why; afterwards all works again."""
    name = settings.database_url.rsplit("/", 1)[1]
    assert (await client.post("/workflows", json={"spec": SPEC})).status_code == 201
    allow(name, connections=False)
    try:
        for attempt in (
            client.get("/workflows"),
            client.post("/workflows", json={"spec": SPEC}),
            client.post("/execute", json={"spec": SPEC}),
        ):
            answer = await attempt
            assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
            assert int(answer.headers["retry-after"]) >= 1
        ready = await anonymous.get("/health/ready")
        assert (ready.status_code, ready.json()["dependencies"][0]["ok"]) == (503, False)
        assert (await anonymous.get("/health/live")).status_code == 200
    finally:
        allow(name, connections=True)
    assert (await client.get("/workflows?count=true")).json()["total"] == 1
    assert (await client.post("/execute?wait=20", json={"spec": SPEC})).json()["status"] == "succeeded"
    assert (await anonymous.get("/health/ready")).status_code == 200
