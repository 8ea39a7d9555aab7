"""kill -9 at random moments, a hundred times over all places, with runs in flight all the time; ``make chaos ARGS=kills`` does it a thousand times.

``AGENTFLOW_CRASH_KILLS`` sets how many kills there are on each database, ``AGENTFLOW_CRASH_IN_FLIGHT`` how many runs are under way,
``AGENTFLOW_CRASH_SEED`` repeats the moments of the kills.
"""

import os
import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.acceptance.campaigns.kills import SETTINGS, Kills, kill
from tests.acceptance.cluster import BROKERS, Cluster
from tests.acceptance.sink import Sink
from tests.databases import new_postgres

KILLS = int(os.environ.get("AGENTFLOW_CRASH_KILLS", "34"))
SEED = int(os.environ.get("AGENTFLOW_CRASH_SEED", random.randrange(10**6)))
IN_FLIGHT = int(os.environ.get("AGENTFLOW_CRASH_IN_FLIGHT", "20"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 10 * KILLS)]


@pytest.fixture(params=["sqlite", "postgresql", "cluster"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """Give a server alone, on either database, and a server with two workers on PostgreSQL and RabbitMQ."""
    with nullcontext("") if request.param == "sqlite" else new_postgres() as url:
        made = Cluster(tmp_path, url, BROKERS["rabbitmq"] if request.param == "cluster" else "", SETTINGS)
        made.start(2 if request.param == "cluster" else 0)
        yield made
        made.close()


async def test_kill_9_loses_nothing_and_repeats_nothing(fleet: Cluster, sink: Sink) -> None:
    """Runs are started all the time, and any process dies at random moments: every accepted run ends, and is taken up again in time."""
    print(f"AGENTFLOW_CRASH_SEED={SEED} AGENTFLOW_CRASH_KILLS={KILLS} AGENTFLOW_CRASH_IN_FLIGHT={IN_FLIGHT}")  # noqa: T201 - repeats a failure
    size = Kills(KILLS, IN_FLIGHT, SEED, uptime_s=1.2, recovery_s=15.0 if fleet.workers else 5.0)
    print(await kill(fleet, sink, size))  # noqa: T201 - what the trial covered
