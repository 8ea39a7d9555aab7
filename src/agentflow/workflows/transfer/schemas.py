"""What crosses the wire about imports and copies."""

from datetime import datetime

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from agentflow.workflows.definitions.schemas import Body, Finding, Wire
from agentflow.workflows.sharing.schemas import LINK_EXAMPLE

_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_USES = {"hosts": ["api.example.com"], "secrets": ["SHOP_TOKEN"], "effects": ["http"]}


class ImportPreview(Wire):
    """What a document would be as a workflow here. Nothing was stored, run or opened for it."""

    name: str | None = Field(description="Its name.", examples=["hello"])
    spec_hash: str = Field(description="SHA-256 of the specification; send it as `confirm` to import and confirm it.", examples=[_HASH])
    uses: dict[str, list[str]] = Field(
        description=(
            "What it would use if it ran: `hosts`, `secrets`, `variables`, `sources`, `collections`, `workflows`, `plugins` (node types whose "
            "code did not come with AgentFlow) and `effects` (node types that change something outside); `*` stands for any."
        ),
        examples=[_USES],
    )
    needs_confirmation: bool = Field(description="Whether a person has to confirm that before it runs.", examples=[True])
    importable: bool = Field(description="Whether it can be imported; secrets and sources may still be missing then.", examples=[True])
    valid: bool = Field(description="Whether it could run with what the organisation has now.", examples=[False])
    errors: list[Finding] = Field(description="What keeps it from running, in document order; missing secrets and sources among it.")
    warnings: list[Finding] = Field(description="What looks like a slip but runs.")


class WorkflowFork(Body):
    """What copies a workflow: one that the caller sees, a public one, or one that a link opens."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"source_id": "hello", "name": "hello again"}]})

    source_id: str | None = Field(
        default=None,
        max_length=200,
        validation_alias=AliasChoices("source_id", "workflow_id"),  # the second is its name of before
        description="The workflow to copy: one of the organisation by id or name, or a public one by its id.",
        examples=["hello"],
    )
    link: str | None = Field(default=None, max_length=200, description="Instead of it the token of a link.")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="Name of the copy.", examples=["hello again"])

    @model_validator(mode="after")
    def _one(self) -> "WorkflowFork":
        if (self.source_id is None) == (self.link is None):
            raise ValueError(f"give source_id, or the token of a link (like {LINK_EXAMPLE[:8]}…)")
        return self


class WorkflowCopy(Body):
    """How a copy is to be called."""

    name: str | None = Field(default=None, min_length=1, max_length=200, description="Name of the copy.", examples=["hello again"])


class Confirmation(Wire):
    """What a workflow that came from outside uses, and whether it may."""

    workflow_id: str = Field(description="The workflow.")
    is_foreign: bool = Field(description="Whether it came from outside; others need no confirmation.", examples=[True])
    version: int = Field(description="Number of its current version.", examples=[1])
    spec_hash: str = Field(description="SHA-256 of that version: send it to confirm what is shown here.", examples=[_HASH])
    uses: dict[str, list[str]] = Field(description="What that version uses, by kind; `*` stands for any.", examples=[_USES])
    open: dict[str, list[str]] = Field(description="What of it nobody has confirmed yet.", examples=[{**_USES, "effects": []}])
    is_confirmed: bool = Field(description="Whether it may run.", examples=[False])
    confirmed_hash: str | None = Field(description="The specification that was confirmed last.", examples=[_HASH])
    confirmed_by: str | None = Field(description="Id of the user who did.")
    confirmed_at: datetime | None = Field(description="When.")


class Confirm(Body):
    """What is confirmed."""

    spec_hash: str = Field(min_length=64, max_length=64, description="`spec_hash` of what was looked at.", examples=[_HASH])
