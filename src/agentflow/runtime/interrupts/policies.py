"""Who may answer what."""

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject
from agentflow.runtime.interrupts.records import Interrupt


def may_answer(subject: Subject, interrupt: Interrupt) -> bool:
    """Tell whether somebody who may answer runs may answer this: it is addressed to them, to nobody in particular, or they may all."""
    assignees = interrupt.assignees or ()
    return not assignees or Permission.RUNS_APPROVE_ANY in subject.permissions or not subject.names.isdisjoint(assignees)
