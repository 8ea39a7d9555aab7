"""Why a run is where it is: one sentence for each thing that holds it, and the way out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from agentflow.kit.clock import iso
from agentflow.runtime.interrupts.records import InterruptKind


class Code(StrEnum):
    """What holds a run, or why it ended."""

    ENDED = "ended"
    """The run ended with a result, or somebody ended it."""
    FAILED = "failed"
    """The run ended by an error or its time limit."""
    DEAD_LETTER = "dead_letter"
    """The run was given up: workers died of it."""
    DRIVEN = "driven"
    """A living worker drives the run."""
    CANCELLING = "cancelling"
    """Somebody asked for the end of the run, and its owner has not got to it."""
    NO_WORKER = "no_worker"
    """No process that could drive the run is alive."""
    IN_QUEUE = "in_queue"
    """Workers live, and others' turn comes first or no place is free."""
    CONCURRENCY_LIMIT = "concurrency_limit"
    """As many runs of the workflow, or of the tenant, as may run at a time do."""
    OWNER_DEAD = "owner_dead"
    """The process that drove the run is gone, and it waits to be taken up."""
    LEASE_LATE = "lease_late"
    """The owner has not prolonged its lease in time: it hangs, or is cut off from the database."""
    NO_LEASE = "no_lease"
    """The run counts as running and nobody has a lease on it."""
    PAUSED = "paused"
    """Somebody paused the run."""
    HUMAN = "human"
    """A node asks a person."""
    EVENT = "event"
    """A node waits for an event."""
    BREAKPOINT = "breakpoint"
    """The run stands at a breakpoint."""
    UNKNOWN_EFFECT = "unknown_effect"
    """A crash left an effect whose outcome nobody knows."""
    UNTIL = "until"
    """The run waits for a time."""
    CHILD = "child"
    """The run waits for a child run."""
    OTHER_VERSION = "other_version"
    """The run was begun by a version of the program whose format this one does not know."""
    ANSWERED = "answered"
    """What the run waited for has come, and it waits to be taken up."""
    RETRY = "retry"
    """A node failed and waits for its next attempt."""
    RATE_LIMITED = "rate_limited"
    """A node waits in a queue of the workflow."""


HEALTHY = frozenset(
    {
        Code.ENDED,
        Code.DRIVEN,
        Code.PAUSED,
        Code.HUMAN,
        Code.EVENT,
        Code.UNTIL,
        Code.CHILD,
        Code.RETRY,
        Code.RATE_LIMITED,
        Code.BREAKPOINT,
    }
)
"""Nothing is wrong with a run that only these hold."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that holds a run.

    Attributes:
        code: what it is.
        message: what was found, in words.
        hint: the way out, or None when there is nothing to do.
        node_id: the node it is about, or None.
        since: since when, or None.
        until: when it ends by itself, or None.
    """

    code: Code
    message: str
    hint: str | None = None
    node_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_WORKERS = "Start `agentflow serve` (or `agentflow worker`) on this database; the run is taken up within seconds."


def no_worker(since: datetime) -> Reason:
    """Return that nobody could take the run up."""
    return Reason(Code.NO_WORKER, "The run is in the queue and no worker is alive.", _WORKERS, since=since)


def in_queue(since: datetime, before: int, workers: int) -> Reason:
    """Return that it is others' turn."""
    text = f"The run is in the queue; {workers} workers live, and {before} runs of its tenant come first."
    return Reason(Code.IN_QUEUE, text, "Wait, start more workers, or raise AGENTFLOW_MAX_CONCURRENT_RUNS where they are idle.", since=since)


def concurrency(since: datetime, busy: int, whose: str, way_out: str) -> Reason:
    """Return that a limit on runs at a time is reached."""
    return Reason(Code.CONCURRENCY_LIMIT, f"{busy} runs of {whose} run, as many as may at a time.", way_out, since=since)


def owner_dead(owner: str, workers: int) -> Reason:
    """Return that the owner is gone."""
    hint = "A living worker takes it up within seconds." if workers else _WORKERS
    return Reason(Code.OWNER_DEAD, f"The process {owner} that drove the run is gone.", hint)


def lease_late(owner: str, until: datetime, now: datetime, workers: int) -> Reason:
    """Return that the owner is silent."""
    text = f"Its owner {owner} should have prolonged its lease {(now - until).total_seconds():.0f} s ago: it hangs, or cannot reach the database."
    return Reason(Code.LEASE_LATE, text, "A living worker takes it up within seconds." if workers else _WORKERS, since=until)


def other_version(found: int, known: Collection[int]) -> Reason:
    """Return that another version has to drive the run."""
    text = f"The run is of engine format {found}; this version knows {', '.join(map(str, known))}."
    hint = "It is taken up by a worker of the version that began it, or of a newer one: upgrade, or start one beside this."
    return Reason(Code.OTHER_VERSION, text, hint)


def driven(owner: str, until: datetime) -> Reason:
    """Return that all is well."""
    return Reason(Code.DRIVEN, f"The worker {owner} drives it.", until=until)


def paused(since: datetime, by: str | None) -> Reason:
    """Return that somebody holds the run."""
    return Reason(
        Code.PAUSED, f"User {by} paused the run: nothing of it may begin.", "Let it go on with `agentflow runs resume`.", since=since
    )


_ASKED = {
    InterruptKind.HUMAN.value: (Code.HUMAN, "Node {key} asks {who}.", "Answer it: POST /api/v1/runs/RUN/interrupt."),
    InterruptKind.EVENT.value: (
        Code.EVENT,
        "Node {key} waits for the event {event}.",
        "Send it, or end the run with `agentflow runs cancel`.",
    ),
    InterruptKind.BEFORE.value: (Code.BREAKPOINT, "The run stands at a breakpoint before node {key}.", "Answer `continue` or `finish`."),
    InterruptKind.AFTER.value: (Code.BREAKPOINT, "The run stands at a breakpoint behind node {key}.", "Answer `continue` or `finish`."),
    InterruptKind.ATTENTION.value: (
        Code.UNKNOWN_EFFECT,
        "A process died while node {key} was under way, and its effect cannot be repeated blindly.",
        "Find out whether the effect happened, then answer `done`, `retry` or `fail`.",
    ),
}


def asked(interrupt: Any) -> Reason:
    """Return what an open interrupt waits for; ``interrupt`` is a row of the table."""
    code, text, hint = _ASKED[interrupt.kind]
    who = ", ".join(interrupt.assignees or ()) or "anybody who may answer runs"
    event = interrupt.event_name if interrupt.event_key is None else f"{interrupt.event_name} with the key {interrupt.event_key}"
    message = text.format(key=interrupt.key, who=who, event=event)
    if interrupt.expires_at is not None:
        message += f" It expires at {iso(interrupt.expires_at)}."
    return Reason(code, message, hint, interrupt.key, interrupt.created_at, interrupt.expires_at)
