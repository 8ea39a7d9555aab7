"""Events as the outside sees them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agentflow.runtime.states import EventType


class Event(BaseModel):
    """One thing that happened in a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int = Field(description="Place in the run, from 1 without gaps; live `node.token` events repeat the last one.", examples=[7])
    run_id: str = Field(description="The run.")
    type: EventType = Field(description="What happened.", examples=["node.completed"])
    node_id: str | None = Field(default=None, description="The node concerned, or null.", examples=["search"])
    at: datetime = Field(description="When it happened.")
    data: dict[str, Any] = Field(default_factory=dict, description="More about it, by type.", examples=[{"attempt": 1}])
