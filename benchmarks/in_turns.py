"""What something costs runs: the same chains with and without it, in turns, in one process."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.observability.logging import configure_logging
from agentflow.runtime.runs.schemas import RunStart
from agentflow.workflows.definitions.schemas import WorkflowCreate
from benchmarks.report import Figure
from benchmarks.setting import postgres
from benchmarks.specs import chain

ROUNDS, RUNS, AT_ONCE = 8, 400, 64
MOST_PERCENT = 10.0

Switch = Callable[[bool], None]
"""Turns what is measured on and off."""


def measure(what: str, switch_of: Callable[[Container], Switch], *, sqlite: bool = True) -> list[Figure]:
    """Measure on PostgreSQL, and on SQLite unless that has no part in it; ``what`` is the thing in words."""
    configure_logging("error", "console")
    figures = []
    with ExitStack() as stack:
        urls = [("SQLite", None)] if sqlite else []
        for name, url in (*urls, ("PostgreSQL", stack.enter_context(postgres()))):
            with tempfile.TemporaryDirectory() as folder:
                figures += asyncio.run(_measure(Settings(data_dir=Path(folder), database_url=url), f"{what}, {name}", switch_of))
    return figures


async def _measure(settings: Settings, what: str, switch_of: Callable[[Container], Switch]) -> list[Figure]:
    async with open_container(settings) as container:
        subject = Subject(container.owner.tenant_id, container.owner.user_id, ALL_PERMISSIONS, "owner")
        await container.workflows.create(subject, WorkflowCreate(spec=chain(10)))
        switch = switch_of(container)
        await _round(container, subject)
        rates: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * ROUNDS):
            on = number % 4 in (0, 3)  # neither of the two comes always first
            switch(on)
            rates[on].append(await _round(container, subject))
        switch(True)
    with_it, without = median(rates[True]), median(rates[False])
    cost = (without - with_it) / without * 100
    return [
        Figure(f"10-node chain with {what}", with_it, "runs/s", floor=without, floor_name="without"),
        Figure(f"cost of {what}", cost, "%", f"≤ {MOST_PERCENT:g} %", cost <= MOST_PERCENT),
    ]


async def _round(container: Container, subject: Subject) -> float:
    """Run the chain many times, many at a time, read each as a client does, and return the runs in a second."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            run = await container.runs.start_stored(subject, "chain", RunStart())
            await container.runs.wait(subject, run.id, 30)
            ended = await container.runs.get(subject, run.id)
            assert ended.status.value == "succeeded", ended

    begin = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(RUNS)))
    return RUNS / (time.perf_counter() - begin)
