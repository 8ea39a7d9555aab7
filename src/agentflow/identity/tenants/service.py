"""Organisations and their members."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Forbidden
from agentflow.identity.access import AccessReader
from agentflow.identity.builtin_roles import BuiltinRole
from agentflow.identity.permissions import Permission
from agentflow.identity.quotas import MAX_RUNNING_RUNS, TenantQuotas
from agentflow.identity.roles.repository import lock_tenant
from agentflow.identity.roles.service import require_within
from agentflow.identity.subject import Subject
from agentflow.identity.tenants import repository
from agentflow.identity.tenants.errors import LastOwner, MemberNotFound, OwnRoles, TenantExists, TenantNotEmpty, TenantNotFound
from agentflow.identity.tenants.schemas import Member, Quotas, Tenant, TenantCreate, TenantUpdate
from agentflow.infra.audit.trail import Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest

Closer: TypeAlias = Callable[[AsyncSession, str], Awaitable[None]]
"""Given the session that deletes an organisation and its id, ends what goes on there."""

CURRENT = "current"
"""Stands for the organisation that the caller works in, wherever a path names one."""


class TenantService:
    """The use cases of organisations and members.

    Args:
        database: where they are.
        clock: the time.
        access: told when somebody's rights change.
        quotas: told when they change.
        trail: where changes are written down.
        anybody_creates: whether everybody with an account may make an organisation.
        closers: end what goes on in an organisation that is deleted, in the same transaction.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        access: AccessReader,
        quotas: TenantQuotas,
        trail: Trail,
        *,
        anybody_creates: bool,
        closers: Sequence[Closer] = (),
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access
        self._quotas = quotas
        self._anybody_creates = anybody_creates
        self._closers = closers

    async def create(self, subject: Subject, new: TenantCreate) -> Tenant:
        """Make an organisation that the caller owns.

        Raises:
            Forbidden: the caller may not.
            TenantExists: there is one of this name.
        """
        if not self._anybody_creates or await self._is_guest(subject):
            subject.require(Permission.TENANTS_MANAGE)
        if subject.credential is not None and subject.credential.is_restricted:
            raise Forbidden("A key with scopes makes no organisation.", hint="Sign in, or use a key that may do all you may.")
        now = self._clock.now()
        row: dict[str, Any] = {"id": new_id(), "name": new.name, "created_at": now}
        owner = [BuiltinRole.OWNER.value]
        try:
            async with self._database.transaction() as session:
                await repository.add_tenant(session, row)
                await repository.add_member(session, row["id"], subject.user_id, owner, now)
                await self._said(session, subject, row["id"], "created", {"name": new.name})
        except IntegrityError as error:
            raise _exists(new.name) from error
        return Tenant(
            id=row["id"], name=new.name, is_current=False, roles=owner, quotas=Quotas(), second_factor_required=False, created_at=now
        )

    async def _said(self, session: AsyncSession, subject: Subject, tenant_id: str, verb: str, details: Mapping[str, Any]) -> None:
        """Write down what is done to an organisation: in its own log, and in that of the one that the caller works in."""
        for log in dict.fromkeys((tenant_id, subject.tenant_id)):
            doer = Doer(log, subject.user_id, subject.username)
            await self._trail.add(session, doer, Deed(f"tenant.{verb}", tenant_id, details))

    async def _is_guest(self, subject: Subject) -> bool:
        return (await self._access.get(subject.tenant_id, subject.user_id)).user_kind == "guest"

    async def list(self, subject: Subject, page: PageRequest, *, everybody: bool = False) -> Page[Tenant]:
        """Return one page of the caller's organisations, or of all there are.

        Raises:
            Forbidden: the caller may not see all.
        """
        async with self._database.reading() as session:
            if everybody:
                subject.require(Permission.TENANTS_MANAGE)
                found = await repository.list_tenants(session, page)
            elif subject.credential is not None and subject.credential.is_restricted:
                found = Page([await self._own(session, subject.tenant_id, subject)])
            else:
                found = await repository.list_own(session, subject.user_id, page)
        return Page([_tenant(row, subject) for row in found.items], found.next_cursor, found.total)

    async def get(self, subject: Subject, ref: str) -> Tenant:
        """Return an organisation: the caller's own, or with ``tenants:manage`` any.

        Raises:
            TenantNotFound: there is none that the caller works in.
        """
        async with self._database.reading() as session:
            return _tenant(await self._own(session, ref, subject), subject)

    async def _own(self, session: AsyncSession, ref: str, subject: Subject) -> Any:
        row = None
        if ref in (CURRENT, subject.tenant_id):
            subject.require(Permission.TENANTS_READ)
            row = await repository.get_tenant(session, subject.tenant_id)
        elif subject.may(Permission.TENANTS_MANAGE):
            row = await repository.get_tenant(session, ref)
        if row is None:
            raise not_found()
        return row

    async def update(self, subject: Subject, ref: str, new: TenantUpdate) -> Tenant:
        """Change an organisation's name, what it may use, or what it demands of who signs in.

        Raises:
            TenantNotFound: there is none that the caller works in.
            TenantExists: there is one of this name.
            Forbidden: the caller may not.
        """
        values: dict[str, Any] = {}
        if new.name is not None:
            values["name"] = new.name
        if new.second_factor_required is not None:
            values["second_factor_required"] = new.second_factor_required
        if new.quotas is not None:
            subject.require(Permission.TENANTS_MANAGE)
            values["quotas"] = new.quotas.model_dump(exclude_none=True, exclude={MAX_RUNNING_RUNS}) or None
            values[MAX_RUNNING_RUNS] = new.quotas.max_running_runs
        try:
            async with self._database.transaction() as session:
                row = await self._own(session, ref, subject)
                if row.id == subject.tenant_id and not (new.name is None and new.second_factor_required is None):
                    subject.require(Permission.TENANTS_WRITE)
                if values:
                    await repository.change_tenant(session, row.id, values)
                    await self._said(session, subject, row.id, "updated", values)
                changed = _tenant(await repository.get_tenant(session, row.id), subject)
        except IntegrityError as error:
            raise _exists(new.name or "") from error
        self._quotas.forget(changed.id)
        self._access.forget()
        return changed

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete an organisation: from now on it lets nobody in, by whatever credential, and its runs are cancelled.

        Raises:
            TenantNotFound: there is none that the caller works in.
            TenantNotEmpty: it runs the installation.
        """
        async with self._database.transaction() as session:
            row = await self._own(session, ref, subject)
            if row.is_operator:
                raise TenantNotEmpty("This organisation runs the installation.", hint="It cannot be deleted; others can.")
            await repository.change_tenant(session, row.id, {"deleted_at": self._clock.now()})
            await self._said(session, subject, row.id, "deleted", {"name": row.name})
            for close in self._closers:
                await close(session, row.id)
        self._access.forget()

    async def list_members(self, subject: Subject, page: PageRequest) -> Page[Member]:
        """Return one page of the organisation's members, by name."""
        async with self._database.reading() as session:
            found = await repository.list_members(session, subject.tenant_id, page)
        return Page([member_of(row) for row in found.items], found.next_cursor, found.total)

    async def get_member(self, subject: Subject, user_id: str) -> Member:
        """Return a member.

        Raises:
            MemberNotFound: there is none of this id.
        """
        async with self._database.reading() as session:
            return member_of(await require_member(session, subject.tenant_id, user_id))

    async def update_member(self, subject: Subject, user_id: str, roles: Sequence[str]) -> Member:
        """Give a member other roles; they hold everywhere within five seconds.

        Raises:
            MemberNotFound: there is none of this id.
            OwnRoles: it is the caller.
            BeyondOwnRights: the member may do, or would then, what the caller may not.
            UnknownRole: the organisation has not all of them.
            LastOwner: it would be without an owner.
        """
        async with self._database.transaction() as session:
            await lock_tenant(session, subject.tenant_id)
            row = await require_member(session, subject.tenant_id, user_id)
            if user_id == subject.user_id:
                raise OwnRoles("Nobody changes their own roles.", hint="Ask another administrator.")
            await require_within(session, subject, {*row.roles, *roles})
            if BuiltinRole.OWNER not in roles:
                await require_owner_left(session, subject.tenant_id, row)
            await repository.set_roles(session, subject.tenant_id, user_id, unique(roles))
            said = {"name": row.username, "roles": unique(roles), "before": unique(row.roles)}
            await self._trail.add(session, subject, Deed("member.updated", user_id, said))
            changed = await require_member(session, subject.tenant_id, user_id)
        self._access.forget()
        return member_of(changed)

    async def remove_member(self, subject: Subject, user_id: str) -> None:
        """Let a member go, or go oneself: keys, teams and grants in this organisation go too; within five seconds nothing works any more.

        Raises:
            MemberNotFound: there is none of this id.
            Forbidden: the caller may not, or the member may do what the caller may not.
            LastOwner: it would be without an owner.
        """
        async with self._database.transaction() as session:
            await lock_tenant(session, subject.tenant_id)
            row = await require_member(session, subject.tenant_id, user_id)
            if user_id != subject.user_id:
                subject.require(Permission.MEMBERS_WRITE)
                await require_within(session, subject, row.roles)
            elif subject.credential is not None and subject.credential.is_restricted:
                raise Forbidden("A key with scopes does not leave the organisation.", hint="Sign in, and leave then.")
            await require_owner_left(session, subject.tenant_id, row)
            await repository.remove_member(session, subject.tenant_id, user_id, self._clock.now())
            await self._trail.add(session, subject, Deed("member.removed", user_id, {"name": row.username}))
        self._access.forget()


async def require_member(session: AsyncSession, tenant_id: str, user_id: str) -> Any:
    """Return a member.

    Raises:
        MemberNotFound: there is none of this id.
    """
    row = await repository.find_member(session, tenant_id, user_id)
    if row is None:
        raise MemberNotFound("There is no such member.", hint="GET /api/v1/tenants/current/members lists them.")
    return row


async def require_owner_left(session: AsyncSession, tenant_id: str, member: Any) -> None:
    """Refuse to take the last owner away.

    Raises:
        LastOwner: the member is that.
    """
    if BuiltinRole.OWNER in member.roles and not await repository.has_other_owner(session, tenant_id, member.user_id):
        raise LastOwner("The organisation has no other owner.", hint="Make somebody else an owner first.")


def unique(roles: Iterable[str]) -> list[str]:
    """Return roles without repetitions, in order."""
    return sorted(set(roles))


def not_found() -> TenantNotFound:
    """Return the error for an organisation that is not there, or that the caller does not work in now."""
    return TenantNotFound("There is no such organisation.", hint="POST /api/v1/auth/tenant lets you work in another of yours.")


def _exists(name: str) -> TenantExists:
    return TenantExists(f"There is an organisation {name} already.", hint="Choose another name.")


def _tenant(row: Any, subject: Subject) -> Tenant:
    is_current = row.id == subject.tenant_id
    roles = getattr(row, "roles", None) or (sorted(subject.roles) if is_current else [])
    return Tenant(
        id=row.id,
        name=row.name,
        is_current=is_current,
        roles=roles,
        quotas=Quotas(**(row.quotas or {}), max_running_runs=row.max_running_runs),
        second_factor_required=row.second_factor_required,
        created_at=row.created_at,
    )


def member_of(row: Any) -> Member:
    """Return a member for the wire."""
    names = ("user_id", "username", "display_name", "email", "kind", "roles", "joined_at")
    return Member(**{name: getattr(row, name) for name in names}, is_disabled=row.disabled_at is not None)
