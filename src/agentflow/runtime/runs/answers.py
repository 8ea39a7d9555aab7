"""Answering what a run waits for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agentflow.errors import AgentFlowError, Conflict, Forbidden, Invalid, Kind, LimitExceeded, NotFound
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed
from agentflow.kit import json
from agentflow.kit.clock import iso
from agentflow.kit.json_schema import Mismatch, mismatches
from agentflow.runtime.execution import gate
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts.policies import may_answer
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind, InterruptStatus
from agentflow.runtime.records.records import RunRecord

_DECISIONS = {
    InterruptKind.BEFORE: (gate.CONTINUE, gate.FINISH),
    InterruptKind.AFTER: (gate.CONTINUE, gate.FINISH),
    InterruptKind.ATTENTION: (gate.DONE, gate.RETRY, gate.FAIL),
}


class InterruptNotFound(NotFound):
    """Nothing waits for an answer there."""

    code, title = "INTERRUPT_NOT_FOUND", "Nothing to answer"


class NotAssigned(Forbidden):
    """The question is addressed to others."""

    code, title = "NOT_ASSIGNED", "Addressed to others"


class AlreadyAnswered(Conflict):
    """Somebody answered before, or the run has ended."""

    code, title = "ALREADY_ANSWERED", "Already answered"


class ShownDiffers(Conflict):
    """The question is not the one that the person saw."""

    code, title = "SHOWN_DIFFERS", "The question has changed"


class InterruptExpired(AgentFlowError):
    """The time to answer is over."""

    kind, code, title = Kind.GONE, "INTERRUPT_EXPIRED", "Too late to answer"


class InvalidAnswer(Invalid):
    """The answer does not fit the question; ``errors`` say where, the hint what would."""

    code, title = "INVALID_ANSWER", "Invalid answer"


@dataclass(frozen=True, slots=True)
class Where:
    """Which of the things that a run waits for is meant; None means any.

    Attributes:
        key: key of the execution that waits.
        iteration: its turn in a loop.
        interrupt_id: the interrupt itself.
        shown_hash: hash of the question that the person saw; another question is not answered.
    """

    key: str | None = None
    iteration: int | None = None
    interrupt_id: str | None = None
    shown_hash: str | None = None

    def fits(self, interrupt: Interrupt) -> bool:
        """Tell whether an interrupt can be the one that is meant."""
        wanted = ((self.key, interrupt.key), (self.iteration, interrupt.iteration), (self.interrupt_id, interrupt.id))
        return all(asked in {None, has} for asked, has in wanted)


def shown_hash(interrupt: Interrupt) -> str:
    """Return the SHA-256 of what a person is shown, in hex."""
    return hashlib.sha256(json.canonical([interrupt.key, interrupt.iteration, interrupt.request])).hexdigest()


class Answers:
    """Finds the question, checks the answer against it, and stores it."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._store = ports.interrupts
        self._clock = ports.clock
        self._max_bytes = ports.settings.max_value_bytes

    async def answer(self, subject: Subject, run: RunRecord, where: Where, answer: dict[str, Any]) -> None:
        """Store an answer; the first one counts, and the same one by the same person is no second one.

        Raises:
            InterruptNotFound: nothing waits there.
            NotAssigned: it is addressed to others.
            ShownDiffers: the person saw another question.
            AlreadyAnswered: somebody was faster, or the run has ended.
            InterruptExpired: it was to be answered earlier.
            InvalidAnswer: it does not fit the question.
            LimitExceeded: it is too large.
        """
        asked = await self._asked(run, where)
        if not may_answer(subject, asked):
            names = ", ".join(asked.assignees or ())
            raise NotAssigned(f"{asked.key} is to be answered by {names}.", hint="Ask one of them, or have it reassigned to you.")
        if where.shown_hash not in {None, shown_hash(asked)}:
            raise ShownDiffers(f"{asked.key} asks something else than what you saw.", hint="Read it again, then answer.")
        if asked.status is InterruptStatus.OPEN and not run.status.is_terminal:
            whole = self._whole(asked, answer)
            said = {"node": asked.key, "decision": whole.get("decision"), "interrupt_id": asked.id}
            note = partial(self._ports.note, actor=subject, deed=Deed("run.answered", run.id, said))
            if await self._store.answer(asked, whole, subject.user_id, self._clock.now(), note):
                return
            asked = await self._asked(run, Where(interrupt_id=asked.id))
        if asked.status is InterruptStatus.ANSWERED and asked.answered_by == subject.user_id and asked.answer == _completed(asked, answer):
            return
        raise _too_late(asked)

    async def _asked(self, run: RunRecord, where: Where) -> Interrupt:
        """Return the open interrupt of a run that is meant, else the last one there."""
        known = [item for item in await self._store.of_run(run.tenant_id, run.id) if where.fits(item)]
        waiting = [item for item in known if item.status is InterruptStatus.OPEN]
        if not known:
            place = f"at node {where.key}" if where.key else "of this run"
            raise InterruptNotFound(f"Nothing {place} waits for an answer.", hint=f"GET /api/v1/runs/{run.id}/interrupts lists what does.")
        if where.key is None and len(waiting) > 1:
            nodes = ", ".join(sorted({item.key for item in waiting}))
            raise InvalidAnswer(f"Several nodes wait: {nodes}.", hint="Name the one you answer in node_id.")
        return (waiting or known)[-1]

    def _whole(self, asked: Interrupt, answer: dict[str, Any]) -> dict[str, Any]:
        whole = _completed(asked, answer)
        size = len(json.dump_bytes(whole))
        if size > self._max_bytes:
            raise LimitExceeded(
                f"The answer has {size} bytes; max_value_bytes allows {self._max_bytes}.",
                hint="Answer with less, or raise AGENTFLOW_MAX_VALUE_BYTES.",
            )
        problems = _problems(asked, whole)
        if problems:
            offered = _offered(asked)
            raise InvalidAnswer(
                f"The answer does not fit {asked.key}: {problems[0].message} at {problems[0].path}.",
                hint=f"Choose one of {', '.join(offered)}." if problems[0].path == "/decision" and offered else None,
                errors=[problem._asdict() for problem in problems],
            )
        return whole


def _offered(asked: Interrupt) -> Sequence[str]:
    return _DECISIONS.get(asked.kind) or asked.request.get("choices") or ()


def _completed(asked: Interrupt, answer: dict[str, Any]) -> dict[str, Any]:
    """Fill in what an answer may leave out: the only decision there is, and a value that was not changed."""
    offered, whole = _offered(asked), {name: value for name, value in answer.items() if value is not None}
    if "decision" not in whole and len(offered) == 1:
        whole["decision"] = offered[0]
    if "values" not in whole and "value" in asked.request and whole.get("decision") == asked.request.get("filled"):
        whole["values"] = asked.request["value"]
    return whole


def _problems(asked: Interrupt, whole: dict[str, Any]) -> list[Mismatch]:
    decision, values, request = whole.get("decision"), whole.get("values"), asked.request
    found: list[Mismatch] = []
    offered = _offered(asked)
    if (offered and decision not in offered) or (asked.kind is InterruptKind.EVENT and decision is not None):
        found.append(Mismatch("/decision", f"{decision!r} is no decision here"))
    if asked.kind is InterruptKind.EVENT or ("filled" in request and decision == request["filled"]):
        found += mismatches(request.get("json_schema") or {}, values, "/values")
    elif asked.kind is InterruptKind.HUMAN and offered and decision in offered and values is not None:
        found.append(Mismatch("/values", f"{decision} takes no values"))
    return found


def _too_late(asked: Interrupt) -> AgentFlowError:
    if asked.status is InterruptStatus.ANSWERED:
        when = f" at {iso(asked.answered_at)}" if asked.answered_at else ""
        return AlreadyAnswered(f"{asked.key} was answered{when}; the first answer counts.")
    if asked.status is InterruptStatus.CANCELLED or asked.expires_at is None:
        return AlreadyAnswered(f"The run has ended; {asked.key} waits no longer.")
    return InterruptExpired(f"{asked.key} could be answered until {iso(asked.expires_at)}.")
