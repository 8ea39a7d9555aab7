"""A cluster of real processes on one PostgreSQL database and one broker, with a client of its API."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from scripts.launching import Launch, forked
from scripts.server_process import ServerProcess, WorkerProcess
from tests.acceptance.client import Client
from tests.databases import new_postgres

BROKERS = {
    "rabbitmq": os.environ.get("AGENTFLOW_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
    "redis": os.environ.get("AGENTFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
}
NOBODY = "amqp://guest:guest@127.0.0.1:9//"
"""A broker that is not there."""

# Short, so that a test need not wait ten seconds for the end of a lease.
QUICK = {
    "lease_s": "3",
    "lease_renew_s": "0.5",
    "sweep_interval_s": "0.5",
    "shutdown_grace_s": "2",
    "http_allowed_hosts": "127.0.0.1",
}


class Cluster:
    """One server and as many workers as asked for; all of them end with it.

    Args:
        folder: for their data folders.
        url: the database; empty for SQLite in the server's data folder.
        broker: the broker's URL; empty for a server that drives its runs itself.
        settings: further settings of all processes.
        launch: how they are started; forks of a process that has imported the program start in a tenth of the time.
    """

    def __init__(self, folder: Path, url: str, broker: str, settings: Mapping[str, str], launch: Launch = forked) -> None:
        self._launch = launch
        self.url = url
        self._folder = folder
        self._settings = {**settings, **({"broker_url": broker} if broker else {})}
        self.api = ServerProcess(folder / "api", url or None, self._settings, launch=launch)
        self.workers: list[WorkerProcess] = []

    @property
    def database(self) -> str:
        """Return the URL of the database, also of one in the data folder."""
        return self.api.database_url

    @property
    def processes(self) -> list[ServerProcess]:
        """Return every process."""
        return [self.api, *self.workers]

    def change(self, settings: Mapping[str, str]) -> None:
        """Let processes have other settings from their next start on."""
        self._settings = {**self._settings, **settings}
        for process in self.processes:
            process.settings |= settings

    def start(self, workers: int) -> None:
        """Start the server and some workers."""
        self.api.start()
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> WorkerProcess:
        """Start one more worker."""
        worker = WorkerProcess(self._folder / f"worker{len(self.workers)}", self.url, self._settings, launch=self._launch)
        self.workers.append(worker)
        worker.start()
        return worker

    def close(self) -> None:
        """End every process."""
        for process in (*self.workers, self.api):
            process.kill()


@contextmanager
def cluster(folder: Path, broker: str, workers: int = 1, *, launch: Launch = forked, **settings: str) -> Iterator[Cluster]:
    """Start a cluster."""
    with ExitStack() as stack:
        made = Cluster(folder, stack.enter_context(new_postgres()), broker, {**QUICK, **settings}, launch)
        stack.callback(made.close)
        made.start(workers)
        yield made


@asynccontextmanager
async def client_of(made: Cluster) -> AsyncIterator[Client]:
    """Give a client of the cluster's server."""
    client = Client(made.api)
    yield client
    await client.close()
