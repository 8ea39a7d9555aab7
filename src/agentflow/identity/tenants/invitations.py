"""Inviting people into an organisation."""

import secrets
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.access import AccessReader
from agentflow.identity.emails import email_of
from agentflow.identity.models import InvitationRow
from agentflow.identity.roles.service import require_within
from agentflow.identity.subject import Subject
from agentflow.identity.tenants import repository
from agentflow.identity.tenants.errors import InvitationForAnother, InvitationNotFound, InvitationNotGood, MemberExists
from agentflow.identity.tenants.schemas import Invitation, NewInvitation
from agentflow.identity.tenants.service import unique
from agentflow.identity.tokens.one_time import hash_of
from agentflow.infra.audit.trail import Actor, Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

MARK = "afi_"


class SendsInvitations(Protocol):
    """Sends an invitation to a mail address."""

    def invitation(self, to: str, organisation: str, by: str, token: str) -> None:
        """Send it beside the request."""
        ...


class Invitations:
    """The use cases of invitations.

    Args:
        database: where they are.
        clock: the time.
        access: told when somebody's rights change.
        post: sends them.
        lifetime: how long they can be accepted.
        trail: where changes are written down.
    """

    def __init__(
        self, database: Database, clock: Clock, access: AccessReader, post: SendsInvitations, lifetime: timedelta, trail: Trail
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access
        self._post = post
        self._lifetime = lifetime

    async def create(self, subject: Subject, email: str, roles: list[str]) -> NewInvitation:
        """Invite somebody; an earlier invitation of the same address is worthless from now on.

        Raises:
            BeyondOwnRights: the roles allow what the caller may not.
            UnknownRole: the organisation has not all of them.
            InvalidEmail: it is no mail address.
        """
        email = email_of(email)
        token, now = MARK + secrets.token_urlsafe(32), self._clock.now()
        row: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": subject.tenant_id,
            "email": email,
            "roles": unique(roles),
            "secret_hash": hash_of(token),
        }
        row |= {"invited_by": subject.user_id, "created_at": now, "expires_at": now + self._lifetime}
        async with self._database.transaction() as session:
            await require_within(session, subject, roles)
            tenant = await repository.get_tenant(session, subject.tenant_id)
            await repository.add_invitation(session, row)
            await self._trail.add(session, subject, Deed("invitation.created", row["id"], {"roles": row["roles"]}))
        self._post.invitation(email, "" if tenant is None else tenant.name, subject.username, token)
        return NewInvitation(**_invitation(InvitationRow(**row)).model_dump(), token=token)

    async def list(self, subject: Subject) -> list[Invitation]:
        """Return the invitations that can be accepted."""
        async with self._database.reading(subject.tenant_id) as session:
            return [_invitation(row) for row in await repository.list_invitations(session, subject.tenant_id, self._clock.now())]

    async def revoke(self, subject: Subject, invitation_id: str) -> None:
        """Make an invitation worthless.

        Raises:
            InvitationNotFound: there is none that could be accepted.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            if not await repository.revoke_invitation(session, subject.tenant_id, invitation_id, self._clock.now()):
                raise InvitationNotFound("There is no such invitation.", hint="GET /api/v1/tenants/current/invitations lists them.")
            await self._trail.add(session, subject, Deed("invitation.revoked", invitation_id))

    async def accept(self, session: AsyncSession, token: str, who: Actor, email: str | None) -> str:
        """Make somebody a member, in the caller's transaction; returns the organisation's id.

        Raises:
            InvitationNotGood: the token is unknown, was used or revoked, or is too old.
            InvitationForAnother: it is for another mail address.
            MemberExists: the user is a member already.
        """
        now = self._clock.now()
        found = await repository.find_invitation(session, hash_of(token), now)
        if found is None:
            raise not_good()
        invitation: Any = found.InvitationRow
        if email != invitation.email:
            raise InvitationForAnother(
                "The invitation is for another mail address.", hint="Use the account with the address it was sent to."
            )
        if await repository.find_member(session, invitation.tenant_id, who.user_id) is not None:
            raise MemberExists("You are a member of this organisation already.", hint="Nothing is left to do.")
        if not await repository.accept_invitation(session, invitation.id, who.user_id, now):
            raise not_good()
        await repository.add_member(session, invitation.tenant_id, who.user_id, invitation.roles, now)
        tenant_id: str = invitation.tenant_id
        doer = Doer(tenant_id, who.user_id, who.username)
        await self._trail.add(session, doer, Deed("invitation.accepted", invitation.id, {"roles": invitation.roles}))
        return tenant_id

    async def home_of(self, session: AsyncSession, token: str, email: str) -> str:
        """Return the organisation that an invitation leads into, before the account is made.

        Raises:
            InvitationNotGood: the token is unknown, was used or revoked, or is too old.
            InvitationForAnother: it is for another mail address.
        """
        found = await repository.find_invitation(session, hash_of(token), self._clock.now())
        if found is None:
            raise not_good()
        if email != found.InvitationRow.email:
            raise InvitationForAnother("The invitation is for another mail address.", hint="Register with the address it was sent to.")
        home: str = found.InvitationRow.tenant_id
        return home


def not_good() -> InvitationNotGood:
    """Return the error for an invitation that cannot be accepted, for whatever reason."""
    return InvitationNotGood("The invitation is unknown, was used or revoked, or is too old.", hint="Ask for a new one.")


def _invitation(row: InvitationRow) -> Invitation:
    names = ("id", "email", "roles", "invited_by", "created_at", "expires_at")
    return Invitation(**{name: getattr(row, name) for name in names})
