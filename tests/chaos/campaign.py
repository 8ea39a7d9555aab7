"""Which deaths are tried: each at every point of every case, some of them twice, under as many seeds as asked for.

A scenario is named by its *coordinates*: ``fan/once@3:17`` is the case ``fan/once`` in the interleaving of seed 3, killed at point 17;
``fan/once@3:17:4`` is killed again at point 4 of its recovery. The coordinates alone make it happen again.
"""

import asyncio
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import structlog

import agentflow.compiler.graph
import agentflow.runtime.checkpoints.saver  # noqa: F401 - loaded here, not within simulated time
from agentflow.bootstrap.tables import METADATA
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from tests.chaos.corpus import Case, corpus
from tests.chaos.judge import broken
from tests.chaos.record import Act, Point, Recording, Simulator, Start
from tests.chaos.store import Camera, Image, lagging
from tests.chaos.world import Ledger, Process


@dataclass(frozen=True)
class Coordinates:
    """The name of a scenario."""

    case: str
    seed: int
    deaths: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ":".join([f"{self.case}@{self.seed}", *map(str, self.deaths)])

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """Read coordinates.

        Raises:
            ValueError: the text has another form.
        """
        case, _, rest = text.partition("@")
        seed, *deaths = map(int, rest.split(":"))
        return cls(case, seed, tuple(deaths))

    def then(self, point: int) -> "Coordinates":
        """Return these coordinates with one more death."""
        return Coordinates(self.case, self.seed, (*self.deaths, point))


@dataclass
class Tally:
    """What a campaign came to.

    Attributes:
        points: crash points found, by case and kind of write.
        scenarios: scenarios tried, by case and number of deaths.
        deaths: process deaths.
        failures: broken promises, by coordinates.
        traces: digest of the course without a crash, by case and seed.
    """

    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    scenarios: Counter[tuple[str, int]] = field(default_factory=Counter)
    deaths: int = 0
    failures: dict[str, list[str]] = field(default_factory=dict)
    traces: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Take over what another part of the campaign came to."""
        self.points += other.points
        self.scenarios += other.scenarios
        self.deaths += other.deaths
        self.failures |= other.failures
        self.traces |= other.traces

    def summary(self) -> str:
        """Return the figures in words."""
        return f"{self.scenarios.total():,} scenarios with {self.deaths:,} deaths, {len(self.failures)} of them with a broken promise"


class Campaign:
    """Tries deaths in one simulator.

    Args:
        simulator: where they happen.
        share: of the points of a case, the share at which it is killed.
        twice: of the recoveries of a case, the share that is killed again, at one point each.
    """

    def __init__(self, simulator: Simulator, *, share: float = 1.0, twice: float = 0.0) -> None:
        self._simulator = simulator
        self._share, self._twice = share, twice
        self.tally = Tally()

    def record(self, case: Case, seed: int, *, images: bool = True) -> Recording:
        """Run a case without a death and count its points; without ``images`` nobody can die there."""
        calm = self._simulator.run(case, self._simulator.empty, str(Coordinates(case.name, seed)), record=True, images=images)
        if calm.problem is not None:
            raise AssertionError(f"{case.name}@{seed} does not even work without a crash: {calm.problem}")
        self.tally.traces[f"{case.name}@{seed}"] = calm.trace
        for point in calm.points:
            self.tally.points[(case.name, point.kind)] += 1
        return calm

    def enumerate(self, case: Case, seed: int) -> None:
        """Kill at the points of a case."""
        calm = self.record(case, seed)
        for point in calm.points:
            at = Coordinates(case.name, seed).then(point.number)
            chance = Random(f"{at} chosen")
            if chance.random() >= self._share:
                continue
            again = chance.random() < self._twice
            recovered = self._try(case, calm, point, at, record=again)
            if again and recovered.points:
                second = chance.choice(recovered.points)
                self._try(case, calm, second, at.then(second.number), record=False)

    def lag(self, case: Case, seed: int, folder: Path) -> None:
        """Kill at the points of a case, and lose the newest checkpoints with the process.

        Args:
            case: what is run.
            seed: its interleaving.
            folder: where to work on what is left.
        """
        calm = self.record(case, seed)
        for point in calm.points:
            at = Coordinates(case.name, seed).then(point.number)
            chance = Random(f"{at} lags")
            if chance.random() < self._share:
                image = lagging(point.image, folder, chance.choice((1, 2, 3, 5)))
                self._try(case, calm, replace(point, image=image), at, record=False)

    def disturb(self, case: Case, seed: int, name: str, do: Callable[[Process, Ledger], Awaitable[None]], *, cancels: bool = False) -> None:
        """Do something at the points of a case, and let it go on.

        Args:
            case: what is run.
            seed: its interleaving.
            name: of what is done, for the coordinates.
            do: what is done.
            cancels: whether runs may end cancelled because of it.
        """
        calm = self.record(case, seed, images=False)
        start = str(Coordinates(case.name, seed))
        for point in calm.points:
            at = f"{name} at {Coordinates(case.name, seed).then(point.number)}"
            if Random(at).random() >= self._share:
                continue
            after = self._simulator.run(case, self._simulator.empty, start, record=False, act=Act(point.number, do))
            self.tally.scenarios[(case.name, 0)] += 1
            found = broken(case, calm, after, cancelled=cancels)
            if found:
                self.tally.failures[at] = [str(point), *found]

    def replay(self, case: Case, at: Coordinates) -> tuple[Recording, list[str]]:
        """Make one scenario happen again; returns what came of it, and which promises were broken."""
        calm = last = self.record(case, at.seed)
        so_far = Coordinates(at.case, at.seed)
        for number in at.deaths:
            so_far = so_far.then(number)
            last = self._try(case, calm, last.points[number], so_far, record=True)
        return last, broken(case, calm, last) if at.deaths else []

    def _try(self, case: Case, calm: Recording, point: Point, at: Coordinates, *, record: bool) -> Recording:
        recovered = self._simulator.run(case, Start.after(point, Random(f"{at} away")), str(at), record=record)
        self.tally.scenarios[(case.name, len(at.deaths))] += 1
        self.tally.deaths += len(at.deaths)
        found = broken(case, calm, recovered)
        if found:
            self.tally.failures[str(at)] = [f"killed {point}", *found]
        return recovered


@contextmanager
def simulator() -> Iterator[Simulator]:
    """Give a simulator in a folder of its own, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="agentflow-chaos-", dir=memory if memory.is_dir() else None))
    # Thousands of deaths would each be logged.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        made = Simulator(folder, empty_store(folder / "empty"))
        try:
            yield made
        finally:
            made.close()
    finally:
        structlog.reset_defaults()
        shutil.rmtree(folder)


def empty_store(folder: Path) -> Image:
    """Return the image of an empty, migrated database."""

    async def make() -> None:
        database = Database(f"sqlite:///{folder / 'agentflow.db'}")
        await migrate.prepare(database, METADATA)
        await database.close()

    asyncio.run(make())
    return Camera(folder).take()


def case_of(name: str) -> Case:
    """Return a case by its name.

    Raises:
        KeyError: there is none.
    """
    return {case.name: case for case in corpus()}[name]


def run(cases: Sequence[Case], seeds: Sequence[int], *, share: float, twice: float) -> Tally:
    """Run a campaign in this process; see ``Campaign``."""
    with simulator() as made:
        campaign = Campaign(made, share=share, twice=twice)
        for seed in seeds:
            for case in cases:
                campaign.enumerate(case, seed)
        return campaign.tally
