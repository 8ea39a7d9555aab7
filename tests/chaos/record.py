"""Running a case in a simulation, and writing down every moment at which the process could die."""

import asyncio
import hashlib
import random
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from unittest.mock import patch

from tests.chaos import store
from tests.chaos.corpus import Case
from tests.chaos.effects import Effect
from tests.chaos.loop import SimulatedLoop
from tests.chaos.sqlite import Watcher, open_store, opened_here
from tests.chaos.store import NOTHING, Camera, Image, StoredRun
from tests.chaos.world import BEGIN, Client, Ledger, Process, Program

LONGEST_S = 900.0
"""Simulated seconds after which a case counts as hanging."""


CHILDREN_END_S = 10.0
"""Simulated seconds that children may take to end after their parents were stopped."""


@dataclass(frozen=True)
class Point:
    """A moment at which the process could die, and all that would be left of it.

    Attributes:
        number: its place in the recording, from 0.
        kind: what was being written.
        through: whether the write had been made; if not, it was about to be.
        image: the disk.
        effects: what had happened in the outside world.
        ledger: what the client knew.
        at: the time.
    """

    number: int
    kind: str
    through: bool
    image: Image
    effects: Sequence[Effect]
    ledger: Ledger
    at: datetime

    def __str__(self) -> str:
        return f"{self.number} {'after' if self.through else 'before'} {self.kind}"


@dataclass(frozen=True)
class Start:
    """From where a simulation sets out: an empty world, or what a death left."""

    image: Image
    effects: Sequence[Effect] = ()
    ledger: Ledger = field(default_factory=Ledger)
    begin: datetime = BEGIN

    @classmethod
    def after(cls, point: Point, chance: Random) -> "Start":
        """Return the world after a death, once the process has been away for a while."""
        away = timedelta(seconds=chance.choice((0.0, 1.0, 30.0)))
        return cls(point.image, point.effects, point.ledger.copy(), point.at + away)


@dataclass
class Recording:
    """What a simulation came to.

    Attributes:
        before: the store at its begin.
        known_effects: how many effects had happened by then.
        runs: the store at its end.
        effects: everything that happened in the outside world, also before its begin.
        ledger: what the client knows at the end.
        points: where it could have died; empty when nobody asked.
        problem: why it did not come to its end, or None.
    """

    before: dict[str, StoredRun]
    known_effects: int
    runs: dict[str, StoredRun]
    effects: list[Effect]
    ledger: Ledger
    points: list[Point]
    problem: str | None = None

    @property
    def trace(self) -> str:
        """Return a digest of the kinds of all points, in order: equal for equal courses."""
        return hashlib.sha256("\n".join(map(str, self.points)).encode()).hexdigest()[:12]


@dataclass
class Act:
    """Something that is done at one point of a course, beside it.

    Attributes:
        point: number of the point.
        do: what is done; given the process and what the client knows.
    """

    point: int
    do: Callable[[Process, Ledger], Awaitable[None]]


class Simulator:
    """Simulations, one after the other, on one loop and one folder."""

    def __init__(self, folder: Path, empty: Image) -> None:
        self.empty = Start(empty)
        self._folder = folder / "data"
        self._loop = SimulatedLoop()
        asyncio.set_event_loop(self._loop)
        self._program = self._loaded()

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()
        asyncio.set_event_loop(None)

    def run(self, case: Case, start: Start, seed: str, *, record: bool, images: bool = True, act: Act | None = None) -> Recording:
        """Run a case from ``start`` until all its runs have ended and the process has stopped.

        Args:
            case: what the client does.
            start: what was there before.
            seed: decides the interleaving.
            record: whether to note the points at which the process could die.
            images: whether to keep what would be left of it there.
            act: what is done at one of these points.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        start.image.lay_down(self._folder)
        before = store.read(self._folder)
        self._loop.chance = Random(seed)
        random.seed(seed)
        watcher, book, ledger, points = Watcher(), self._program.book, start.ledger.copy(), list[Point]()
        book.effects = list(start.effects)
        problem = None
        camera = Camera(self._folder) if images else None
        with opened_here(watcher), patch.object(time, "monotonic", self._loop.time):
            try:
                self._loop.run_until_complete(self._live(case, start, watcher, ledger, points if record else None, act, camera))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it is what the simulation came to
                problem = _named(error)
            finally:
                watcher.told = book.watch = None
                watcher.close_all()
        if problem is not None:
            self._program = self._loaded()  # what is left of the one before may hold locks
        return Recording(before, len(start.effects), store.read(self._folder), book.effects, ledger, points, problem)

    def _loaded(self) -> Program:
        """Return the program after its first connection, which asks the database more than later ones: each start must take the same time."""
        program, watcher = Program(self._folder), Watcher()

        async def connect() -> None:
            async with program.database.engine.connect():
                pass
            await program.database.close()

        shutil.rmtree(self._folder, ignore_errors=True)
        self.empty.image.lay_down(self._folder)
        with opened_here(watcher):
            self._loop.run_until_complete(connect())
            watcher.close_all()
        return program

    async def _live(
        self,
        case: Case,
        start: Start,
        watcher: Watcher,
        ledger: Ledger,
        points: list[Point] | None,
        act: Act | None,
        camera: Camera | None,
    ) -> None:
        process = Process(self._program, case, start.begin)
        book, numbers, acts = self._program.book, count(), list[asyncio.Task[None]]()

        def note(kind: str, through: bool) -> None:
            number = next(numbers)
            if points is not None:
                image = NOTHING if camera is None else camera.take()
                points.append(Point(number, kind, through, image, tuple(book.effects), ledger.copy(), process.clock.now()))
            if act is not None and act.point == number:
                acts.append(self._loop.create_task(act.do(process, ledger)))

        await process.start()
        if points is not None or act is not None:
            watcher.told = book.watch = note
        try:
            with closing(open_store(self._folder)) as eyes:
                async with asyncio.timeout(LONGEST_S):
                    await Client(case, ledger, book, eyes).work(process.runs)
                    await asyncio.gather(*acts)
                    await _stillness(eyes)
        finally:
            await process.stop()


async def _stillness(eyes: sqlite3.Connection) -> None:
    """Wait until no run is under way any more: children end after their parents when these are stopped."""
    live = "SELECT count(*) FROM runs WHERE status IN ('queued', 'running', 'waiting')"
    end = asyncio.get_running_loop().time() + CHILDREN_END_S
    while eyes.execute(live).fetchone()[0] and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - simulated time passes by itself
        await asyncio.sleep(0.5)


def _named(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
