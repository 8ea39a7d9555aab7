"""Secrets that stand for a user: API keys, one-time sign-in links, browser sessions."""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import insert, select, update

from agentflow.errors import Unauthenticated
from agentflow.identity.models import CredentialRow
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

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


_MARKS = {CredentialKind.KEY: "afk_", CredentialKind.LINK: "afl_", CredentialKind.SESSION: "afs_"}


@dataclass(frozen=True, slots=True)
class _Known:
    subject: Subject
    checked: float


class Credentials:
    """Issues and recognises credentials."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

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
        known = self._known.get(digest)
        if known is not None and self._clock.monotonic() - known.checked < CACHE_S and secret.startswith(_MARKS[kind]):
            return known.subject
        async with self._database.reading() as session:
            row = (await session.execute(select(CredentialRow).where(CredentialRow.secret_hash == digest))).scalar_one_or_none()
        if row is None or row.kind != kind.value or row.revoked_at is not None or _is_over(row.expires_at, self._clock.now()):
            self._known.pop(digest, None)
            raise Unauthenticated("The credential is not valid.", hint="Send the owner's key as X-API-Key or Authorization: Bearer.")
        # One owner for now: accounts and roles narrow this.
        subject = Subject(row.tenant_id, row.user_id, ALL_PERMISSIONS)
        self._known[digest] = _Known(subject, self._clock.monotonic())
        while len(self._known) > CACHED:
            self._known.popitem(last=False)
        return subject

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
        self._known.pop(_hash(secret), None)
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
