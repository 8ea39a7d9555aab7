"""Administering accounts: those that an organisation made, or that came in by its invitation."""

from typing import Any

from sqlalchemy.exc import IntegrityError

from agentflow.errors import Invalid
from agentflow.identity.access import AccessReader
from agentflow.identity.accounts import repository as accounts
from agentflow.identity.accounts.errors import AccountExists
from agentflow.identity.emails import email_of
from agentflow.identity.passwords import Passwords
from agentflow.identity.roles.repository import lock_tenant
from agentflow.identity.roles.service import require_within
from agentflow.identity.sessions.service import Sessions
from agentflow.identity.subject import Subject
from agentflow.identity.tenants.service import require_owner_left, unique
from agentflow.identity.users import repository
from agentflow.identity.users.errors import MemberElsewhere, OwnAccount, UserNotFound
from agentflow.identity.users.schemas import User, UserCreate, UserUpdate
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest


class UserService:
    """The use cases of administered accounts.

    Args:
        database: where they are.
        clock: the time.
        access: told when somebody's rights change.
        passwords: makes hashes.
        sessions: ends those of a user.
        trail: where changes are written down.
    """

    def __init__(
        self, database: Database, clock: Clock, access: AccessReader, passwords: Passwords, sessions: Sessions, trail: Trail
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access
        self._passwords = passwords
        self._sessions = sessions

    async def list(self, subject: Subject, kind: str | None, page: PageRequest) -> Page[User]:
        """Return one page of accounts, by name."""
        async with self._database.reading() as session:
            found = await repository.list_users(session, subject.tenant_id, kind, page)
        return Page([_user(row) for row in found.items], found.next_cursor, found.total)

    async def get(self, subject: Subject, user_id: str) -> User:
        """Return an account.

        Raises:
            UserNotFound: the organisation administers none of this id.
        """
        async with self._database.reading() as session:
            return _user(await self._read(session, subject, user_id))

    async def _read(self, session: Any, subject: Subject, user_id: str) -> Any:
        row = await repository.find(session, subject.tenant_id, user_id)
        if row is None:
            raise UserNotFound("There is no such user.", hint="GET /api/v1/users lists those that this organisation administers.")
        return row

    async def create(self, subject: Subject, new: UserCreate) -> User:
        """Make an account that is a member of the organisation.

        Raises:
            AccountExists: its name or mail address is taken.
            BeyondOwnRights: its roles allow what the caller may not.
            UnknownRole: the organisation has not all of them.
            PasswordRefused: the password is not good enough.
            Invalid: a service account with a password, or a person with neither password nor mail address.
        """
        if new.kind == "service" and (new.password is not None or new.email is not None):
            raise Invalid("A service account has neither password nor mail address.", hint="Make an API key for it.")
        if new.kind == "person" and new.password is None and new.email is None:
            raise Invalid("The account needs a password, or a mail address to set one.", hint="Send one of them.")
        email = None if new.email is None else email_of(new.email)
        hashed = None if new.password is None else await self._passwords.hash(new.password, [new.username, email or ""])
        now = self._clock.now()
        row: dict[str, Any] = {"id": new_id(), "tenant_id": subject.tenant_id, "username": new.username, "kind": new.kind, "email": email}
        row |= {"display_name": new.display_name, "password_hash": hashed, "created_at": now}
        membership = {"tenant_id": subject.tenant_id, "user_id": row["id"], "roles": unique(new.roles), "created_at": now}
        try:
            async with self._database.transaction() as session:
                await require_within(session, subject, new.roles)
                await accounts.add(session, row)
                await accounts.add_membership(session, membership)
                said = {"name": new.username, "kind": new.kind, "roles": membership["roles"]}
                await self._trail.add(session, subject, Deed("user.created", str(row["id"]), said))
                return _user(await self._read(session, subject, str(row["id"])))
        except IntegrityError as error:
            raise AccountExists(
                "There is an account with this name or mail address.", hint="Invite it instead, or choose another name."
            ) from error

    async def update(self, subject: Subject, user_id: str, new: UserUpdate) -> User:
        """Change an account.

        Raises:
            UserNotFound: the organisation administers none of this id.
            BeyondOwnRights: the user may do what the caller may not.
            MemberElsewhere: the caller would get into other organisations by it.
            OwnAccount: somebody shuts their own account.
            LastOwner: the organisation would be without an owner.
            PasswordRefused: the password is not good enough.
        """
        given = new.model_fields_set
        takes_over = bool(new.password) or new.second_factor is False
        async with self._database.reading() as session:
            before = await self._read(session, subject, user_id)
        values: dict[str, Any] = {"display_name": new.display_name} if "display_name" in given else {}
        if new.password is not None:
            values["password_hash"] = await self._passwords.hash(new.password, [before.username, before.email or ""])
        if new.second_factor is False:
            values |= dict.fromkeys(("totp_secret", "totp_confirmed_at", "totp_last_step", "recovery_codes"))
        if new.is_disabled is not None:
            values["disabled_at"] = (before.disabled_at or self._clock.now()) if new.is_disabled else None
        async with self._database.transaction() as session:
            await lock_tenant(session, subject.tenant_id)
            row = await self._read(session, subject, user_id)
            await require_within(session, subject, row.roles or [])
            if takes_over and await repository.is_member_elsewhere(session, subject.tenant_id, user_id):
                raise MemberElsewhere(
                    "The user is a member of other organisations.", hint="Let the user do it: by mail, or when signed in."
                )
            if new.is_disabled:
                await self._check_shut(session, subject, row)
            if values:
                await repository.change(session, subject.tenant_id, user_id, values)
                said = {"name": row.username, "fields": sorted(values), "disabled": new.is_disabled}
                await self._trail.add(session, subject, Deed("user.updated", user_id, said))
            changed = await self._read(session, subject, user_id)
        if takes_over or new.is_disabled:
            await self._sessions.revoke_all(user_id, subject, "account changed by an administrator")
        self._access.forget()
        return _user(changed)

    async def _check_shut(self, session: Any, subject: Subject, row: Any) -> None:
        if row.id == subject.user_id:
            raise OwnAccount("Nobody shuts their own account here.", hint="Ask another administrator.")
        if row.roles:
            await require_owner_left(session, subject.tenant_id, _AsMember(row))

    async def delete(self, subject: Subject, user_id: str) -> None:
        """Delete an account with its sessions, keys and memberships everywhere; what it made stays.

        Raises:
            UserNotFound: the organisation administers none of this id.
            BeyondOwnRights: the user may do what the caller may not.
            OwnAccount: it is the caller's.
            MemberElsewhere: the user is a member of other organisations too.
            LastOwner: the organisation would be without an owner.
        """
        async with self._database.transaction() as session:
            await lock_tenant(session, subject.tenant_id)
            row = await self._read(session, subject, user_id)
            await self._check_shut(session, subject, row)
            await require_within(session, subject, row.roles or [])
            if await repository.is_member_elsewhere(session, subject.tenant_id, user_id):
                raise MemberElsewhere("The user is a member of other organisations.", hint="Remove the membership here instead.")
            await repository.remove(session, subject.tenant_id, user_id)
            await self._trail.add(session, subject, Deed("user.deleted", user_id, {"name": row.username}))
        await self._sessions.revoke_all(user_id, subject, "account deleted")
        self._access.forget()


class _AsMember:
    """An account where a member is asked for."""

    def __init__(self, row: Any) -> None:
        self.user_id, self.roles = row.id, row.roles


def _user(row: Any) -> User:
    names = ("id", "username", "display_name", "email", "kind", "created_at")
    values = {name: getattr(row, name) for name in names}
    return User(**values, roles=row.roles or [], second_factor=row.totp_confirmed_at is not None, is_disabled=row.disabled_at is not None)
