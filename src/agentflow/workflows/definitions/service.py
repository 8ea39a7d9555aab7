"""Stored workflows: the use cases. Every change of a specification is a new immutable version."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Conflict, PreconditionFailed
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.kit.clock import Clock
from agentflow.kit.ids import is_id, new_id
from agentflow.kit.memo import Memo
from agentflow.kit.pagination import Page, PageRequest
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions import repository
from agentflow.workflows.definitions.confirming import require_confirmed
from agentflow.workflows.definitions.diff import differences
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.judging import DRAWING, MISSING, Check, Judges, checked, hash_of
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.repository import WorkflowFilter
from agentflow.workflows.definitions.schemas import (
    Change,
    Diff,
    Version,
    Workflow,
    WorkflowContent,
    WorkflowCreate,
    WorkflowReplace,
    WorkflowUpdate,
)
from agentflow.workflows.definitions.stored import Origin, StoredVersion
from agentflow.workflows.definitions.visibility import Visibility, is_in_sight
from agentflow.workflows.definitions.wire import etag, shown, to_version, to_workflow

CACHE_S = 1.0
"""Seconds after which a change made by another process is seen when a workflow is started."""


class WorkflowArchived(Conflict):
    """The workflow is archived and cannot be started."""

    code, title = "WORKFLOW_ARCHIVED", "Workflow archived"


class WorkflowService:
    """Workflows of one subject at a time."""

    def __init__(self, database: Database, once: Once, clock: Clock, trail: Trail, judges: Judges, cache_size: int) -> None:
        self._database = database
        self._once = once
        self._clock = clock
        self._trail = trail
        self._judges = judges
        self._validation = judges.of_tenant
        self._started: Memo[tuple[str, str, int | None, str], StoredVersion] = Memo(clock, CACHE_S, cache_size)

    async def validate(self, subject: Subject, spec: Any) -> ValidationResult:
        """Return what validation finds; stores nothing, opens nothing."""
        return (await self._validation(subject.tenant_id))(spec)

    async def create(
        self, subject: Subject, new: WorkflowCreate, *, idempotency: Idempotency | None = None, origin: Origin | None = None
    ) -> Workflow:
        """Store a new workflow as version 1.

        Raises:
            InvalidSpec: with every problem.
            IdempotencyKeyReused: the key was used with another request.
        """
        check = await self._validation(subject.tenant_id)
        whence = origin or Origin(visibility=Visibility(new.visibility))
        spec = checked(self._judges.structure, new.spec, but=MISSING) if whence.is_foreign else checked(check, new.spec)

        async def make(session: AsyncSession) -> Workflow:
            now, workflow_id = self._clock.now(), new_id()
            row = {
                "id": workflow_id,
                "tenant_id": subject.tenant_id,
                "owner_id": subject.user_id,
                **_fields(new, spec),
                "status": "active",
                "version": 1,
                "valid": check(spec).valid if whence.is_foreign else True,
                "fork_from_id": whence.fork_from_id,
                "visibility": whence.visibility.value,
                "is_foreign": whence.is_foreign,
                "confirmed": whence.confirmed,
                "created_at": now,
                "updated_at": now,
            }
            version = self._version(subject, workflow_id, 1, spec, None)
            await repository.save(session, subject, row, version, None)
            said = {"name": row["name"], "spec_hash": version["spec_hash"]}
            if whence.fork_from_id is not None:
                said["fork_of"] = whence.fork_from_id
            if whence.confirmed is not None:
                said["confirmed"] = whence.confirmed["needs"]
            await self._trail.add(
                session, subject, Deed("workflow.imported" if whence.is_foreign else "workflow.created", workflow_id, said)
            )
            return to_workflow(WorkflowRow(**row), spec)

        return await self._once.create(subject.tenant_id, idempotency, Workflow, make)

    async def get(self, subject: Subject, ref: str) -> Workflow:
        """Return a workflow by id or name.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        if is_id(ref):
            found = await repository.find_current(self._database, subject, ref)
            if not is_in_sight(subject, Permission.WORKFLOWS_READ, found.id, found.owner_id, found.visibility):
                raise repository.not_found(ref)
            return to_workflow(found, shown(subject, found.id, found.spec))
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            version = await repository.find_version(session, subject, row.id, row.version)
        return to_workflow(row, shown(subject, row.id, version.spec))

    async def exists(self, subject: Subject, workflow_id: str) -> bool:
        """Tell whether the tenant has a workflow of this id."""
        async with self._database.reading(subject.tenant_id) as session:
            return await repository.exists(session, subject, workflow_id)

    async def list(self, subject: Subject, which: WorkflowFilter, page: PageRequest) -> Page[Workflow]:
        """Return one page of workflows, newest first unless sorted otherwise.

        Raises:
            Malformed: unknown status or sort field, or a cursor of another list.
        """
        async with self._database.listing(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, which, page)
        return Page([to_workflow(row, shown(subject, row.id, row.spec)) for row in found.items], found.next_cursor, found.total)

    async def update(self, subject: Subject, ref: str, change: WorkflowUpdate, *, if_match: frozenset[str] | None = None) -> Workflow:
        """Change a workflow; a new specification becomes a new version.

        Raises:
            WorkflowNotFound: the tenant has none.
            InvalidSpec: with every problem.
            PreconditionFailed: it was changed in the meantime.
        """
        check = await self._validation(subject.tenant_id)
        spec = None if change.spec is None else checked(check, change.spec)
        given = change.model_dump(include={"name", "description", "tags", "status", "retention"}, exclude_unset=True)
        # Only these can be taken away; null elsewhere leaves the field as it is.
        fields = {name: value for name, value in given.items() if value is not None or name in ("description", "retention")}
        return await self._change("updated", check, subject, ref, lambda _: spec, fields, note=change.note, if_match=if_match)

    async def replace(self, subject: Subject, ref: str, new: WorkflowReplace, *, if_match: frozenset[str] | None = None) -> Workflow:
        """Put a whole new workflow in the place of one; what the request leaves open comes from its specification.

        Raises:
            WorkflowNotFound: the tenant has none.
            InvalidSpec: with every problem.
            PreconditionFailed: it was changed in the meantime.
        """
        check = await self._validation(subject.tenant_id)
        spec = checked(check, new.spec)
        return await self._change("replaced", check, subject, ref, lambda _: spec, _fields(new, spec), note=new.note, if_match=if_match)

    async def edit(
        self,
        subject: Subject,
        ref: str,
        change: Callable[[Document], Document],
        *,
        if_match: frozenset[str] | None = None,
        idempotency: Idempotency | None = None,
    ) -> Workflow:
        """Change the graph of a workflow by a function over its specification; a new version.

        Raises:
            WorkflowNotFound: the tenant has none.
            InvalidSpec: the change would break the graph; with every problem.
            PreconditionFailed: it was changed in the meantime.
        """
        check = await self._validation(subject.tenant_id)

        def edited(spec: Document) -> Document:
            return checked(check, change(spec), but=DRAWING)

        return await self._change("edited", check, subject, ref, edited, {}, note=None, if_match=if_match, idempotency=idempotency)

    async def rollback(
        self,
        subject: Subject,
        ref: str,
        number: int,
        *,
        if_match: frozenset[str] | None = None,
        idempotency: Idempotency | None = None,
    ) -> Workflow:
        """Save the specification of an older version as a new version.

        Raises:
            WorkflowNotFound: the tenant has none.
            VersionNotFound: the workflow has no such version.
        """
        spec = (await self.version(subject, ref, number)).spec
        note, check = f"Back to version {number}", await self._validation(subject.tenant_id)
        return await self._change(
            "rolled-back", check, subject, ref, lambda _: spec, {}, note=note, if_match=if_match, idempotency=idempotency
        )

    async def delete(self, subject: Subject, ref: str, *, if_match: frozenset[str] | None = None) -> None:
        """Put a workflow into the bin; its history stays, and ``restore`` brings it back.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        fields = {"deleted_at": self._clock.now()}
        await self._change("deleted", None, subject, ref, lambda _: None, fields, note=None, if_match=if_match)

    async def restore(self, subject: Subject, ref: str, *, idempotency: Idempotency | None = None) -> Workflow:
        """Bring a deleted workflow back.

        Raises:
            WorkflowNotFound: there is none of this id in the bin.
        """
        fields = {"deleted_at": None}
        return await self._change(
            "restored", None, subject, ref, lambda _: None, fields, note=None, if_match=None, idempotency=idempotency, deleted=True
        )

    async def versions(self, subject: Subject, ref: str, page: PageRequest) -> Page[Version]:
        """Return one page of versions, newest first.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            found = await repository.list_versions(session, subject, row.id, page)
        return Page([to_version(item, None) for item in found.items], found.next_cursor, found.total)

    async def version(self, subject: Subject, ref: str, number: int) -> Version:
        """Return one version with its specification.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            version = await repository.find_version(session, subject, row.id, number)
        return to_version(version, shown(subject, row.id, version.spec))

    async def diff(self, subject: Subject, ref: str, older: int, newer: int) -> Diff:
        """Return what changed between two versions.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
        """
        old, new = await self.version(subject, ref, older), await self.version(subject, ref, newer)
        changes = [Change(**change) for change in differences(old.spec or {}, new.spec or {})]
        return Diff(from_version=older, to_version=newer, changes=changes)

    async def get_version(self, subject: Subject, ref: str, number: int | None) -> StoredVersion:
        """Return the version that a run would be pinned to; the current one when ``number`` is None.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
            WorkflowArchived: it is archived.
            WorkflowNotConfirmed: it came from outside, and uses what nobody has confirmed.
            InvalidSpec: the version cannot run, because its graph is not complete.
        """
        # Under one name others may have private ones; an id is the same for everybody.
        key = (subject.tenant_id, ref, number, "" if is_id(ref) else subject.user_id)
        found = await self._started.get(key, lambda: self._find_version(subject, ref, number))
        if not is_in_sight(subject, Permission.WORKFLOWS_EXECUTE, found.workflow_id, found.owner_id, found.visibility):
            raise repository.not_found(ref)
        return found

    async def _find_version(self, subject: Subject, ref: str, number: int | None) -> StoredVersion:
        if number is None and is_id(ref):
            row = version = await repository.find_current(self._database, subject, ref)
            _refuse_archived(row)
        else:
            async with self._database.reading(subject.tenant_id) as session:
                row = await repository.find(session, subject, ref, needs=None if is_id(ref) else Permission.WORKFLOWS_EXECUTE)
                _refuse_archived(row)
                version = await repository.find_version(session, subject, row.id, number or row.version)
        number = number or row.version
        if number != row.version or not row.valid:
            check = await self._validation(subject.tenant_id)
            checked(check, version.spec)  # drawing a graph node by node passes through versions that cannot run
        if row.is_foreign:
            require_confirmed(row, self._judges.needs(version.spec))
        return StoredVersion(row.id, number, version.spec, version.spec_hash, row.owner_id, row.visibility)

    def forget(self) -> None:
        """Look workflows up anew when they are started; this process has just changed one."""
        self._started.clear()

    async def _change(
        self,
        done: str,
        check: Check | None,
        subject: Subject,
        ref: str,
        new_spec: Callable[[Document], Document | None],
        fields: Mapping[str, Any],
        *,
        note: str | None,
        if_match: frozenset[str] | None,
        idempotency: Idempotency | None = None,
        deleted: bool = False,
    ) -> Workflow:
        async def make(session: AsyncSession) -> Workflow:
            before = await repository.find(session, subject, ref, deleted=deleted, needs=Permission.WORKFLOWS_WRITE)
            if if_match is not None and etag(before.version, before.updated_at) not in if_match:
                raise PreconditionFailed("The workflow was changed in the meantime.", hint="Read it again and repeat the change.")
            old_spec = (await repository.find_version(session, subject, before.id, before.version)).spec
            spec = new_spec(old_spec)
            now = max(self._clock.now(), before.updated_at + timedelta(microseconds=1))
            row = {**fields, "updated_at": now}
            version = None
            if spec is not None and spec != old_spec:
                version = self._version(subject, before.id, before.version + 1, spec, note)
                row |= {"version": before.version + 1, "valid": check is None or check(spec).valid}
            await repository.save(session, subject, row, version, before)
            session.expunge(before)
            for name, value in row.items():
                setattr(before, name, value)
            said = {"name": before.name, "version": before.version, **({} if version is None else {"spec_hash": version["spec_hash"]})}
            await self._trail.add(session, subject, Deed(f"workflow.{done}", before.id, said))
            return to_workflow(before, old_spec if version is None else version["spec"])

        changed = await self._once.create(subject.tenant_id, idempotency, Workflow, make)
        self.forget()
        return changed

    def _version(self, subject: Subject, workflow_id: str, number: int, spec: Document, note: str | None) -> dict[str, Any]:
        return {
            "tenant_id": subject.tenant_id,
            "workflow_id": workflow_id,
            "number": number,
            "spec": spec,
            "spec_hash": hash_of(spec),
            "note": note,
            "created_by": subject.user_id,
            "created_at": self._clock.now(),
        }


def _fields(new: WorkflowContent, spec: Document) -> dict[str, Any]:
    return {
        "name": new.name or spec["name"],
        "description": spec.get("description") if new.description is None else new.description,
        "tags": spec.get("tags", []) if new.tags is None else new.tags,
    }


def _refuse_archived(row: WorkflowRow) -> None:
    if row.status == "archived":
        raise WorkflowArchived(f"Workflow {row.name} is archived.", hint="Set its status to active first.")
