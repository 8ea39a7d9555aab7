"""Artifacts: send, read, list, delete. The blob is stored before its row and deleted after it, so a row always leads somewhere."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import BinaryIO, TypeAlias

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.artifacts import repository
from agentflow.artifacts.errors import ArtifactOfRun, not_found
from agentflow.artifacts.links import Links
from agentflow.artifacts.models import ArtifactRow
from agentflow.artifacts.schemas import Artifact, ArtifactLink
from agentflow.identity.permissions import Permission
from agentflow.identity.quotas import STORAGE_BYTES, StorageQuotaReached, TenantQuotas
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.turns import take_turn
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.objects.base import CHUNK_BYTES, ObjectStoreUnavailable
from agentflow.infra.objects.objects import Objects
from agentflow.infra.signatures.signer import Signer
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest

log = structlog.get_logger(__name__)

BINARY = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,100}/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f/\\]")
MAX_NAME = 200
SeesRun: TypeAlias = Callable[[Subject, str], Awaitable[bool]]


class ArtifactService:
    """The use cases of artifacts.

    Args:
        database: where their rows are.
        objects: where their contents are.
        once: creates things at most once per idempotency key.
        clock: what time stamps come from.
        trail: where changes are written down.
        keep_days: how long a sent file is kept; 0 for ever.
        quotas: how much organisations may keep.
        sees_run: tells whether a caller sees a run: who does not, sees none of its values.
        signer: signs links; see ``links.PURPOSE``.
        presign: whether links lead to the object store itself, where it can do that.
    """

    def __init__(
        self,
        database: Database,
        objects: Objects,
        once: Once,
        clock: Clock,
        trail: Trail,
        keep_days: float,
        quotas: TenantQuotas,
        sees_run: SeesRun,
        signer: Signer,
        *,
        presign: bool = False,
    ) -> None:
        self._database = database
        self._trail = trail
        self._objects = objects
        self._once = once
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._quotas = quotas
        self._sees_run = sees_run
        self._presign = presign
        self._links = Links(signer, clock)

    async def create(
        self, subject: Subject, file: BinaryIO, name: str | None, content_type: str | None, *, idempotency: Idempotency | None = None
    ) -> Artifact:
        """Store a file.

        Raises:
            ObjectStoreUnavailable: the object store does not answer.
            StorageFull: there is no room, or the organisation may keep no more.
            IdempotencyKeyReused: the key was used with another request.
        """
        artifact_id, now = new_id(), self._clock.now()
        key = f"{subject.tenant_id}/files/{artifact_id}"
        size, digest = await asyncio.to_thread(_measure, file)
        row = {
            "id": artifact_id,
            "tenant_id": subject.tenant_id,
            "key": key,
            "name": _UNPRINTABLE.sub("_", name or "file")[:MAX_NAME],
            "content_type": _media_type(content_type),
            "size": size,
            "sha256": digest,
            "created_by": subject.user_id,
            "created_at": now,
            "expires_at": now + self._keep if self._keep else None,
        }

        most = (await self._quotas.of(subject.tenant_id)).get(STORAGE_BYTES)
        if most is not None:
            async with self._database.reading(subject.tenant_id) as reading:
                await self._check_room(reading, subject.tenant_id, size, most)  # before anything is sent to the object store

        async def make(session: AsyncSession) -> Artifact:
            if most is not None:
                await take_turn(session, "storage", subject.tenant_id)
                await self._check_room(session, subject.tenant_id, size, most)
            await repository.create(session, row)
            await self._trail.add(session, subject, Deed("artifact.created", artifact_id, {"size": size, "sha256": digest}))
            return _wire(ArtifactRow(**row))

        await self._objects.put(key, file)
        made: Artifact | None = None
        try:
            made = await self._once.create(subject.tenant_id, idempotency, Artifact, make)
        finally:
            if made is None or made.id != artifact_id:
                await self._forget(key)
        return made

    async def stored_bytes(self, tenant_id: str) -> int:
        """Return how many bytes of artifacts a tenant keeps."""
        async with self._database.reading(tenant_id) as session:
            return await repository.stored_bytes(session, tenant_id)

    async def _check_room(self, session: AsyncSession, tenant_id: str, size: int, most: int) -> None:
        """Let a file in only if there is room for it.

        Raises:
            StorageQuotaReached: there is none.
        """
        stored = await repository.stored_bytes(session, tenant_id)
        if stored + size > most:
            raise StorageQuotaReached(
                f"Your organisation keeps {stored} of {most} bytes; this file has {size}.",
                hint="Delete what nobody needs, or ask for more.",
            )

    async def get(self, subject: Subject, artifact_id: str) -> Artifact:
        """Return an artifact.

        Raises:
            ArtifactNotFound: the tenant has none of this id, or it is a value of a run that the caller does not see.
            Forbidden: it is a value of a run, and the caller may not read runs.
        """
        return _wire(await self._row(subject, artifact_id))

    async def content(self, subject: Subject, artifact_id: str) -> tuple[Artifact, AsyncIterator[bytes]]:
        """Return an artifact with its content in pieces.

        Raises:
            ArtifactNotFound: the tenant has none of this id, or it is a value of a run that the caller does not see.
            Forbidden: it is a value of a run, and the caller may not read runs.
            ObjectMissing: its content is gone.
            ObjectStoreUnavailable: the object store does not answer.
        """
        row = await self._row(subject, artifact_id)
        return _wire(row), await self._objects.stream(row.key)

    async def link(self, subject: Subject, artifact_id: str, life: timedelta) -> ArtifactLink:
        """Return a link by which anybody can download an artifact for a while.

        Raises:
            ArtifactNotFound: the tenant has none of this id, or it is a value of a run that the caller does not see.
            Forbidden: it is a value of a run, and the caller may not read runs.
            ObjectStoreUnavailable: the object store cannot sign.
        """
        row = await self._row(subject, artifact_id)
        if self._presign and (url := await self._objects.link(row.key, life)) is not None:
            return ArtifactLink(url=url, expires_at=self._clock.now() + life)
        token, ends = await self._links.make(row.tenant_id, row.id, life)
        return ArtifactLink(url=f"/api/v1/artifacts/{row.id}/download?token={token}", expires_at=ends)

    async def linked(self, artifact_id: str, token: str) -> tuple[Artifact, AsyncIterator[bytes]]:
        """Return an artifact with its content in pieces, for whoever has a link to it.

        Raises:
            LinkNotValid: this installation made no such link.
            LinkExpired: its time is over.
            ArtifactNotFound: the artifact was deleted.
            ObjectMissing: its content is gone.
            ObjectStoreUnavailable: the object store does not answer.
        """
        tenant_id = await self._links.read(artifact_id, token)
        async with self._database.reading(tenant_id) as session:
            row = await repository.get(session, tenant_id, artifact_id)
        return _wire(row), await self._objects.stream(row.key)

    async def _row(self, subject: Subject, artifact_id: str) -> ArtifactRow:
        row = await self._seen(subject, artifact_id)
        if row.run_id is not None:
            subject.require_somewhere(Permission.RUNS_READ)
        return row

    async def _seen(self, subject: Subject, artifact_id: str) -> ArtifactRow:
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.get(session, subject.tenant_id, artifact_id)
        if row.run_id is not None and not await self._sees_run(subject, row.run_id):
            raise not_found(artifact_id)
        return row

    async def list(self, subject: Subject, run_id: str | None, page: PageRequest) -> Page[Artifact]:
        """Return one page of sent files, or of the large values of a run: none, if the caller does not see it.

        Raises:
            Malformed: the cursor is of another list.
            Forbidden: values of a run are asked for, and the caller may not read runs.
        """
        if run_id is not None:
            subject.require_somewhere(Permission.RUNS_READ)
            if not await self._sees_run(subject, run_id):
                return Page([], None, 0 if page.count else None)
        async with self._database.listing(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, run_id, page)
        return Page([_wire(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, subject: Subject, artifact_id: str) -> None:
        """Delete a sent file.

        Raises:
            ArtifactNotFound: the tenant has none of this id, or it is a value of a run that the caller does not see.
            ArtifactOfRun: it is a value of a run.
        """
        seen = await self._seen(subject, artifact_id)
        if seen.run_id is not None:
            raise ArtifactOfRun(f"The artifact is a value of run {seen.run_id}.", hint="It is deleted with the run.")
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject.tenant_id, artifact_id)
            await repository.remove(session, subject, artifact_id)
            await self._trail.add(session, subject, Deed("artifact.deleted", artifact_id, {"sha256": row.sha256}))
        await self._forget(row.key)

    async def _forget(self, key: str) -> None:
        try:
            await self._objects.delete([key])
        except ObjectStoreUnavailable as error:
            # Nothing refers to it any more; retention finds blobs without a row.
            log.warning("a blob could not be deleted", key=key, error=error.message)


def _measure(file: BinaryIO) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := file.read(CHUNK_BYTES):
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return size, digest.hexdigest()


def _media_type(declared: str | None) -> str:
    """Return a plain media type; what cannot be one is taken for binary."""
    kind = (declared or "").partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else BINARY


def _wire(row: ArtifactRow) -> Artifact:
    return Artifact(
        id=row.id,
        name=row.name,
        content_type=row.content_type,
        size=row.size,
        sha256=row.sha256,
        run_id=row.run_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        href=f"/api/v1/artifacts/{row.id}/content",
    )
