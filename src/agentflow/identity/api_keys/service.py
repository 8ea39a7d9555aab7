"""Making, rotating and revoking API keys, and recognising them."""

import secrets
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from agentflow.errors import Forbidden, Invalid
from agentflow.identity.access import AccessReader, known
from agentflow.identity.api_keys import repository
from agentflow.identity.api_keys.errors import ApiKeyNotFound, ApiKeyRevoked, ScopeNotHeld
from agentflow.identity.api_keys.schemas import ApiKey, ApiKeyCreate, NewApiKey
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import CredentialKind, Subject
from agentflow.identity.tokens.access import refused
from agentflow.identity.tokens.one_time import hash_of
from agentflow.infra.audit.trail import PROGRAM, Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.last_uses import LastUses
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest

log = structlog.get_logger(__name__)

MARK = "afk_"
PREFIX_LENGTH = 11


@dataclass(frozen=True, slots=True)
class Key:
    """What a key stands for.

    Attributes:
        id: of the key.
        tenant_id: the tenant it is good for.
        user_id: whom it stands for.
        scopes: what it may do at most; None for all that its user may.
    """

    id: str
    tenant_id: str
    user_id: str
    scopes: Set[Permission] | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """When keys are rotated.

    Attributes:
        days: after how many, where a key does not say itself; 0 for never.
        grace: how long a secret works beyond its rotation.
    """

    days: int
    grace: timedelta


class ApiKeys:
    """The use cases of API keys.

    Args:
        database: where they are kept.
        clock: the time.
        access: what users may do.
        rotation: when they are rotated.
        trail: where changes are written down.
        uses: notes when keys are used.
    """

    def __init__(self, database: Database, clock: Clock, access: AccessReader, rotation: Rotation, trail: Trail, uses: LastUses) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access
        self._rotation = rotation
        self._uses = uses

    async def recognise(self, secret: str) -> Key:
        """Return what a secret stands for.

        Secrets are looked up by their hash, so no comparison of theirs takes a time that tells anything.

        Raises:
            Unauthenticated: unknown, revoked, expired, or not rotated in time; the answer does not say which.
        """
        now = self._clock.now()
        row = await repository.find_by_secret(self._database, hash_of(secret), now)
        if row is None:
            raise refused()
        if row.revoked_at is not None or _is_over(row.expires_at, now) or _is_over(self._rotate_by(row), now):
            raise refused(Doer(row.tenant_id, row.user_id))
        self._uses.note(row.id, row.last_used_at, now)
        return Key(row.id, row.tenant_id, row.user_id, None if row.scopes is None else known(row.scopes))

    async def standing(self, tenant_id: str, key_id: str) -> Key:
        """Return what a key that somebody came in by stands for, whether or not anybody could come in by it now.

        Raises:
            Unauthenticated: it was revoked, or is gone.
        """
        async with self._database.reading() as session:
            row = await repository.find(session, tenant_id, key_id)
        if row is None or row.revoked_at is not None:
            raise refused(Doer(tenant_id))
        return Key(row.id, row.tenant_id, row.user_id, None if row.scopes is None else known(row.scopes))

    def _rotate_by(self, row: Any) -> datetime | None:
        return None if not row.rotation_days else row.rotated_at + timedelta(days=row.rotation_days) + self._rotation.grace

    async def close(self) -> None:
        """Write what was noted."""
        await self._uses.close()

    async def create(self, subject: Subject, new: ApiKeyCreate) -> NewApiKey:
        """Make a key for the caller, or for a service account.

        Raises:
            Forbidden: the caller may not make keys for others.
            ScopeNotHeld: the key would be allowed what its maker is not.
            ApiKeyNotFound: there is no such service account.
            Invalid: it would be over before it begins.
        """
        user_id = new.user_id or subject.user_id
        scopes = await self._scopes(subject, user_id, new.scopes)
        if _is_over(new.expires_at, self._clock.now()):
            raise Invalid("The key would have expired already.", hint="Choose a time to come.")
        days = self._rotation.days if new.rotation_days is None else new.rotation_days
        secret, row = self._new(subject.tenant_id, user_id, new.name, subject.user_id)
        row |= {"scopes": scopes, "expires_at": new.expires_at, "rotation_days": days or None}
        async with self._database.transaction() as session:
            await repository.add(session, row)
            await self._trail.add(
                session, subject, Deed("api-key.created", row["id"], {"name": new.name, "user_id": user_id, "scopes": scopes})
            )
            made = await repository.get(session, subject.tenant_id, row["id"])
        return self._with_secret(made, secret)

    async def _scopes(self, subject: Subject, user_id: str, wanted: list[Permission] | None) -> list[str] | None:
        """Return what a new key may do at most, as it is stored."""
        is_restricted = subject.credential is not None and subject.credential.is_restricted
        if user_id != subject.user_id:
            await self._check_service(subject, user_id)
        elif wanted is None and is_restricted:
            wanted = sorted(subject.permissions)  # a restricted key makes none that may do more
        held = subject.permissions.union(*subject.grants.values())
        missing = sorted(set(wanted or ()) - held)
        if missing:
            raise ScopeNotHeld(f"You do not have {', '.join(missing)} yourself.", hint="GET /api/v1/auth/me lists what you may do.")
        return None if wanted is None else sorted(set(wanted))

    async def _check_service(self, subject: Subject, user_id: str) -> None:
        subject.require(Permission.API_KEYS_MANAGE)
        async with self._database.reading() as session:
            member = await repository.kind_of_member(session, subject.tenant_id, user_id)
        if member is None:
            raise ApiKeyNotFound("There is no such service account.", hint="GET /api/v1/users?kind=service lists them.")
        if member[0] != "service":
            raise Forbidden("Keys of people are made by themselves.", hint="Make a service account, and a key for it.")
        access = await self._access.get(subject.tenant_id, user_id)
        if not access.permissions <= subject.permissions:
            raise ScopeNotHeld("The service account may do more than you.", hint="Ask an owner of the organisation to make the key.")

    async def issue(self, tenant_id: str, user_id: str, name: str) -> str:
        """Make a key that may do all its user may, never expires and is never rotated; returns the secret."""
        secret, row = self._new(tenant_id, user_id, name, user_id)
        async with self._database.transaction(tenant_id) as session:
            await repository.add(session, row)
            said = {"name": name, "user_id": user_id, "scopes": None}
            await self._trail.add(session, Doer(tenant_id, "", PROGRAM), Deed("api-key.created", row["id"], said))
        return secret

    def _new(self, tenant_id: str, user_id: str, name: str, created_by: str) -> tuple[str, dict[str, Any]]:
        secret, now = MARK + secrets.token_urlsafe(32), self._clock.now()
        row: dict[str, Any] = {"id": new_id(), "tenant_id": tenant_id, "user_id": user_id, "name": name, "created_by": created_by}
        return secret, row | {"prefix": secret[:PREFIX_LENGTH], "secret_hash": hash_of(secret), "created_at": now, "rotated_at": now}

    async def list(self, subject: Subject, page: PageRequest, *, everybody: bool = False) -> Page[ApiKey]:
        """Return one page of the caller's keys in this tenant, or of everybody's.

        Raises:
            Forbidden: the caller may not see those of others.
        """
        if everybody:
            subject.require(Permission.API_KEYS_MANAGE)
        async with self._database.reading() as session:
            found = await repository.list_keys(session, subject.tenant_id, None if everybody else subject.user_id, page)
        return Page([self._shown(row) for row in found.items], found.next_cursor, found.total)

    async def get(self, subject: Subject, key_id: str) -> ApiKey:
        """Return one key.

        Raises:
            ApiKeyNotFound: there is none that the caller may see.
        """
        async with self._database.reading() as session:
            return self._shown(await repository.get(session, subject.tenant_id, key_id, _owner(subject)))

    async def rotate(self, subject: Subject, key_id: str, grace_days: float | None = None) -> NewApiKey:
        """Give a key a new secret; the old one works on for a while.

        Raises:
            ApiKeyNotFound: there is none that the caller may change.
            ApiKeyRevoked: it was revoked, or rotated by somebody else in this moment.
            ScopeNotHeld: it may do more than the caller.
        """
        grace = self._rotation.grace if grace_days is None else timedelta(days=grace_days)
        secret, now = MARK + secrets.token_urlsafe(32), self._clock.now()
        async with self._database.reading() as session:
            row = await repository.get(session, subject.tenant_id, key_id, _owner(subject))
        await self._require_no_gain(subject, row)
        values = {"secret_hash": hash_of(secret), "prefix": secret[:PREFIX_LENGTH], "rotated_at": now}
        values |= {"previous_hash": row.secret_hash, "previous_until": now + grace}
        async with self._database.transaction() as session:
            if not await repository.change(session, subject.tenant_id, key_id, values, secret_hash=row.secret_hash):
                raise ApiKeyRevoked("The key was revoked, or rotated in this moment.", hint="Look at it again.")
            await self._trail.add(
                session, subject, Deed("api-key.rotated", key_id, {"name": row.name, "grace_days": grace / timedelta(days=1)})
            )
            made = await repository.get(session, subject.tenant_id, key_id)
        return self._with_secret(made, secret)

    async def _require_no_gain(self, subject: Subject, row: Any) -> None:
        """Refuse to show a secret by which the caller could do more than now; a key may always rotate itself."""
        if subject.credential is not None and subject.credential.kind is CredentialKind.KEY and subject.credential.id == row.id:
            return
        access = await self._access.get(row.tenant_id, row.user_id)
        may = access.permissions if row.scopes is None else access.permissions & known(row.scopes)
        if not may <= subject.permissions:
            raise ScopeNotHeld("The key may do more than you; you would gain by its secret.", hint="Let its owner rotate it, or revoke it.")

    async def revoke(self, subject: Subject, key_id: str) -> None:
        """Make a key worthless, everywhere within five seconds.

        Raises:
            ApiKeyNotFound: there is none that the caller may change.
        """
        async with self._database.transaction() as session:
            row = await repository.get(session, subject.tenant_id, key_id, _owner(subject))
            await repository.change(session, subject.tenant_id, row.id, {"revoked_at": self._clock.now()})
            await self._trail.add(session, subject, Deed("api-key.revoked", row.id, {"name": row.name, "user_id": row.user_id}))
        self._access.forget()

    async def reissue(self, tenant_id: str, user_id: str, name: str) -> str:
        """Make a key as ``issue`` does, in the place of those of the same name, which are worthless from now on."""
        async with self._database.transaction(tenant_id) as session:
            await repository.revoke_named(session, tenant_id, user_id, name, self._clock.now())
            await self._trail.add(session, Doer(tenant_id, "", PROGRAM), Deed("api-key.revoked", None, {"name": name, "user_id": user_id}))
        self._access.forget()
        return await self.issue(tenant_id, user_id, name)

    def _shown(self, row: Any) -> ApiKey:
        previous = row.previous_until if row.previous_until is not None and row.previous_until > self._clock.now() else None
        scopes = None if row.scopes is None else sorted(known(row.scopes))
        names = ("id", "name", "prefix", "user_id", "username", "created_at", "rotated_at", "rotation_days", "expires_at")
        values = {name: getattr(row, name) for name in (*names, "last_used_at", "revoked_at")}
        return ApiKey(**values, scopes=scopes, rotate_by=self._rotate_by(row), previous_until=previous)

    def _with_secret(self, row: Any, secret: str) -> NewApiKey:
        return NewApiKey(**self._shown(row).model_dump(), secret=secret)


def _owner(subject: Subject) -> str | None:
    """Return whose keys the caller may look at; None for everybody's."""
    return None if subject.may(Permission.API_KEYS_MANAGE) else subject.user_id


def _is_over(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
