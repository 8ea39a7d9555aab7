"""Asking Redis and brokers whether they answer."""

import asyncio
import os

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.observability.probes import NotAmqp, broker_probe
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE
from tests.support.redis_server import redis_process

__all__ = ["redis_process"]

RABBITMQ = os.environ.get("AGENTFLOW_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


async def test_a_redis_that_dies_makes_readiness_say_so(settings, redis_process):
    """Readiness is 503 and names it, liveness stays 200."""
    async with open_container(settings.model_copy(update={"redis_url": redis_process.url})) as container:
        transport = AsgiTransport(create_app(container))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            ready = await client.get("/health/ready")
            assert (ready.status_code, "redis" in {item["name"] for item in ready.json()["dependencies"]}) == (200, True)
            redis_process.kill()
            ready = await client.get("/health/ready")
            down = [item["name"] for item in ready.json()["dependencies"] if not item["ok"]]
            assert (ready.status_code, down) == (503, ["redis"])
            assert (await client.get("/health/live")).status_code == 200


@pytest.mark.skipif(RABBITMQ == "", reason="AGENTFLOW_TEST_AMQP_URL is empty: no such server")
async def test_a_broker_answers_in_its_own_protocol():
    """RabbitMQ greets; what merely listens does not count."""
    await broker_probe(RABBITMQ)()

    def refuse(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listener:
        with pytest.raises(NotAmqp):
            await broker_probe(f"amqp://127.0.0.1:{listener.sockets[0].getsockname()[1]}//")()
    with pytest.raises(ConnectionError):
        await broker_probe("amqp://127.0.0.1:9//")()
