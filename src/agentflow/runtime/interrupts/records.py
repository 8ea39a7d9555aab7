"""An interrupt: something that one execution of a node waits for, and how it was answered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class InterruptKind(StrEnum):
    """What is waited for."""

    HUMAN = "human"
    """A person's answer to a question that a node asks."""
    EVENT = "event"
    """An event that somebody sends."""
    BEFORE = "before"
    """Leave to begin a node, at a breakpoint or in step mode."""
    AFTER = "after"
    """Leave to go on behind a node, at a breakpoint."""
    ATTENTION = "attention"
    """Word on whether an effect happened that cannot be repeated blindly."""


class InterruptStatus(StrEnum):
    """Where an interrupt stands; only an open one can be answered."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """The run ended without it."""


@dataclass(slots=True)
class Interrupt:
    """One interrupt; the fields are those of ``InterruptRow``.

    Attributes:
        key: key of the node execution that waits.
        round: tells apart interrupts of one kind at one place: 0, and more when an outcome became unknown again.
        request: what is asked, as the asking node type says it.
        assignees: who may answer, as ``user:…``, ``role:…``, ``group:…``; empty means everybody who may answer runs.
        answer: ``decision``, ``values``, ``comment``; None while it is open.
        announced: whether ``interrupt.answered`` is in the log.
        changes: what happened to it while it was open, oldest first: ``type`` (of the event), ``by``, ``at``, ``assignees``, ``expires_at``.
        told: how many of the changes are in the log.
    """

    id: str
    tenant_id: str
    run_id: str
    key: str
    iteration: int
    kind: InterruptKind
    request: dict[str, Any]
    created_at: datetime
    round: int = 0
    status: InterruptStatus = InterruptStatus.OPEN
    assignees: list[str] | None = None
    event_name: str | None = None
    event_key: str | None = None
    expires_at: datetime | None = None
    escalate_at: datetime | None = None
    answer: dict[str, Any] | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    announced: bool = False
    changes: list[dict[str, Any]] | None = None
    told: int = 0

    @property
    def wake_at(self) -> datetime | None:
        """When the run has to be taken up although nobody answered, or None."""
        times = [moment for moment in (self.expires_at, self.escalate_at) if moment is not None]
        return min(times, default=None)
