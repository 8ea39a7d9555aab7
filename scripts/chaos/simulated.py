"""Killing the program at every write, thousands of times, in a simulation."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.chaos import campaign, report
from tests.chaos.campaign import Campaign, Coordinates, Tally, case_of
from tests.chaos.corpus import corpus

PAGE = Path(__file__).parents[2] / "docs" / "discussions" / "crash-report.md"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to the command line."""
    make = commands.add_parser("enumerate", help="kill at every point of a corpus of workflows, 20,000 times and more")
    make.add_argument("--seed", type=int, default=0, help="first seed")
    make.add_argument("--seeds", type=int, default=6, help="how many seeds; each is another interleaving")
    make.add_argument("--share", type=float, default=1.0, help="share of the points that are tried")
    make.add_argument("--twice", type=float, default=0.5, help="share of the recoveries that are killed again")
    make.add_argument("--case", default="", help="only cases with this in their name")
    make.add_argument("--processes", type=int, default=2)
    make.add_argument("--keep", action="store_true", help="write the result into the report")
    make.set_defaults(do=enumerate_)
    again = commands.add_parser("replay", help="make one death happen again")
    again.add_argument("coordinates", help="as a campaign prints them: fan/once@3:17")
    again.set_defaults(do=replay)
    page = commands.add_parser("report", help="write the list of crash points into docs/discussions/crash-report.md")
    page.add_argument("--check", action="store_true", help="only say whether it is current")
    page.set_defaults(do=write)


def part(cases: Sequence[str], seed: int, share: float, twice: float) -> Tally:
    """Run the deaths of some cases under one seed, in a process of its own."""
    return campaign.run([case_of(name) for name in cases], [seed], share=share, twice=twice)


def parts(names: Sequence[str], seeds: Sequence[int], size: int = 8) -> Iterator[tuple[Sequence[str], int]]:
    """Cut a campaign into parts that take some seconds each."""
    for seed in seeds:
        for start in range(0, len(names), size):
            yield names[start : start + size], seed


def enumerate_(options: argparse.Namespace) -> int:
    """Run a campaign, print every broken promise with its coordinates, and keep the result if asked to; returns the exit code."""
    begin, total = time.monotonic(), Tally()
    names = [case.name for case in corpus() if options.case in case.name]
    work = list(parts(names, range(options.seed, options.seed + options.seeds)))
    try_part = partial(part, share=options.share, twice=options.twice)
    with ProcessPoolExecutor(options.processes) as pool:
        for done, tally in enumerate(pool.map(try_part, *zip(*work, strict=True)), start=1):
            total.add(tally)
            for at, broken in tally.failures.items():
                print(at, *broken, sep="\n  ")
            print(f"{done}/{len(work)}: {total.summary()}", flush=True)
    flags = f"--seed {options.seed} --seeds {options.seeds} --share {options.share:g} --twice {options.twice:g}"
    command = f"python -m scripts.chaos enumerate {flags}" + (f" --case {options.case}" if options.case else "")
    result = f"`{command}`: {total.summary()}, in {time.monotonic() - begin:.0f} s on {datetime.now(UTC):%Y-%m-%d}."
    print(result)
    if options.keep:
        PAGE.write_text(report.with_result(PAGE.read_text(), result))
    return 1 if total.failures else 0


def replay(options: argparse.Namespace) -> int:
    """Make one scenario happen again and show its end; returns the exit code."""
    at = Coordinates.parse(options.coordinates)
    with campaign.simulator() as simulator:
        recording, broken = Campaign(simulator).replay(case_of(at.case), at)
    print(report.course(recording))
    print(*broken or ["nothing is broken"], sep="\n")
    return 1 if broken else 0


def write(options: argparse.Namespace) -> int:
    """Write the list of crash points, or check it; returns the exit code."""
    text = report.enumeration()
    if options.check:
        if report.enumeration_of(PAGE.read_text()) == text:
            return 0
        print(f"{PAGE} is not what the program does now: run `python -m scripts.chaos report`", file=sys.stderr)
        return 1
    old = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(report.with_result(text, report.result_of(old)))
    return 0
