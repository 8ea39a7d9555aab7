"""Campaigns against real processes: servers, workers, PostgreSQL and brokers that die or forget."""

import argparse
import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from scripts.launching import Launch, executed, forked
from tests.acceptance.campaigns import kills, queued, restarts, wiped
from tests.acceptance.cluster import BROKERS, Cluster
from tests.acceptance.sink import Sink
from tests.databases import new_postgres
from tests.support.postgres_server import postgres_process

DATABASES = ("sqlite", "postgresql")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the command line."""
    dies = commands.add_parser("kills", help="kill -9 of servers and workers, with runs in flight")
    dies.add_argument("--kills", type=int, default=1_000, help="how many, over all places")
    dies.add_argument("--in-flight", type=int, default=50, help="runs that are under way all the time")
    dies.add_argument("--uptime", type=float, default=5.0, metavar="S", help="longest time between two deaths, in seconds")
    dies.add_argument("--where", choices=["all", *DATABASES, "cluster"], default="all", help="a server alone, or with two workers")
    dies.set_defaults(do=kill)
    falls = commands.add_parser("restarts", help="PostgreSQL crashes every 5 to 40 seconds")
    falls.add_argument("--runs", type=int, default=25_000)
    falls.add_argument("--between", type=float, nargs=2, default=(5.0, 40.0), metavar="S", help="shortest and longest time between crashes")
    falls.add_argument("--workers", type=int, default=1, help="worker processes; 0 for a server that drives its runs itself")
    falls.set_defaults(do=restart)
    forgets = commands.add_parser("broker", help="the broker loses everything while runs are queued")
    forgets.add_argument("--runs", type=int, default=10_000)
    forgets.add_argument("--broker", choices=["all", *BROKERS], default="all")
    forgets.set_defaults(do=wipe)
    waits = commands.add_parser("queued", help="everything is killed while runs are queued")
    waits.add_argument("--runs", type=int, default=10_000)
    waits.add_argument("--repeats", type=int, default=1)
    waits.add_argument("--database", choices=["all", *DATABASES], default="all")
    waits.set_defaults(do=queue)
    for command in (dies, falls, forgets, waits):
        command.add_argument("--seed", type=int, default=None, help="decides the moments; another one each time unless given")


def kill(options: argparse.Namespace) -> int:
    """Kill servers and workers; returns the exit code."""
    seed = _seed(options)
    share = {"sqlite": options.kills // 4, "postgresql": options.kills // 4, "cluster": options.kills - 2 * (options.kills // 4)}
    failed = 0
    for where, number in share.items() if options.where == "all" else [(options.where, options.kills)]:
        size = kills.Kills(number, options.in_flight, seed, options.uptime, recovery_s=15.0 if where == "cluster" else 5.0)
        workers = 2 if where == "cluster" else 0
        with _fleet(where, BROKERS["rabbitmq"] if workers else "", kills.SETTINGS, workers) as (made, sink):
            failed += _report(f"kills on {where}, --seed {seed}", partial(kills.kill, made, sink, size))
    return failed


def restart(options: argparse.Namespace) -> int:
    """Crash PostgreSQL; returns the exit code."""
    seed = _seed(options)
    size = restarts.Restarts(options.runs, least=2, seed=seed, between_s=tuple(options.between))
    with postgres_process() as postgres, _folder() as folder, Sink(folder / "sink.jsonl") as sink:
        made = Cluster(folder, postgres.url, BROKERS["rabbitmq"] if options.workers else "", restarts.SETTINGS)
        try:
            made.start(options.workers)
            return _report(f"restarts of PostgreSQL, --seed {seed}", lambda: restarts.restart(made, postgres, sink, size))
        finally:
            made.close()


def wipe(options: argparse.Namespace) -> int:
    """Wipe brokers; returns the exit code."""
    failed = 0
    for name in BROKERS if options.broker == "all" else [options.broker]:
        size = wiped.Wiped(options.runs, workers=2, within_s=60 + options.runs / 10)
        with _fleet("postgresql", BROKERS[name], wiped.SETTINGS, 0) as (made, sink):
            failed += _report(f"{name} wiped", partial(wiped.wipe, made, BROKERS[name], sink, size))
    return failed


def queue(options: argparse.Namespace) -> int:
    """Kill everything with runs in the queue; returns the exit code."""
    failed = 0
    for where in DATABASES if options.database == "all" else [options.database]:
        for _ in range(options.repeats):
            size = queued.Queued(options.runs, within_s=60 + options.runs / 20)
            with _fleet(where, "", queued.HELD, 0, executed) as (made, sink):
                failed += _report(f"queued on {where}", partial(queued.queue, made, sink, size))
    return failed


def _seed(options: argparse.Namespace) -> int:
    return random.randrange(10**6) if options.seed is None else int(options.seed)  # noqa: S311 - any will do


def _report(name: str, campaign: Callable[[], Awaitable[str]]) -> int:
    """Run a campaign and print what came of it; returns 1 when a promise was broken."""
    print(f"{name} …", flush=True)
    try:
        print(f"{name}: {asyncio.run(_of(campaign))}", flush=True)
    except AssertionError as broken:
        print(f"{name}: BROKEN: {broken}", flush=True)
        return 1
    return 0


async def _of(campaign: Callable[[], Awaitable[str]]) -> str:
    return await campaign()


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agentflow-chaos-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def _fleet(where: str, broker: str, settings: dict[str, str], workers: int, launch: Launch = forked) -> Iterator[tuple[Cluster, Sink]]:
    """Give started processes on a new database, and a sink."""
    with _folder() as folder, Sink(folder / "sink.jsonl") as sink, nullcontext("") if where == "sqlite" else new_postgres() as url:
        made = Cluster(folder, url, broker, settings, launch)
        try:
            made.start(workers)
            yield made, sink
        finally:
            made.close()
