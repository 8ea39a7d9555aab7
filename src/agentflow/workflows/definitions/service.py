"""Stored workflows: the use cases. Every change of a specification is a new immutable version."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Conflict, InvalidSpec, PreconditionFailed
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.kit import json
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.memo import Memo
from agentflow.kit.pagination import Page, PageRequest
from agentflow.spec.problems import Code, Problem
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions import repository
from agentflow.workflows.definitions.diff import differences
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.repository import WorkflowFilter
from agentflow.workflows.definitions.schemas import Change, Diff, Version, Workflow, WorkflowCreate, WorkflowReplace, WorkflowUpdate
from agentflow.workflows.definitions.wire import etag, to_version, to_workflow

DRAWING = frozenset({Code.UNREACHABLE_NODE, Code.DISCONNECTED_GRAPH})
"""Problems that a graph has while it is drawn: a node is added before the edge that leads to it."""

CACHE_S = 1.0
"""Seconds after which a change made by another process is seen when a workflow is started."""


Check: TypeAlias = Callable[[Any], ValidationResult]
Validation: TypeAlias = Callable[[str], Awaitable[Check]]
"""Given a tenant, returns validation with the secrets, variables and sources that it has now."""


class WorkflowArchived(Conflict):
    """The workflow is archived and cannot be started."""

    code, title = "WORKFLOW_ARCHIVED", "Workflow archived"


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as the runtime needs it.

    Attributes:
        workflow_id: the workflow.
        number: the version's number.
        spec: the specification document.
        spec_hash: its SHA-256.
    """

    workflow_id: str
    number: int
    spec: Document
    spec_hash: str


class WorkflowService:
    """Workflows of one subject at a time."""

    def __init__(self, database: Database, once: Once, clock: Clock, trail: Trail, validation: Validation, cache_size: int) -> None:
        self._database = database
        self._once = once
        self._clock = clock
        self._trail = trail
        self._validation = validation
        self._started: Memo[tuple[str, str, int | None], StoredVersion] = Memo(clock, CACHE_S, cache_size)

    async def validate(self, subject: Subject, spec: Any) -> ValidationResult:
        """Return what validation finds; stores nothing, opens nothing."""
        return (await self._validation(subject.tenant_id))(spec)

    async def create(
        self, subject: Subject, new: WorkflowCreate, *, idempotency: Idempotency | None = None, fork_from_id: str | None = None
    ) -> Workflow:
        """Store a new workflow as version 1.

        Raises:
            InvalidSpec: with every problem.
            IdempotencyKeyReused: the key was used with another request.
        """
        spec = _checked(await self._validation(subject.tenant_id), new.spec)

        async def make(session: AsyncSession) -> Workflow:
            now, workflow_id = self._clock.now(), new_id()
            row = {
                "id": workflow_id,
                "tenant_id": subject.tenant_id,
                "owner_id": subject.user_id,
                **_fields(new, spec),
                "status": "active",
                "version": 1,
                "valid": True,
                "fork_from_id": fork_from_id,
                "created_at": now,
                "updated_at": now,
            }
            version = self._version(subject, workflow_id, 1, spec, None)
            await repository.save(session, subject, row, version, None)
            said = {"name": row["name"], "spec_hash": version["spec_hash"], **({"fork_of": fork_from_id} if fork_from_id else {})}
            await self._trail.add(session, subject, Deed("workflow.created", workflow_id, said))
            return to_workflow(WorkflowRow(**row), spec)

        return await self._once.create(subject.tenant_id, idempotency, Workflow, make)

    async def get(self, subject: Subject, ref: str) -> Workflow:
        """Return a workflow by id or name.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            return to_workflow(row, (await repository.find_version(session, subject, row.id, row.version)).spec)

    async def exists(self, subject: Subject, workflow_id: str) -> bool:
        """Tell whether the tenant has a workflow of this id."""
        async with self._database.reading(subject.tenant_id) as session:
            return await repository.exists(session, subject, workflow_id)

    async def list(self, subject: Subject, which: WorkflowFilter, page: PageRequest) -> Page[Workflow]:
        """Return one page of workflows, newest first unless sorted otherwise.

        Raises:
            Malformed: unknown status or sort field, or a cursor of another list.
        """
        async with self._database.reading(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, which, page)
            specs = await repository.current_specs(session, subject, found.items)
        return Page([to_workflow(row, specs[row.id]) for row in found.items], found.next_cursor, found.total)

    async def update(self, subject: Subject, ref: str, change: WorkflowUpdate, *, if_match: frozenset[str] | None = None) -> Workflow:
        """Change a workflow; a new specification becomes a new version.

        Raises:
            WorkflowNotFound: the tenant has none.
            InvalidSpec: with every problem.
            PreconditionFailed: it was changed in the meantime.
        """
        check = await self._validation(subject.tenant_id)
        spec = None if change.spec is None else _checked(check, change.spec)
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
        spec = _checked(check, new.spec)
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
            return _checked(check, change(spec), drawing=True)

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

    async def export(self, subject: Subject, ref: str) -> Document:
        """Return a workflow as one document that creates it again: its specification, under the name it is stored by.

        Raises:
            WorkflowNotFound: the tenant has none.
        """
        stored = await self.get(subject, ref)
        own = {"name": stored.name, "description": stored.description, "tags": stored.tags or None}
        return {**stored.spec, **{name: value for name, value in own.items() if value is not None}}

    async def versions(self, subject: Subject, ref: str, page: PageRequest) -> Page[Version]:
        """Return one page of versions, newest first.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            found = await repository.list_versions(session, subject, row.id, page)
        return Page([to_version(item, with_spec=False) for item in found.items], found.next_cursor, found.total)

    async def version(self, subject: Subject, ref: str, number: int) -> Version:
        """Return one version with its specification.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref)
            return to_version(await repository.find_version(session, subject, row.id, number), with_spec=True)

    async def diff(self, subject: Subject, ref: str, older: int, newer: int) -> Diff:
        """Return what changed between two versions.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
        """
        old, new = await self.version(subject, ref, older), await self.version(subject, ref, newer)
        changes = [Change(**change) for change in differences(old.spec or {}, new.spec or {})]
        return Diff(from_version=older, to_version=newer, changes=changes)

    async def fork(self, subject: Subject, ref: str, name: str | None, *, idempotency: Idempotency | None = None) -> Workflow:
        """Copy a workflow; the copy knows where it is from and goes its own way.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
        """
        origin = await self.get(subject, ref)
        new = WorkflowCreate(spec=origin.spec, name=name or f"{origin.name} (copy)"[:200], description=origin.description, tags=origin.tags)
        return await self.create(subject, new, idempotency=idempotency, fork_from_id=origin.id)

    async def get_version(self, subject: Subject, ref: str, number: int | None) -> StoredVersion:
        """Return the version that a run would be pinned to; the current one when ``number`` is None.

        Raises:
            WorkflowNotFound: the tenant has no such workflow.
            VersionNotFound: it has no such version.
            WorkflowArchived: it is archived.
            InvalidSpec: the version cannot run, because its graph is not complete.
        """
        found = await self._started.get((subject.tenant_id, ref, number), lambda: self._find_version(subject, ref, number))
        if subject.grants and not subject.may(Permission.WORKFLOWS_EXECUTE, Resource(ResourceKind.WORKFLOW, found.workflow_id)):
            raise repository.not_found(ref)
        return found

    async def _find_version(self, subject: Subject, ref: str, number: int | None) -> StoredVersion:
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject, ref, needs=None)
            if row.status == "archived":
                raise WorkflowArchived(f"Workflow {row.name} is archived.", hint="Set its status to active first.")
            version = await repository.find_version(session, subject, row.id, number or row.version)
        if version.number != row.version or not row.valid:
            check = await self._validation(subject.tenant_id)
            _checked(check, version.spec)  # drawing a graph node by node passes through versions that cannot run
        return StoredVersion(row.id, version.number, version.spec, version.spec_hash)

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
        self._started.clear()
        return changed

    def _version(self, subject: Subject, workflow_id: str, number: int, spec: Document, note: str | None) -> dict[str, Any]:
        return {
            "tenant_id": subject.tenant_id,
            "workflow_id": workflow_id,
            "number": number,
            "spec": spec,
            "spec_hash": hashlib.sha256(json.canonical(spec)).hexdigest(),
            "note": note,
            "created_by": subject.user_id,
            "created_at": self._clock.now(),
        }


def _checked(check: Check, spec: Document, *, drawing: bool = False) -> Document:
    errors = [problem for problem in check(spec).errors if not (drawing and problem.code in DRAWING)]
    if errors:
        raise invalid_spec(errors)
    return spec


def _fields(new: WorkflowCreate, spec: Document) -> dict[str, Any]:
    return {
        "name": new.name or spec["name"],
        "description": spec.get("description") if new.description is None else new.description,
        "tags": spec.get("tags", []) if new.tags is None else new.tags,
    }


def invalid_spec(errors: "list[Problem]") -> InvalidSpec:
    """Return the error that carries the problems of a specification."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return InvalidSpec(
        f"The specification has {count}; the first: {errors[0].message}",
        hint="Mend what `errors` lists; POST /api/v1/workflows/validate checks without saving.",
        errors=[problem.to_json() for problem in errors],
    )
