"""A server on a Redis Cluster, one node of which dies while runs are under way."""

import asyncio

import httpx
import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.campaigns.audit import audit
from tests.acceptance.client import Client
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import branches, chain
from tests.support.redis_cluster import ClusterProcesses, mortal_cluster

__all__ = ["mortal_cluster"]

RUNS = 40


@pytest.fixture
def server_settings(mortal_cluster: ClusterProcesses) -> dict[str, str]:
    """Give a server whose checkpoints, sessions and limits are in the cluster."""
    return {"redis_url": mortal_cluster.url, "checkpoint_tier": "redis"}


@pytest.mark.slow
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
async def test_a_node_of_redis_dies_and_another_takes_its_place(
    server: ServerProcess, client: Client, sink: Sink, mortal_cluster: ClusterProcesses
) -> None:
    """Every run ends, no finished node runs again, and the server is ready again as soon as the keys of the node have a new one."""
    workflows = [await client.store(chain(sink)), await client.store(branches(sink))]
    starting = [asyncio.create_task(client.start(workflows[n % 2], str(n))) for n in range(RUNS)]
    await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(mortal_cluster.kill, 0)
    await asyncio.gather(*starting)
    for run_id in client.promised.values():
        await client.ended(run_id)
    await audit(server.database_url, client.promised, sink.hits)
    await asyncio.to_thread(mortal_cluster.taken_over, 0)
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}) as http:
        assert (await http.get("/health/ready")).status_code == 200
        await client.start(workflows[0], "afterwards")
        await client.ended(client.promised["afterwards"])
        while "agentflow_checkpoint_tier_up 1.0" not in (await http.get("/metrics")).text:  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.1)
