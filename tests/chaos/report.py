"""docs/discussions/crash-report.md: where the program can die, and what came of the last campaign. And one course, in words."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from agentflow.spec.effects import EffectClass
from tests.chaos import campaign
from tests.chaos.campaign import Campaign, Tally
from tests.chaos.corpus import corpus
from tests.chaos.record import Recording

_HEAD = """# Crash report

Where the program can die, and what happens then. Each workflow of the corpus is run once in a simulation that notes every moment at which
the process could die: before and after each commit, and before and after each effect in the outside world. Then, for each of these moments,
a new process is started on exactly what the dead one left on disk, and everything must end as without a death: the same outcome, effects as
their class promises, logs without a gap, no finished node run again, no run left behind. Questions about unknown outcomes must be asked
exactly where the outcome is unknown; the simulated person looks into the outside world and answers.

This page is written by `python -m scripts.chaos report`; a test holds it to be current. `make chaos ARGS=enumerate` kills, and prints
the coordinates of every broken promise; `python -m scripts.chaos replay fan/once@0:17` makes one death happen again.
"""
_RESULT = "\n## The last campaign\n"
_NOT_RUN = "Not run yet."
_DIGEST = "digest of all courses"

Facts = Mapping[str, str]
"""What the page says of one effect class: numbers by what they count, and the digest of its courses."""


def enumeration() -> str:
    """Return the page without the result of a campaign."""
    with campaign.simulator() as simulator:
        made = Campaign(simulator)
        for case in corpus():
            made.record(case, 0)
    columns = {kind: facts(made.tally, kind) for kind in EffectClass}
    flows = dict.fromkeys(case.name.partition("/")[0] for case in corpus())
    writes = sorted({name.replace("+", ", ") for _, name in made.tally.points})
    total = f"{made.tally.points.total()} points in {len(corpus())} cases."
    by_flow = _table("Crash points by workflow and effect class", "workflow", flows, columns)
    by_write = _table("Crash points by what was being written", "written together", writes, columns)
    digests = _table("Courses", "", [_DIGEST], columns)
    return "\n".join([_HEAD, *by_flow, "", total, "", *by_write, "", *digests, ""])


def facts(tally: Tally, kind: EffectClass) -> Facts:
    """Return what the recordings of one effect class came to, seed 0."""
    counts: Counter[str] = Counter()
    for (case, written), count in tally.points.items():
        flow, _, of = case.partition("/")
        if of == kind:
            counts[flow] += count
            counts[written.replace("+", ", ")] += count
    courses = "\n".join(f"{name} {trace}" for name, trace in sorted(tally.traces.items()) if name.endswith(f"/{kind}@0"))
    return {name: str(count) for name, count in counts.items()} | {_DIGEST: f"`{hashlib.sha256(courses.encode()).hexdigest()[:16]}`"}


def facts_of(page: str, kind: EffectClass) -> Facts:
    """Return what a page says of one effect class."""
    place = list(EffectClass).index(kind) + 1
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if re.match(r"\| \S", line)]
    return {cells[0]: cells[place] for cells in rows if cells[place] not in {*EffectClass, "0"}}


def _table(title: str, first: str, names: "Mapping[str, None] | list[str]", columns: Mapping[EffectClass, Facts]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"| {first} | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)
    for name in names:
        yield f"| {name} | {' | '.join(column.get(name, '0') for column in columns.values())} |"


def enumeration_of(page: str) -> str:
    """Return a page without the result of a campaign."""
    return page.partition(_RESULT)[0]


def result_of(page: str) -> str:
    """Return the result of a campaign that stands on a page."""
    return page.partition(_RESULT)[2].strip() or _NOT_RUN


def with_result(page: str, result: str) -> str:
    """Return a page with the result of a campaign."""
    return f"{enumeration_of(page)}{_RESULT}\n{result}\n"


def course(recording: Recording) -> str:
    """Return what a simulation came to, for a person who looks for a fault."""
    lines = [f"point {point} at {point.at:%H:%M:%S.%f}" for point in recording.points]
    lines += [f"effect {effect.kind} of {effect.key}" for effect in recording.effects]
    for run in recording.runs.values():
        lines.append(f"run {run.id} of {run.key or run.parent}: {run.status}, outputs {run.outputs}, error {run.error}")
        lines += [f"  node {node}#{iteration}: {stored.status}, {stored.output}" for (node, iteration), stored in run.nodes.items()]
        lines += [f"  event {seq} {type_} {node or ''}" for seq, type_, node, _ in run.events]
        lines += [f"  {asked.kind} {asked.node}#{asked.iteration} round {asked.round}: {asked.status}" for asked in run.interrupts]
    return "\n".join(lines)
