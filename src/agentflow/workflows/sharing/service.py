"""Sharing workflows: how far they can be seen, with whom they are shared, and links to them."""

import asyncio
import hashlib
import secrets
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Forbidden, Invalid, Unauthenticated
from agentflow.identity.access import AccessReader
from agentflow.identity.permissions import Permission
from agentflow.identity.roles.errors import BeyondOwnRights
from agentflow.identity.roles.service import require_within
from agentflow.identity.subject import Credential, CredentialKind, Resource, ResourceKind, Subject
from agentflow.identity.tenants.grants import GrantService
from agentflow.identity.tenants.schemas import GrantCreate
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import is_id, new_id
from agentflow.kit.memo import Memo
from agentflow.kit.pagination import Page, PageRequest
from agentflow.workflows.cleaning import without_secrets
from agentflow.workflows.definitions import repository as definitions
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.service import WorkflowService
from agentflow.workflows.definitions.visibility import Visibility
from agentflow.workflows.needs import NeedsOf
from agentflow.workflows.sharing import door, repository
from agentflow.workflows.sharing.door import Opened
from agentflow.workflows.sharing.errors import GranteeNotFound, LinkNotFound, TooManyLinks, WorkflowPrivate
from agentflow.workflows.sharing.models import LinkRow
from agentflow.workflows.sharing.openings import Openings
from agentflow.workflows.sharing.schemas import Link, LinkCreate, NewLink, PublicWorkflow, Share, ShareCreate, SharedWorkflow, Sharing

MARK = "afw_"
MAX_LINKS = 100
"""Links that a workflow may have at the same time."""
_CLEANED_S, _CLEANED = 60.0, 256


class SharingService:
    """The use cases of sharing.

    Args:
        database: where workflows, grants and links are.
        clock: the time, which ends links.
        trail: where changes are written down.
        grants: shares are grants.
        access: knows what makers of links may do now.
        workflows: told when one can be seen by others than before.
        needs: tells what a specification would use.
        public_url: where people reach this server; None where nobody has said.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        trail: Trail,
        grants: GrantService,
        access: AccessReader,
        workflows: WorkflowService,
        needs: NeedsOf,
        public_url: str | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._trail = trail
        self._grants = grants
        self._access = access
        self._workflows = workflows
        self._needs = needs
        self._openings = Openings(trail, clock)
        self._url = (public_url or "").rstrip("/") + "/api/v1/shared"
        self._cleaned: Memo[str, tuple[Document, dict[str, list[str]]]] = Memo(clock, _CLEANED_S, _CLEANED)

    async def get(self, subject: Subject, ref: str) -> Sharing:
        """Return who sees a workflow.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
        """
        async with self._database.reading() as session:
            return await self._sharing(session, await self._find(session, subject, ref))

    async def _find(self, session: AsyncSession, subject: Subject, ref: str) -> WorkflowRow:
        return await definitions.find(session, subject, ref, needs=Permission.WORKFLOWS_SHARE)

    async def _sharing(self, session: AsyncSession, row: WorkflowRow) -> Sharing:
        is_public = row.visibility == Visibility.PUBLIC.value
        return Sharing(
            workflow_id=row.id,
            visibility=row.visibility,
            owner_id=row.owner_id,
            public_url=f"{self._url}/workflows/{row.id}" if is_public else None,
            shares=[_share(item) for item in await repository.shares(session, row.tenant_id, row.id)],
            links=[_link(link) for link in await repository.links(session, row.tenant_id, row.id)],
        )

    async def set_visibility(self, subject: Subject, ref: str, visibility: str) -> Sharing:
        """Say how far a workflow can be seen; making it private revokes its links. It holds within a second.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
            PreconditionFailed: it was changed in the meantime.
        """
        async with self._database.transaction() as session:
            row = await self._find(session, subject, ref)
            now, before = self._clock.now(), row.visibility
            if visibility != before:
                await definitions.save(session, subject, {"visibility": visibility, "updated_at": max(now, row.updated_at)}, None, row)
                revoked = 0
                if visibility == Visibility.PRIVATE.value:
                    revoked = await repository.revoke_links(session, subject.tenant_id, row.id, now)
                said = {"name": row.name, "from": before, "to": visibility, "links_revoked": revoked}
                await self._trail.add(session, subject, Deed("workflow.visibility-changed", row.id, said))
            session.expunge(row)
            row.visibility = visibility
            sharing = await self._sharing(session, row)
        self._workflows.forget()
        self._access.forget()
        return sharing

    async def share(self, subject: Subject, ref: str, new: ShareCreate) -> Share:
        """Let a member or team do with a workflow what a role allows; it holds everywhere within five seconds.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
            GranteeNotFound: the organisation has no such member or team.
            BeyondOwnRights: the role allows what the caller may not.
            UnknownRole: the organisation has it not.
            GrantExists: it is shared with them already.
            Invalid: it would be over before it begins.
        """
        async with self._grants.giving() as session:
            row = await self._find(session, subject, ref)
            kind, grantee = await self._grantee(session, subject, new)
            given = GrantCreate(
                grantee_kind=kind,
                grantee_id=grantee,
                resource_kind=ResourceKind.WORKFLOW,
                resource_id=row.id,
                role=new.role,
                expires_at=new.expires_at,
            )
            made = await self._grants.add(session, subject, given)
            said = {"name": row.name, kind: grantee, "role": new.role}
            await self._trail.add(session, subject, Deed("workflow.shared", row.id, said))
            (share,) = await repository.shares(session, subject.tenant_id, row.id, made.id)
        return _share(share)

    async def _grantee(self, session: AsyncSession, subject: Subject, new: ShareCreate) -> tuple[Any, str]:
        if new.user is not None:
            kind, found = "user", await repository.find_user(session, subject.tenant_id, new.user)
        else:
            kind, found = "team", await repository.find_team(session, subject.tenant_id, new.team or "")
        if found is None:
            hint = "GET /api/v1/tenants/current/members and GET /api/v1/teams list them."
            raise GranteeNotFound(f"There is no {kind} {new.user or new.team} in the organisation.", hint=hint)
        return kind, found

    async def unshare(self, subject: Subject, ref: str, share_id: str) -> None:
        """Take a share back.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
            GrantNotFound: the workflow has no such share.
        """
        async with self._grants.giving() as session:
            row = await self._find(session, subject, ref)
            resource = Resource(ResourceKind.WORKFLOW, row.id)
            await self._grants.take(session, subject, share_id, resource)
            await self._trail.add(session, subject, Deed("workflow.unshared", row.id, {"name": row.name, "share_id": share_id}))

    async def create_link(self, subject: Subject, ref: str, new: LinkCreate) -> NewLink:
        """Make a link: whoever has it sees the workflow, and a member may take on its role.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
            WorkflowPrivate: the workflow is private.
            TooManyLinks: it has as many as it may have.
            BeyondOwnRights: the role allows what the caller may not.
            UnknownRole: the organisation has it not.
            Invalid: it would be over before it begins.
        """
        now, token = self._clock.now(), MARK + secrets.token_urlsafe(32)
        if new.expires_at is not None and new.expires_at <= now:
            raise Invalid("The link would have ended already.", hint="Choose a time to come.")
        async with self._database.transaction() as session:
            row = await self._find(session, subject, ref)
            if row.visibility == Visibility.PRIVATE.value:
                raise WorkflowPrivate(
                    f"Workflow {row.name} is private.", hint="Let the organisation see it first, or share it with members."
                )
            if len(await repository.links(session, subject.tenant_id, row.id)) >= MAX_LINKS:
                raise TooManyLinks(f"Workflow {row.name} has {MAX_LINKS} links.", hint="Revoke one first.")
            await require_within(session, subject, [new.role], Resource(ResourceKind.WORKFLOW, row.id))
            link: dict[str, Any] = {"id": new_id(), "tenant_id": subject.tenant_id, "workflow_id": row.id, "secret_hash": _hash(token)}
            link |= {"role": new.role, "uses": 0, "max_uses": new.max_uses, "expires_at": new.expires_at}
            link |= {"created_by": subject.user_id, "created_at": now, "last_used_at": None, "revoked_at": None}
            await repository.add_link(session, link)
            made = NewLink(**_link(LinkRow(**link)).model_dump(), token=token, url=f"{self._url}/workflow?token={token}")
            said = {"name": row.name, "link_id": made.id, "role": new.role}
            await self._trail.add(session, subject, Deed("workflow.link-created", row.id, said))
        return made

    async def revoke_link(self, subject: Subject, ref: str, link_id: str) -> None:
        """Revoke a link, and what members took from it; from now on it opens nothing.

        Raises:
            WorkflowNotFound: the tenant has none, or the caller may not share it.
            LinkNotFound: the workflow has no such link.
        """
        async with self._database.transaction() as session:
            row = await self._find(session, subject, ref)
            if not is_id(link_id) or not await repository.revoke_links(session, subject.tenant_id, row.id, self._clock.now(), link_id):
                raise LinkNotFound("The workflow has no such link.", hint="GET /api/v1/workflows/{id}/share lists them.")
            await self._trail.add(session, subject, Deed("workflow.link-revoked", row.id, {"name": row.name, "link_id": link_id}))
        self._access.forget()

    async def list_public(self, page: PageRequest, q: str | None, tag: str | None) -> Page[PublicWorkflow]:
        """Return one page of the public workflows of all organisations."""
        async with self._database.reading() as session:
            found = await door.list_public(session, page, q, tag)
        items = [PublicWorkflow(**{name: getattr(row, name) for name in PublicWorkflow.model_fields}) for row in found.items]
        return Page(items, found.next_cursor, found.total)

    async def open_public(self, workflow_id: str) -> SharedWorkflow:
        """Return a public workflow as everybody sees it.

        Raises:
            WorkflowNotFound: there is no public one of this id.
        """
        found = None
        if is_id(workflow_id):
            async with self._database.reading() as session:
                found = await door.find_public(session, workflow_id)
        shown = None if found is None else await self._shown(found)
        if shown is None:
            raise definitions.not_found(workflow_id)
        return shown

    async def open_link(self, token: str) -> SharedWorkflow:
        """Return a workflow as a link shows it; counts as a use, and is written down once for each visitor.

        Raises:
            LinkNotFound: the link opens nothing, for whatever reason.
        """
        opened = await self._opened(token)
        async with self._database.transaction(opened.tenant_id) as session:
            if not await repository.count_use(session, opened.tenant_id, str(opened.link_id), self._clock.now()):
                raise _opens_nothing()
            await self._openings.note(session, opened)
        self._openings.remember(opened)
        shown = await self._shown(opened)
        if shown is None:
            raise _opens_nothing()
        return shown

    async def _opened(self, token: str) -> Opened:
        async with self._database.reading() as session:
            opened = await door.find_link(session, _hash(token), self._clock.now()) if token.startswith(MARK) else None
        if opened is None:
            raise _opens_nothing()
        return opened

    async def _shown(self, opened: Opened) -> SharedWorkflow | None:
        async with self._database.reading(opened.tenant_id) as session:
            found = await repository.read_open(session, opened.tenant_id, opened.workflow_id)
        if found is None:
            return None
        row, version = found
        spec, uses = await self._cleaned.get(version.spec_hash, lambda: asyncio.to_thread(self._clean, version.spec))
        return SharedWorkflow(
            id=row.id,
            name=row.name,
            description=row.description,
            tags=row.tags,
            version=row.version,
            spec=spec,
            uses=uses,
            updated_at=row.updated_at,
        )

    def _clean(self, spec: Document) -> tuple[Document, dict[str, list[str]]]:
        cleaned = without_secrets(spec)
        return cleaned, self._needs(cleaned).to_json()

    async def accept_link(self, subject: Subject, token: str) -> Share:
        """Take on the role of a link, as a member of the workflow's organisation; it ends with the link.

        Raises:
            LinkNotFound: the link opens nothing, or whoever made it may not give its role any more.
            Forbidden: the caller works in another organisation.
            GrantExists: the workflow is shared with the caller already.
        """
        opened = await self._opened(token)
        if opened.tenant_id != subject.tenant_id:
            raise Forbidden("The link is for members of another organisation.", hint="Look at the workflow, or copy it into yours.")
        given = GrantCreate(
            grantee_kind="user",
            grantee_id=subject.user_id,
            resource_kind=ResourceKind.WORKFLOW,
            resource_id=opened.workflow_id,
            role=str(opened.role),
            expires_at=opened.expires_at,
        )
        try:
            giver = await self._maker(opened)
            async with self._grants.giving() as session:
                if not await repository.count_use(session, opened.tenant_id, str(opened.link_id), self._clock.now()):
                    raise _opens_nothing()
                made = await self._grants.add(session, giver, given, opened.link_id)
                said = {"link_id": opened.link_id, "role": opened.role}
                await self._trail.add(session, subject, Deed("workflow.link-accepted", opened.workflow_id, said))
                (share,) = await repository.shares(session, subject.tenant_id, opened.workflow_id, made.id)
        except (BeyondOwnRights, Unauthenticated) as error:
            raise _opens_nothing() from error
        return _share(share)

    async def _maker(self, opened: Opened) -> Subject:
        """Return the maker of a link with the rights of now: a link never gives more than its maker could."""
        access = await self._access.get(opened.tenant_id, str(opened.created_by))
        return access.subject(opened.tenant_id, str(opened.created_by), Credential(CredentialKind.SESSION, str(opened.link_id)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _opens_nothing() -> LinkNotFound:
    return LinkNotFound("This link opens nothing.", hint="Ask whoever gave it to you for a new one.")


def _share(row: Any) -> Share:
    return Share(**{name: getattr(row, name) for name in Share.model_fields})


def _link(row: LinkRow) -> Link:
    return Link(**{name: getattr(row, name) for name in Link.model_fields})
