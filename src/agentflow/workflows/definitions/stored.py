"""Workflows as other slices know them: a version that runs, and where a new one comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.visibility import Visibility


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as the runtime needs it.

    Attributes:
        workflow_id: the workflow.
        number: the version's number.
        spec: the specification document.
        spec_hash: its SHA-256.
        owner_id: who owns the workflow.
        visibility: how far it can be seen.
    """

    workflow_id: str
    number: int
    spec: Document
    spec_hash: str
    owner_id: str
    visibility: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a new workflow comes from, unless its maker wrote it.

    Attributes:
        fork_from_id: the workflow it is a copy of.
        is_foreign: whether it comes from outside of the organisation; it may then name what is not there yet.
        confirmed: what the workflow that it is a copy of may use.
        visibility: how far it can be seen.
    """

    fork_from_id: str | None = None
    is_foreign: bool = False
    confirmed: Mapping[str, Any] | None = None
    visibility: Visibility = Visibility.ORGANISATION
