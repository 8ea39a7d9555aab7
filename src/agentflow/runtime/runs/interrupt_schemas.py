"""What the outside sees of what runs wait for, and sends to them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from agentflow.nodes.fields import Assignee
from agentflow.runtime.interrupts.records import InterruptKind, InterruptStatus
from agentflow.runtime.runs.schemas import Wire

_ID = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"


class Interrupt(Wire):
    """Something that a run waits for, or waited for."""

    id: str = Field(description="UUIDv7 of the interrupt.", examples=[_ID])
    run_id: str = Field(description="The run that waits.", examples=[_ID])
    workflow_id: str | None = Field(description="The stored workflow; null for a run of an unsaved specification.")
    workflow_name: str = Field(description="Name in the specification.", examples=["pay-invoice"])
    node_id: str = Field(description="The node that waits; items of a map read `each[3]/ask`.", examples=["approve"])
    iteration: int = Field(default=0, description="Its turn in a loop, from 0.", examples=[0])
    kind: InterruptKind = Field(
        description="`human` (a question), `event`, `before` and `after` (a breakpoint), `attention` (an effect of unknown outcome).",
        examples=["human"],
    )
    status: InterruptStatus = Field(description="Only an open one can be answered.", examples=["open"])
    request: dict[str, Any] = Field(
        description="What is asked: `title`, `choices`, `json_schema` and more of a question; `config` or `output` at a breakpoint.",
        examples=[{"mode": "approve", "title": "Pay 120 EUR?", "choices": ["approve", "reject"]}],
    )
    shown_hash: str = Field(
        description="SHA-256 of what is asked; send it with the answer to be sure that it is what you saw.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    assignees: list[str] = Field(
        default_factory=list, description="Who may answer; everybody who may answer runs when empty.", examples=[["role:accountant"]]
    )
    expires_at: datetime | None = Field(default=None, description="When nobody may answer any more.")
    escalate_at: datetime | None = Field(default=None, description="When others may answer too; null when they may.")
    decision: str | None = Field(default=None, description="What was decided.", examples=["approve"])
    values: Any = Field(default=None, description="The values of the answer, or the data of the event.", examples=[{"amount": 120}])
    comment: str | None = Field(default=None, description="Words that came with the answer.", examples=["Checked the invoice."])
    answered_by: str | None = Field(default=None, description="Id of the user who answered or sent the event.")
    answered_at: datetime | None = Field(default=None, description="When.")
    created_at: datetime = Field(description="When it was asked.")


class InterruptUpdate(Wire):
    """Who may answer from now on, and until when; what is left out stays."""

    model_config = ConfigDict(strict=True)

    assignees: Annotated[list[Assignee], Field(max_length=100)] | None = Field(
        default=None,
        description="`user:…`, `role:…`, `group:…`; an empty list means everybody who may answer runs.",
        examples=[["user:ada"]],
    )
    expires_at: datetime | None = Field(
        default=None, strict=False, description="The new time; null means never.", examples=["2030-01-01T09:00:00Z"]
    )


class Comment(Wire):
    """What somebody said about a question."""

    id: str = Field(description="UUIDv7 of the comment.", examples=[_ID])
    author: str = Field(description="Id of the user who wrote it.", examples=[_ID])
    text: str = Field(description="What was said.", examples=["The amount is that of the offer."])
    created_at: datetime = Field(description="When.")


class CommentCreate(Wire):
    """A new comment."""

    model_config = ConfigDict(strict=True)

    text: str = Field(min_length=1, max_length=10_000, description="What to say.", examples=["The amount is that of the offer."])


class EventSend(Wire):
    """Something that has happened."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1, max_length=200, description="Name of the event.", examples=["payment.received"])
    key: str | None = Field(
        default=None,
        max_length=500,
        description="Which of its kind; waits with another key do not get it, waits without one do.",
        examples=["order-7"],
    )
    data: Any = Field(default=None, description="What belongs to it.", examples=[{"paid": True}])


class Delivery(Wire):
    """Who got an event."""

    delivered: int = Field(description="How many waits it ended.", examples=[1])
    refused: int = Field(description="How many waits it would have ended if its data fitted their schema.", examples=[0])
    run_ids: list[str] = Field(description="The runs that go on with it, at most 100.", examples=[[_ID]])


class SignalSend(Wire):
    """An event for one run."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1, max_length=200, description="Name of the event.", examples=["payment.received"])
    data: Any = Field(default=None, description="What belongs to it.", examples=[{"paid": True}])


class SignalReceipt(Wire):
    """What became of a signal."""

    delivered: bool = Field(description="Whether a node waited for it; if not, it is kept until one does.", examples=[True])
