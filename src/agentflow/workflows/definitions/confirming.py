"""Workflows that came from outside run only with what a person has confirmed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentflow.errors import Conflict
from agentflow.kit.clock import iso
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.needs import Needs, needs_from


class WorkflowNotConfirmed(Conflict):
    """The workflow came from outside, and nobody has confirmed yet what it uses; ``errors`` list that."""

    code, title = "WORKFLOW_NOT_CONFIRMED", "Workflow not confirmed"


def confirmed_needs(row: WorkflowRow) -> Needs:
    """Return what a workflow may use."""
    return needs_from((row.confirmed or {}).get("needs"))


def open_needs(row: WorkflowRow, needs: Needs) -> Needs:
    """Return what of ``needs`` a workflow may not use; nothing for one that was made here."""
    return needs.beyond(confirmed_needs(row)) if row.is_foreign else Needs()


def require_confirmed(row: WorkflowRow, needs: Needs) -> None:
    """Refuse to run a workflow before a person has seen what it uses.

    Raises:
        WorkflowNotConfirmed: naming what nobody has confirmed.
    """
    left = open_needs(row, needs)
    if left:
        listed = [{"kind": kind, "name": name, "message": f"{kind}: {name}"} for kind, names in left.to_json().items() for name in names]
        shown = ", ".join(str(item["message"]) for item in listed[:5])
        raise WorkflowNotConfirmed(
            f"Workflow {row.name} came from outside, and nobody has confirmed what it uses ({shown}{', …' if len(listed) > 5 else ''}).",  # noqa: PLR2004 - enough to see
            hint=f"Look at GET /api/v1/workflows/{row.id}/confirmation, and confirm it by POST there.",
            errors=listed,
        )


def confirmation(row: WorkflowRow, spec_hash: str, needs: Needs, by: str, at: datetime) -> Mapping[str, Any]:
    """Return what is stored when somebody has confirmed a specification; what was confirmed before stays so, for earlier versions."""
    return {"spec_hash": spec_hash, "needs": needs.also(confirmed_needs(row)).to_json(), "by": by, "at": iso(at)}
