"""Secrets that stand for a user: API keys, one-time sign-in links, browser sessions."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import bindparam, insert, select, update

from agentflow.errors import Unauthenticated
from agentflow.identity.models import CredentialRow, UserRow
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.memo import Memo

CACHED = 10_000
CACHE_S = 5.0
"""Seconds after which a revoked credential is refused by every process at the latest."""
PREFIX_LENGTH = 11
SESSION_LIFETIME = timedelta(days=7)
"""How long a browser stays signed in."""


class CredentialKind(StrEnum):
    """What a secret may be used for."""

    KEY = "key"
    """Programmatic access, by header."""
    LINK = "link"
    """One sign-in in a browser."""
    SESSION = "session"
    """A signed-in browser, by cookie."""


_FOUND = select(
    UserRow.username,
    CredentialRow.tenant_id,
    CredentialRow.user_id,
    CredentialRow.kind,
    CredentialRow.expires_at,
    CredentialRow.revoked_at,
)
_CREDENTIAL = _FOUND.join_from(CredentialRow, UserRow, UserRow.id == CredentialRow.user_id).where(
    CredentialRow.secret_hash == bindparam("digest")
)
_MARKS = {CredentialKind.KEY: "afk_", CredentialKind.LINK: "afl_", CredentialKind.SESSION: "afs_"}


class Credentials:
    """Issues and recognises credentials."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: Memo[tuple[str, CredentialKind], Subject] = Memo(clock, CACHE_S, CACHED)

    async def issue(self, tenant_id: str, user_id: str, kind: CredentialKind, lifetime: timedelta | None = None) -> str:
        """Make a new secret and return it; this is the only time it can be read."""
        secret = _MARKS[kind] + secrets.token_urlsafe(32)
        now = self._clock.now()
        row = {
            "id": new_id(),
            "tenant_id": tenant_id,
            "user_id": user_id,
            "kind": kind.value,
            "prefix": secret[:PREFIX_LENGTH],
            "secret_hash": _hash(secret),
            "created_at": now,
            "expires_at": None if lifetime is None else now + lifetime,
        }
        async with self._database.transaction() as session:
            await session.execute(insert(CredentialRow).values(row))
        return secret

    async def authenticate(self, secret: str, kind: CredentialKind) -> Subject:
        """Return whom a secret stands for.

        Secrets are looked up by their hash, so no comparison of theirs takes a time that tells anything.

        Raises:
            Unauthenticated: unknown, of another kind, expired or revoked; the answer does not say which.
        """
        digest = _hash(secret)
        return await self._known.get((digest, kind), lambda: self._look_up(digest, kind))

    async def _look_up(self, digest: str, kind: CredentialKind) -> Subject:
        row = await self._database.read_one(_CREDENTIAL, {"digest": digest})
        if row is None or row.kind != kind.value or row.revoked_at is not None or _is_over(row.expires_at, self._clock.now()):
            raise Unauthenticated("The credential is not valid.", hint="Send the owner's key as X-API-Key or Authorization: Bearer.")
        # One owner for now: accounts and roles narrow this.
        return Subject(row.tenant_id, row.user_id, ALL_PERMISSIONS, row.username)

    async def redeem(self, secret: str) -> str:
        """Turn a one-time link into a browser session and return the session's secret.

        Raises:
            Unauthenticated: the link is unknown, was used, or is too old.
        """
        subject = await self.authenticate(secret, CredentialKind.LINK)
        now = self._clock.now()
        async with self._database.transaction() as session:
            statement = update(CredentialRow).where(CredentialRow.secret_hash == _hash(secret), CredentialRow.revoked_at.is_(None))
            used = await session.execute(statement.values(revoked_at=now).returning(CredentialRow.id))
            first = used.scalar_one_or_none() is not None
        self._known.forget((_hash(secret), CredentialKind.LINK))
        if not first:
            raise Unauthenticated("The sign-in link was used already.", hint="Restart the server for a new one, or use the owner's key.")
        return await self.issue(subject.tenant_id, subject.user_id, CredentialKind.SESSION, SESSION_LIFETIME)

    async def revoke_all(self, user_id: str, kind: CredentialKind) -> None:
        """Make every credential of one kind of a user worthless."""
        async with self._database.transaction() as session:
            statement = update(CredentialRow).where(CredentialRow.user_id == user_id, CredentialRow.kind == kind.value)
            await session.execute(statement.where(CredentialRow.revoked_at.is_(None)).values(revoked_at=self._clock.now()))
        self._known.clear()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now
