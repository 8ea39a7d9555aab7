"""The questions that runs ask, as a list of things to do: read, discuss, hand on."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, insert, select

from agentflow.errors import Invalid, LimitExceeded
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts.policies import may_answer
from agentflow.runtime.interrupts.records import InterruptStatus
from agentflow.runtime.records.models import InterruptCommentRow
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.runs.answers import AlreadyAnswered, InterruptExpired, InterruptNotFound, NotAssigned
from agentflow.runtime.runs.inbox_queries import InboxFilter, get_interrupt, list_interrupts
from agentflow.runtime.runs.interrupt_schemas import Comment, Interrupt, InterruptUpdate

MAX_COMMENTS = 1_000
"""Most comments on one interrupt."""
MAX_CHANGES = 100
"""How often one interrupt can be reassigned."""
LONGEST = timedelta(days=3_650)
"""How far ahead an interrupt may expire."""


class Inbox:
    """What runs wait for, for one subject at a time."""

    def __init__(self, ports: Ports, wake: Callable[[str], Awaitable[None]]) -> None:
        self._ports = ports
        self._wake = wake

    async def list(self, subject: Subject, which: InboxFilter, page: PageRequest) -> Page[Interrupt]:
        """Return one page of the tenant's interrupts, newest first unless sorted otherwise.

        Raises:
            Malformed: a cursor of another list.
        """
        return await list_interrupts(self._ports.database, subject, which, page)

    async def of_run(self, subject: Subject, run_id: str, page: PageRequest) -> Page[Interrupt]:
        """Return one page of what a run waits and waited for.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        run = await get_run(self._ports.database, subject, run_id)
        return await self.list(subject, InboxFilter(run_id=run.id), page)

    async def get(self, subject: Subject, interrupt_id: str) -> Interrupt:
        """Return an interrupt.

        Raises:
            InterruptNotFound: the tenant has no such interrupt.
        """
        return await get_interrupt(self._ports.database, subject, interrupt_id)

    async def reassign(self, subject: Subject, interrupt_id: str, change: InterruptUpdate) -> Interrupt:
        """Change who may answer an open interrupt, or until when.

        Raises:
            InterruptNotFound: the tenant has no such interrupt.
            NotAssigned: it is addressed to others.
            AlreadyAnswered: it is no longer open.
            InterruptExpired: its time is over.
            Invalid: the time lies in the past or beyond ten years, or it was reassigned too often.
        """
        asked = await self._ports.interrupts.find(subject, interrupt_id)
        if asked is None:
            raise InterruptNotFound(f"There is no interrupt {interrupt_id}.", hint="GET /api/v1/interrupts lists what waits for an answer.")
        if not may_answer(subject, asked):
            raise NotAssigned(f"{asked.key} is to be answered by {', '.join(asked.assignees or ())}.", hint="Ask one of them.")
        if len(asked.changes or ()) >= MAX_CHANGES:
            raise Invalid(f"{asked.key} was reassigned {MAX_CHANGES} times; that is the most.")
        values = self._values(change)
        said = {"interrupt_id": asked.id, "changed": sorted(values)}
        note = partial(self._ports.note, actor=subject, deed=Deed("run.reassigned", asked.run_id, said))
        if values and not await self._ports.interrupts.reassign(asked, values, subject.user_id, self._ports.clock.now(), note):
            now = await self.get(subject, interrupt_id)
            if now.status in {InterruptStatus.EXPIRED, InterruptStatus.OPEN}:
                raise InterruptExpired(f"The time to answer {asked.key} is over.")
            raise AlreadyAnswered(f"{asked.key} waits no longer: it is {now.status.value}.")
        if values:
            await self._wake(asked.run_id)
        return await self.get(subject, interrupt_id)

    def _values(self, change: InterruptUpdate) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if change.assignees is not None:
            values["assignees"] = list(dict.fromkeys(change.assignees)) or None
        if "expires_at" in change.model_fields_set:
            moment, now = change.expires_at, self._ports.clock.now()
            if moment is not None and not now < (moment := moment.astimezone(UTC)) < now + LONGEST:
                raise Invalid("expires_at must lie in the future, at most ten years ahead.", errors=[{"path": "/expires_at"}])
            values["expires_at"] = moment
        return values

    async def comments(self, subject: Subject, interrupt_id: str) -> Sequence[Comment]:
        """Return what was said about an interrupt, oldest first.

        Raises:
            InterruptNotFound: the tenant has no such interrupt.
        """
        found = await self.get(subject, interrupt_id)
        query = select(InterruptCommentRow).where(InterruptCommentRow.interrupt_id == found.id).order_by(InterruptCommentRow.id)
        async with self._ports.database.reading(subject.tenant_id) as session:
            rows = (await session.scalars(query)).all()
        return [Comment(id=row.id, author=row.author, text=row.text, created_at=row.created_at) for row in rows]

    async def comment(self, subject: Subject, interrupt_id: str, text: str) -> Comment:
        """Say something about an interrupt; also after it was answered.

        Raises:
            InterruptNotFound: the tenant has no such interrupt.
            LimitExceeded: it has as many comments as it may.
        """
        found = await self.get(subject, interrupt_id)
        said = Comment(id=new_id(), author=subject.user_id, text=text, created_at=self._ports.clock.now())
        row = {**said.model_dump(), "tenant_id": subject.tenant_id, "interrupt_id": found.id}
        count = select(func.count()).select_from(InterruptCommentRow).where(InterruptCommentRow.interrupt_id == found.id)
        async with self._ports.database.transaction(subject.tenant_id) as session:
            if int(await session.scalar(count) or 0) >= MAX_COMMENTS:
                raise LimitExceeded(f"{found.node_id} has {MAX_COMMENTS} comments; that is the most.")
            await session.execute(insert(InterruptCommentRow).values(row))
            await self._ports.note(session, subject, Deed("run.commented", found.run_id, {"interrupt_id": found.id, "comment_id": said.id}))
        return said
