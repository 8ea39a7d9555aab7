"""Run and node states, and the events of a run."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run is in its life."""

    QUEUED = "queued"
    """Accepted and stored; a worker has not begun."""
    RUNNING = "running"
    """A worker drives it."""
    WAITING = "waiting"
    """A node asks a person; the worker is free meanwhile."""
    NEEDS_ATTENTION = "needs_attention"
    """A crash left an effect whose outcome nobody knows; a person decides."""
    SUCCEEDED = "succeeded"
    """Ended, with outputs."""
    FAILED = "failed"
    """Ended by an error."""
    CANCELLED = "cancelled"
    """Ended because somebody asked."""
    TIMED_OUT = "timed_out"
    """Ended by its time limit."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen."""
        return self in TERMINAL


TERMINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT})


PARKED = frozenset({RunStatus.WAITING, RunStatus.NEEDS_ATTENTION})
"""States in which a run holds nothing and nobody drives it."""


class NodeStatus(StrEnum):
    """Where one execution of a node is."""

    RUNNING = "running"
    """It has begun."""
    COMPLETED = "completed"
    """It ended with an output."""
    FAILED = "failed"
    """It failed for good."""
    SKIPPED = "skipped"
    """It did not run: its `when` was false, or its branch was not taken."""
    WAITING = "waiting"
    """It has begun and waits for a person, an event, a child run or a time; nothing is held meanwhile."""
    RATE_LIMITED = "rate_limited"
    """It waits its turn in a queue of the workflow; its next attempt has not begun."""
    CANCELLED = "cancelled"
    """The run was stopped while it ran."""


class EventType(StrEnum):
    """What happens in a run; ``node.token`` is live only, all others are stored."""

    RUN_QUEUED = "run.queued"
    """The run is accepted and stored."""
    RUN_STARTED = "run.started"
    """A worker drives the run."""
    RUN_RESUMED = "run.resumed"
    """Another worker goes on with the run after its owner died or gave it back; `attempt` counts the owners."""
    RUN_COMPENSATING = "run.compensating"
    """What the run has done is being undone; `reason` is the status that it will end with, `nodes` are the executions that undo."""
    RUN_WAITING = "run.waiting"
    """The run waits for a person; `reason` says why."""
    RUN_SUCCEEDED = "run.succeeded"
    """The run ended; `outputs` is its result."""
    RUN_FAILED = "run.failed"
    """The run ended; `error` is the cause."""
    RUN_CANCELLED = "run.cancelled"
    """Somebody ended the run."""
    RUN_TIMED_OUT = "run.timed_out"
    """The run took longer than it may."""
    NODE_STARTED = "node.started"
    """A node begins; `type` is its node type, `iteration` its turn in a loop."""
    NODE_TOKEN = "node.token"  # noqa: S105 - the name of an event
    """Text of a model as it comes, in `text`; live only, never stored."""
    NODE_PROGRESS = "node.progress"
    """How far a node is; `fraction` from 0 to 1, `message` in words."""
    NODE_RETRYING = "node.retrying"
    """An attempt failed and another follows; `attempt`, `wait_s`, `error`, and `reason` is `retry_budget` when that made the wait longer."""
    NODE_RATE_LIMITED = "node.rate_limited"
    """A node waits its turn in a queue of the workflow: `queue`, `lane`, about how long (`wait_s`), and the limit that holds it up (`reason`)."""
    NODE_COMPLETED = "node.completed"
    """A node ended; `output`, `attempt`, `duration_ms`, and `usage` where a model was called."""
    NODE_FAILED = "node.failed"
    """A node failed for good; `attempt`, `error`."""
    NODE_SKIPPED = "node.skipped"
    """A node did not run; `reason` is `when` (its condition was false) or `branch` (its branch was not taken)."""
    INTERRUPT_REQUESTED = "interrupt.requested"
    """Something is awaited: a person's answer, an event, leave to go on; `request` says what, `kind` of which sort."""
    INTERRUPT_ESCALATED = "interrupt.escalated"
    """Nobody answered in time, so others may answer too; `assignees` are all of them."""
    INTERRUPT_REASSIGNED = "interrupt.reassigned"
    """Somebody (`by`) changed who may answer or until when; `assignees`, `expires_at`."""
    INTERRUPT_ANSWERED = "interrupt.answered"
    """It came: `decision` and `values` by the user `by`, or `status` says that it expired."""
    LOG = "log"
    """A node has something to say; `level`, `message`, `data`."""
