"""Making accounts: by registration, by invitation, as a guest, and of a guest."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.access import AccessReader
from agentflow.identity.accounts import repository
from agentflow.identity.accounts.errors import AccountExists, GuestsNotAllowed, RegistrationClosed
from agentflow.identity.accounts.names import numbered, username_from
from agentflow.identity.accounts.schemas import Register
from agentflow.identity.accounts.sign_in import Entry
from agentflow.identity.attempts import Attempts
from agentflow.identity.builtin_roles import BuiltinRole
from agentflow.identity.emails import email_of
from agentflow.identity.models import UserRow
from agentflow.identity.passwords import Passwords
from agentflow.identity.sessions.service import Device
from agentflow.identity.tenants.invitations import Invitations
from agentflow.infra.audit.trail import PROGRAM, Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

_OWNER, _GUEST = [BuiltinRole.OWNER.value], [BuiltinRole.DEVELOPER.value]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may come in.

    Attributes:
        is_open: whether everybody may register.
        takes_guests: whether strangers get an account for a while.
    """

    is_open: bool
    takes_guests: bool


class Registration:
    """The use cases of making accounts.

    Args:
        database: where they are.
        clock: the time.
        passwords: makes hashes.
        invitations: leads into organisations.
        attempts: makes trying many slow.
        access: told when somebody's rights change.
        policy: who may come in.
        trail: where it is written down.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Passwords,
        invitations: Invitations,
        attempts: Attempts,
        access: AccessReader,
        policy: Policy,
        trail: Trail,
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._invitations = invitations
        self._attempts = attempts
        self._access = access
        self._policy = policy

    async def register(self, new: Register, device: Device, guest_id: str | None = None) -> Entry:
        """Make an account: in an organisation of its own, in the one that invites, or of a guest, who keeps all there is.

        Raises:
            RegistrationClosed: everybody but the invited, and guests, is turned away here.
            AccountExists: the name or mail address is taken.
            PasswordRefused: the password is not good enough.
            InvalidEmail: it is no mail address.
            InvitationNotGood: the invitation is unknown, used or too old.
            TooManyAttempts: too many were made from this address.
        """
        if guest_id is None and new.invitation is None and not self._policy.is_open:
            raise RegistrationClosed("Only who is invited may register here.", hint="Ask an administrator for an invitation.")
        if device.address:
            # Each answer tells whether a mail address has an account, and each account costs something.
            await self._attempts.take(f"register:{device.address}")
        email = email_of(new.email)
        hashed = await self._passwords.hash(new.password, [new.username or "", email, new.display_name or ""])
        try:
            async with self._database.transaction() as session:
                name = new.username or await self._free_name(session, email)
                values = {"username": name, "email": email, "display_name": new.display_name, "password_hash": hashed}
                entry = await self._make(session, new, values, guest_id)
        except IntegrityError as error:
            raise AccountExists(
                "There is an account or organisation of this name or mail address.", hint="Sign in, or choose another."
            ) from error
        self._access.forget()
        return entry

    async def _make(self, session: AsyncSession, new: Register, values: dict[str, Any], guest_id: str | None) -> Entry:
        now = self._clock.now()
        if guest_id is not None:
            return await self._upgrade(session, guest_id, values, new.invitation)
        user_id = new_id()
        if new.invitation is not None:
            home = await self._invitations.home_of(session, new.invitation, values["email"])
        else:
            home = await self._organisation(
                session, new.organisation or f"{values['username']}'s organisation", user_id, values["username"]
            )
        row = {"id": user_id, "tenant_id": home, "kind": "person", "created_at": now, **values}
        await repository.add(session, row)
        await self._said(session, row, "registered", invited=new.invitation is not None)
        if new.invitation is not None:
            await self._invitations.accept(session, new.invitation, Doer(home, row["id"], row["username"]), values["email"])
        else:
            membership = {"tenant_id": home, "user_id": row["id"], "roles": _OWNER, "created_at": now}
            await repository.add_membership(session, membership)
        return Entry(await self._read(session, row["id"]), home)

    async def _upgrade(self, session: AsyncSession, guest_id: str, values: dict[str, Any], invitation: str | None) -> Entry:
        """Turn a guest into a person, who owns the organisation that was the guest's, with everything in it."""
        guest = await self._read(session, guest_id)
        await repository.change(session, guest_id, {**values, "kind": "person"})
        await repository.set_roles(session, guest.tenant_id, guest_id, _OWNER)
        await self._said(session, {"id": guest_id, "tenant_id": guest.tenant_id, **values}, "upgraded")
        if invitation is not None:
            await self._invitations.accept(session, invitation, Doer(guest.tenant_id, guest_id, values["username"]), values["email"])
        session.expire(guest)
        return Entry(await self._read(session, guest_id), guest.tenant_id)

    async def guest(self, device: Device) -> Entry:
        """Make an account for a stranger, in an organisation of its own.

        Raises:
            GuestsNotAllowed: this server takes none.
            TooManyAttempts: too many came from this address.
        """
        if not self._policy.takes_guests:
            raise GuestsNotAllowed("This server takes no guests.", hint="Sign in, or ask for an invitation.")
        if device.address:
            await self._attempts.take(f"register:{device.address}")
        name, now = f"guest-{secrets.token_hex(8)}", self._clock.now()
        async with self._database.transaction() as session:
            user_id = new_id()
            home = await self._organisation(session, name, user_id, name)
            row = {"id": user_id, "tenant_id": home, "kind": "guest", "created_at": now, "username": name}
            await repository.add(session, row)
            await self._said(session, row, "registered", guest=True)
            await repository.add_membership(session, {"tenant_id": home, "user_id": row["id"], "roles": _GUEST, "created_at": now})
            return Entry(await self._read(session, str(row["id"])), home)

    async def end_guests(self, age: timedelta) -> int:
        """Shut the accounts of guests that came so long ago; returns how many."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            ended = await repository.end_guests(session, now - age, now)
            for user_id, tenant_id in ended:
                await self._trail.add(session, Doer(tenant_id, "", PROGRAM), Deed("user.expired", user_id))
        if ended:
            self._access.forget()
        return len(ended)

    async def _said(self, session: AsyncSession, account: Mapping[str, Any], verb: str, **details: Any) -> None:
        """Write down what becomes of an account by its own user."""
        doer = Doer(account["tenant_id"], account["id"], account["username"])
        await self._trail.add(session, doer, Deed(f"user.{verb}", doer.user_id, {"name": doer.username, **details}))

    async def accept(self, token: str, user: UserRow) -> str:
        """Let somebody who has an account accept an invitation; returns the organisation's id.

        Raises:
            InvitationNotGood: it is unknown, used or too old.
            InvitationForAnother: it is for another mail address.
            MemberExists: the user is a member already.
        """
        async with self._database.transaction() as session:
            tenant_id = await self._invitations.accept(session, token, Doer(user.tenant_id, user.id, user.username), user.email)
        self._access.forget()
        return tenant_id

    async def _organisation(self, session: AsyncSession, name: str, user_id: str, username: str) -> str:
        row = {"id": new_id(), "name": name, "created_at": self._clock.now()}
        await repository.add_tenant(session, row)
        await self._trail.add(session, Doer(str(row["id"]), user_id, username), Deed("tenant.created", str(row["id"]), {"name": name}))
        return str(row["id"])

    async def _free_name(self, session: AsyncSession, email: str) -> str:
        stem = username_from(email)
        return numbered(stem) if await repository.is_taken(session, stem) else stem

    async def _read(self, session: AsyncSession, user_id: str) -> UserRow:
        user = await repository.get(session, user_id)
        assert user is not None  # noqa: S101 - written in this transaction, or signed in
        return user
