"""News between processes: what one says about its runs, the readers and workers of the others hear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import psycopg

from agentflow.infra.db.engine import database_url
from agentflow.infra.db.news import News
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.journal.bus import RunNews
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.states import EventType
from tests.databases import POSTGRES

RUN = new_id()


class Worker:
    """The worker of a process, as news see it."""

    def __init__(self) -> None:
        self.driven: set[str] = set()
        self.asked: asyncio.Queue[str] = asyncio.Queue()

    def cancel(self, run_id: str) -> bool:
        self.asked.put_nowait(run_id)
        return True

    def drives(self, run_id: str) -> bool:
        return run_id in self.driven

    def poke(self, run_id: str) -> bool:
        self.asked.put_nowait(f"poke {run_id}")
        return True

    def look(self) -> None:
        self.asked.put_nowait("look")


class Process:
    """A process that hears and speaks."""

    def __init__(self) -> None:
        self.hub, self.worker = LiveHub(), Worker()
        self.news = RunNews(database_url(POSTGRES), self.hub, self.worker)
        self.hub.elsewhere = self.news


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Process, Process]]:
    """Give two processes that hear one another."""
    processes = Process(), Process()
    for process in processes:
        process.news.start()
        await process.news._news.connected.wait()
    try:
        yield processes
    finally:
        for process in processes:
            await process.news.stop()


def token(text: str) -> Event:
    """Return streamed text."""
    return Event(seq=3, run_id=RUN, type=EventType.NODE_TOKEN, node_id="answer", at=SystemClock().now(), data={"text": text})


async def test_text_reaches_a_reader_in_another_process(postgres_url: str):
    """Once a reader is known, streamed text is sent to it, long text in pieces; without a reader nothing is built."""
    async with two() as (driver, reader):
        assert not driver.hub.has_readers(RUN)
        driver.worker.driven.add(RUN)
        subscription = reader.hub.subscribe(RUN)
        assert await subscription.take(5) == []  # the driver answers that there may be more in the log
        assert driver.hub.has_readers(RUN)
        driver.hub.publish(RUN, [token("short"), token("é" * 9_000)])
        shown: list[Event] = []
        while sum(len(event.data["text"]) for event in shown) < 9_005:
            shown += await subscription.take(5)
    assert "".join(event.data["text"] for event in shown) == "short" + "é" * 9_000
    assert {event.node_id for event in shown} == {"answer"}


async def test_a_commit_wakes_readers_elsewhere(postgres_url: str):
    """Stored events are not sent: the reader is told to look into the log."""
    async with two() as (driver, reader):
        driver.worker.driven.add(RUN)
        subscription = reader.hub.subscribe(RUN)
        await subscription.take(5)  # the driver has heard of the reader
        driver.hub.publish(RUN, [token("x").model_copy(update={"type": EventType.NODE_COMPLETED})])
        assert await asyncio.wait_for(subscription.take(30), 5) == []


async def test_the_end_of_a_run_wakes_who_waits_elsewhere(postgres_url: str):
    """A request that waits in one process returns when another has ended the run."""
    async with two() as (driver, waiter):
        end = waiter.hub.end_of(RUN)
        driver.hub.ended(RUN)
        await asyncio.wait_for(end, 5)


async def test_a_cancellation_reaches_the_process_that_drives(postgres_url: str):
    """The request is heard by the others, not by who asks."""
    async with two() as (driver, asker):
        asker.news.cancel(RUN)
        assert await asyncio.wait_for(driver.worker.asked.get(), 5) == RUN
        assert asker.worker.asked.empty()


async def test_news_go_on_after_the_connection_was_cut(postgres_url: str):
    """A process whose connection breaks connects again by itself."""
    async with two() as (driver, waiter):
        with psycopg.connect(POSTGRES, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s", ['LISTEN "agentflow"%'])
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE ANY (%s)",
                [["%pg_notify%", "%listen%agentflow%"]],
            )
        end = waiter.hub.end_of(RUN)
        while not end.done():
            driver.hub.ended(RUN)
            await asyncio.wait([end], timeout=0.2)


def test_what_is_sent_together_fits_into_notifications():
    """Messages share a notification up to the limit of the server; one that is too large for any is dropped."""
    news = News(database_url(POSTGRES), lambda item: None)
    for number in range(500):
        news.send(["ended", f"{number:036}"])
    news.send(["live", "x" * 9_000])
    news.send(["ended", f"{0:036}"])
    payloads = news._payloads()
    assert all(len(payload.encode()) <= 7_900 for payload in payloads)
    assert sum(len(orjson.loads(payload)) for payload in payloads) == 500
    assert len(payloads) == 4
