"""docs/discussions/crash-report.md: where the program can die, and what came of the last campaign. And one course, in words."""

import hashlib
from collections import Counter
from collections.abc import Iterator

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

This page is written by `python -m scripts.chaos report`; a test holds it to be current. `python -m scripts.chaos crash` kills, and prints
the coordinates of every broken promise; `python -m scripts.chaos replay fan/once@0:17` makes one death happen again.
"""
_RESULT = "\n## The last campaign\n"
_NOT_RUN = "Not run yet."


def enumeration() -> str:
    """Return the page without the result of a campaign."""
    with campaign.simulator() as simulator:
        made = Campaign(simulator)
        for case in corpus():
            made.record(case, 0)
    return "\n".join([_HEAD, *_by_case(made.tally), "", *_by_kind(made.tally), "", _digest(made.tally), ""])


def _by_case(tally: Tally) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for (case, _), count in tally.points.items():
        counts[case] += count
    flows = dict.fromkeys(case.name.partition("/")[0] for case in corpus())
    yield "## Crash points by workflow and effect class\n"
    yield f"| workflow | {' | '.join(EffectClass)} |"
    yield "|---|" + "---:|" * len(EffectClass)
    for flow in flows:
        yield f"| {flow} | {' | '.join(str(counts[f'{flow}/{kind}']) for kind in EffectClass)} |"
    yield f"\n{counts.total()} points in {len(corpus())} cases."


def _by_kind(tally: Tally) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for (_, kind), count in tally.points.items():
        counts[kind] += count
    yield "## Crash points by what was being written\n"
    yield "| written together | points |"
    yield "|---|---:|"
    for kind, count in sorted(counts.items()):
        yield f"| {kind.replace('+', ', ')} | {count} |"


def _digest(tally: Tally) -> str:
    courses = "\n".join(f"{name} {trace}" for name, trace in sorted(tally.traces.items()))
    return f"Digest of all courses: `{hashlib.sha256(courses.encode()).hexdigest()[:16]}`."


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
