"""What must hold after a crash, whatever was being written when it came. Each broken promise is one line of text."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from agentflow.spec.effects import EffectClass
from tests.chaos.corpus import Case
from tests.chaos.record import Recording
from tests.chaos.store import StoredRun

_ENDS = {"succeeded": "run.succeeded", "failed": "run.failed", "cancelled": "run.cancelled", "timed_out": "run.timed_out"}


def broken(case: Case, calm: Recording, after: Recording, *, cancelled: bool = False) -> list[str]:
    """Return what does not hold of a course that was disturbed.

    Args:
        case: what was run.
        calm: the same case undisturbed.
        after: the course.
        cancelled: whether somebody cancelled the runs, so that this is a lawful end.
    """
    if after.problem is not None:
        return [f"it did not come to its end: {after.problem}"]
    return [
        *_lost(case, after),
        *_states(case, calm, after, cancelled=cancelled),
        *_attention(case, after),
        *_logs(after),
        *_effects(after),
        *_repeated(after),
    ]


def _attention(case: Case, after: Recording) -> Iterator[str]:
    """Hold questions about unknown outcomes to be asked exactly where a node that may happen once had begun and nothing tells how it ended."""
    asked = {place for run in after.runs.values() for place in _questions(run) - _questions(after.before.get(run.id))}
    unknown = {
        (run.id, node, iteration)
        for run in after.before.values()
        for (node, iteration), stored in run.nodes.items()
        if not run.is_terminal and stored.type == "once_effect" and not stored.is_final and stored.status != "waiting"
    }
    must = {place for place in unknown if after.runs[place[0]].status == "succeeded"}
    if not must <= {place[:3] for place in asked} <= unknown:
        yield f"attention: a person was asked about {sorted(asked)}, unknown was {sorted(unknown)}"


def _questions(run: StoredRun | None) -> set[tuple[str, str, int, int]]:
    return set() if run is None else {(*item.place, item.round) for item in run.interrupts if item.kind == "attention"}


def _lost(case: Case, after: Recording) -> Iterator[str]:
    for key, run_id in after.ledger.accepted.items():
        if run_id not in after.runs:
            yield f"lost: the accepted run {key}"
    asked = Counter(run.key for run in after.runs.values() if run.parent is None)
    if asked != Counter(submission.key for submission in case.submissions):
        yield f"lost or doubled: runs by key are {dict(asked)}"
    parents = Counter(run.parent for run in after.runs.values() if run.parent is not None)
    if any(count > 1 for count in parents.values()):
        yield "doubled: a node has two child runs"


def _states(case: Case, calm: Recording, after: Recording, *, cancelled: bool) -> Iterator[str]:
    wanted, found = _trees(calm), _trees(after)
    for submission in case.submissions:
        run = after.runs[after.ledger.accepted[submission.key]]
        if not run.is_terminal:
            yield f"stuck: run {submission.key} is {run.status}"
        may_be_cancelled = cancelled or submission.cancel_at_s is not None
        if found[submission.key] != wanted[submission.key] and not (may_be_cancelled and run.status == "cancelled"):
            yield f"divergent: run {submission.key} came to {found[submission.key]}, without a crash to {wanted[submission.key]}"
        if submission.key in after.ledger.cancels and run.status != "cancelled" and wanted[submission.key][0] == "cancelled":
            yield f"divergent: run {submission.key} is {run.status} although its cancellation was answered"
    for run in after.runs.values():
        if not run.is_terminal:
            yield f"stuck: run {run.id} (parent {run.parent}) is {run.status}"


def _trees(recording: Recording) -> dict[str | None, Any]:
    """Return what runs came to, by key, with what their nodes and children came to; free of ids and times."""
    return {run.key: _tree(recording, run) for run in recording.runs.values() if run.parent is None}


def _tree(recording: Recording, run: StoredRun) -> tuple[Any, ...]:
    error = run.error and (run.error["code"], run.error["node_id"])
    if run.status != "succeeded":
        return (run.status, error)
    nodes = {place: (node.status, _plain(node), node.error_code) for place, node in run.nodes.items()}
    children = {child.parent[1]: _tree(recording, child) for child in recording.runs.values() if child.parent and child.parent[0] == run.id}
    return (run.status, run.outputs, nodes, children)


def _plain(node: Any) -> Any:
    # The output of a subworkflow names its run, that of a delay the time.
    return node.output["outputs"] if node.type == "subworkflow" else None if node.type == "delay" else node.output


def _logs(after: Recording) -> Iterator[str]:
    for run in after.runs.values():
        if [event[0] for event in run.events] != list(range(1, len(run.events) + 1)):
            yield f"log: the events of {run.id} are numbered {[event[0] for event in run.events]}"
        ends = [event[1] for event in run.events if event[1] in _ENDS.values()]
        if run.is_terminal and (ends != [_ENDS[run.status]] or run.events[-1][1] != ends[0]):
            yield f"log: the events of {run.id} ({run.status}) end {ends}"
        done = Counter((event[2], event[3].get("iteration", 0)) for event in run.events if event[1] == "node.completed")
        if any(count > 1 for count in done.values()):
            yield f"log: a node of {run.id} completed twice: {done}"
    for run_id, seen in after.ledger.seen.items():
        stored = [(seq, type_, node) for seq, type_, node, _ in after.runs[run_id].events]
        if [(event.seq, event.type.value, event.node_id) for event in seen] != stored:
            yield f"log: what the client saw of {run_id} is not what is stored"
        if any(b.seq != a.seq + 1 for a, b in pairwise(seen)):
            yield f"log: the client saw a gap or a repeat in {run_id}"


def _effects(after: Recording) -> Iterator[str]:
    places: dict[str, set[tuple[str, str]]] = {}
    for effect in after.effects:
        places.setdefault(effect.key, set()).add((effect.run_id, effect.node))
    if any(len(used) > 1 for used in places.values()):
        yield "effects: two nodes share a key"
    counts = Counter((effect.kind, effect.key) for effect in after.effects)
    for (kind, key), count in counts.items():
        if kind in {EffectClass.ONCE, EffectClass.TRANSACTIONAL} and count > 1:
            yield f"doubled: the {kind} effect {key} happened {count} times"
    keys = {effect.key for effect in after.effects}
    for run in after.runs.values():
        for (node, iteration), stored in run.nodes.items():
            key = f"{run.id}:{node}:{iteration}"
            if stored.type.endswith("_effect") and stored.status == "completed" and key not in keys:
                yield f"lost: {key} is completed, and its effect never happened"


def _repeated(after: Recording) -> Iterator[str]:
    """Find nodes that had ended before the crash, on disk, and ran again after it."""
    ended = {
        f"{run.id}:{node}:{iteration}"
        for run in after.before.values()
        for (node, iteration), stored in run.nodes.items()
        if stored.is_final
    }
    for effect in after.effects[after.known_effects :]:
        if effect.key in ended:
            yield f"repeated: {effect.key} had ended, and ran again"
