"""Export, import with a look beforehand, copies, and confirming what came from outside."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Conflict
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.kit.clock import Clock
from agentflow.kit.ids import is_id
from agentflow.workflows.cleaning import without_secrets
from agentflow.workflows.definitions import repository
from agentflow.workflows.definitions.confirming import confirmation, open_needs
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.judging import MISSING, Judges, checked, hash_of
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.repository import WorkflowNotFound
from agentflow.workflows.definitions.schemas import Finding, Workflow, WorkflowCreate
from agentflow.workflows.definitions.service import WorkflowService
from agentflow.workflows.definitions.stored import Origin
from agentflow.workflows.definitions.visibility import Visibility
from agentflow.workflows.needs import Needs
from agentflow.workflows.sharing.service import SharingService
from agentflow.workflows.transfer.schemas import Confirmation, ImportPreview, WorkflowFork
from agentflow.workflows.versions.models import VersionRow


class SpecChanged(Conflict):
    """The specification is not the one that was looked at."""

    code, title = "SPEC_CHANGED", "Specification changed"


class TransferService:
    """The use cases of workflows that come and go.

    Args:
        database: where workflows are.
        clock: the time.
        trail: where changes are written down.
        workflows: creates and reads them.
        sharing: opens what others show.
        judges: find out what is wrong with a specification, and what it would use.
    """

    def __init__(
        self, database: Database, clock: Clock, trail: Trail, workflows: WorkflowService, sharing: SharingService, judges: Judges
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._workflows = workflows
        self._sharing = sharing
        self._judges = judges

    async def export(self, subject: Subject, ref: str) -> Document:
        """Return a workflow as one document that creates it again: its specification without secrets, under the name it is stored by.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        stored = await self._workflows.get(subject, ref)
        own = {"name": stored.name, "description": stored.description, "tags": stored.tags or None}
        return {**without_secrets(stored.spec), **{name: value for name, value in own.items() if value is not None}}

    async def preview(self, subject: Subject, document: Document) -> ImportPreview:
        """Return what a document would be as a workflow, and what it would use; stores, runs and opens nothing."""
        found = (await self._judges.of_tenant(subject.tenant_id))(document)
        importable = all(problem.code in MISSING for problem in self._judges.structure(document).errors)
        # What cannot be imported may be of any size; nothing more is done with it.
        needs, name = self._judges.needs(document) if importable else Needs(), document.get("name")
        return ImportPreview(
            name=name if isinstance(name, str) else None,
            spec_hash=hash_of(document),
            uses=needs.to_json(),
            needs_confirmation=bool(needs),
            importable=importable,
            valid=found.valid,
            errors=[Finding(**problem.to_json()) for problem in found.errors],
            warnings=[Finding(**problem.to_json()) for problem in found.warnings],
        )

    async def import_(
        self, subject: Subject, document: Document, confirm: str | None = None, *, idempotency: Idempotency | None = None
    ) -> Workflow:
        """Store a document as a new workflow; what it uses must be confirmed before it runs, which ``confirm``, its hash, does at once.

        Raises:
            InvalidSpec: with every problem; secrets and sources may be missing.
            SpecChanged: ``confirm`` is the hash of another document.
            Forbidden: the caller may not confirm.
        """
        confirmed = None
        if confirm is not None:
            subject.require(Permission.WORKFLOWS_CONFIRM)
            digest = hash_of(document)
            if confirm != digest:
                raise _changed(digest)
            checked(self._judges.structure, document, but=MISSING)
            blank = WorkflowRow(is_foreign=True, confirmed=None)
            confirmed = confirmation(blank, digest, self._judges.needs(document), subject.user_id, self._clock.now())
        origin = Origin(is_foreign=True, confirmed=confirmed)
        return await self._workflows.create(subject, WorkflowCreate(spec=document), idempotency=idempotency, origin=origin)

    async def fork(self, subject: Subject, wanted: WorkflowFork, *, idempotency: Idempotency | None = None) -> Workflow:
        """Copy a workflow; the copy knows where it is from and goes its own way. One of another organisation comes like an import.

        Raises:
            WorkflowNotFound: the caller sees none, and there is no public one.
            LinkNotFound: the link opens nothing.
        """
        if wanted.link is not None:
            return await self._fork_shown(subject, wanted, idempotency)
        ref = str(wanted.source_id)
        try:
            async with self._database.reading(subject.tenant_id) as session:
                row = await repository.find(session, subject, ref)
                spec = (await repository.find_version(session, subject, row.id, row.version)).spec
        except WorkflowNotFound:
            if not is_id(ref):
                raise
            return await self._fork_shown(subject, wanted, idempotency)
        # What only some see stays so in the copy, and what was not confirmed in the original is not in the copy.
        visibility = Visibility.PRIVATE if row.visibility == Visibility.PRIVATE.value else Visibility.ORGANISATION
        origin = Origin(row.id, row.is_foreign, row.confirmed, visibility)
        new = WorkflowCreate(spec=spec, name=wanted.name or _copy_of(row.name), description=row.description, tags=row.tags)
        return await self._workflows.create(subject, new, idempotency=idempotency, origin=origin)

    async def _fork_shown(self, subject: Subject, wanted: WorkflowFork, idempotency: Idempotency | None) -> Workflow:
        if wanted.link is not None:
            shown = await self._sharing.open_link(wanted.link)
        else:
            shown = await self._sharing.open_public(str(wanted.source_id))
        new = WorkflowCreate(spec=shown.spec, name=wanted.name or _copy_of(shown.name), description=shown.description, tags=shown.tags)
        origin = Origin(shown.id, is_foreign=True)
        return await self._workflows.create(subject, new, idempotency=idempotency, origin=origin)

    async def confirmation(self, subject: Subject, ref: str) -> Confirmation:
        """Return what a workflow uses, and what of it is confirmed.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row, version = await self._current(session, subject, ref, Permission.WORKFLOWS_READ)
        return self._confirmation(row, version)

    async def confirm(self, subject: Subject, ref: str, spec_hash: str) -> Confirmation:
        """Let a workflow that came from outside use what its current version uses.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not confirm it.
            SpecChanged: the current version is not the one that was looked at.
            PreconditionFailed: it is changed at this moment.
        """
        check = await self._judges.of_tenant(subject.tenant_id)
        async with self._database.transaction(subject.tenant_id) as session:
            row, version = await self._current(session, subject, ref, Permission.WORKFLOWS_CONFIRM)
            if version.spec_hash != spec_hash:
                raise _changed(version.spec_hash)
            if row.is_foreign:
                now = max(self._clock.now(), row.updated_at + timedelta(microseconds=1))
                stored = confirmation(row, spec_hash, self._judges.needs(version.spec), subject.user_id, now)
                changes = {"confirmed": stored, "valid": check(version.spec).valid, "updated_at": now}
                await repository.save(session, subject, changes, None, row)
                said = {"name": row.name, "spec_hash": spec_hash, "uses": stored["needs"]}
                await self._trail.add(session, subject, Deed("workflow.confirmed", row.id, said))
                session.expunge(row)
                row.confirmed = stored
        self._workflows.forget()
        return self._confirmation(row, version)

    async def _current(self, session: AsyncSession, subject: Subject, ref: str, needs: Permission) -> tuple[WorkflowRow, VersionRow]:
        row = await repository.find(session, subject, ref, needs=needs)
        return row, await repository.find_version(session, subject, row.id, row.version)

    def _confirmation(self, row: WorkflowRow, version: VersionRow) -> Confirmation:
        needs = self._judges.needs(version.spec)
        left, stored = open_needs(row, needs), row.confirmed or {}
        at = stored.get("at")
        return Confirmation(
            workflow_id=row.id,
            is_foreign=row.is_foreign,
            version=version.number,
            spec_hash=version.spec_hash,
            uses=needs.to_json(),
            open=left.to_json(),
            is_confirmed=not left,
            confirmed_hash=stored.get("spec_hash"),
            confirmed_by=stored.get("by"),
            confirmed_at=None if at is None else datetime.fromisoformat(at),
        )


def _copy_of(name: str) -> str:
    return f"{name} (copy)"[:200]


def _changed(digest: str) -> SpecChanged:
    return SpecChanged("This is not the specification that was looked at.", hint=f"Look at it again; its hash is {digest}.")
