"""Secrets that work once: sign-in links, resets of passwords, proofs of mail addresses."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.models import OneTimeTokenRow
from agentflow.infra.audit.trail import Also
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

MAX_LENGTH = 200


class TokenKind(StrEnum):
    """What a token is good for."""

    LINK = "link"
    """One sign-in in a browser."""
    RESET = "reset"
    """A new password."""
    EMAIL = "email"
    """Shows that a mail address is the user's."""


_MARKS = {TokenKind.LINK: "afl_", TokenKind.RESET: "afp_", TokenKind.EMAIL: "afe_"}


@dataclass(frozen=True, slots=True)
class Spent:
    """A token that was just used.

    Attributes:
        user_id: whose it was.
        subject: what it was about (a mail address), or None.
    """

    user_id: str
    subject: str | None


class OneTimeTokens:
    """Issues and spends tokens; only hashes are kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def issue(self, user_id: str, kind: TokenKind, lifetime: timedelta, also: Also, subject: str | None = None) -> str:
        """Make a token and return it; those of the same kind that the user has besides become worthless, but for links.

        ``also`` is written in the same transaction.
        """
        secret = _MARKS[kind] + secrets.token_urlsafe(32)
        now = self._clock.now()
        row = {"id": new_id(), "user_id": user_id, "kind": kind.value, "secret_hash": hash_of(secret), "subject": subject}
        async with self._database.transaction() as session:
            if kind is not TokenKind.LINK:
                await self.revoke(session, user_id, kind)
            await session.execute(insert(OneTimeTokenRow).values(**row, created_at=now, expires_at=now + lifetime))
            await also(session)
        return secret

    async def pretend(self) -> None:
        """Take as long as ``issue`` does, and leave nothing behind."""
        async with self._database.transaction() as session:
            nobody = (OneTimeTokenRow.user_id == new_id(), OneTimeTokenRow.used_at.is_(None))
            await session.execute(update(OneTimeTokenRow).where(*nobody).values(used_at=self._clock.now()))

    async def spend(self, session: AsyncSession, secret: str, kind: TokenKind) -> Spent | None:
        """Use a token up in the caller's transaction; None when it is unknown, of another kind, used or too old."""
        now = self._clock.now()
        good = (
            OneTimeTokenRow.secret_hash == hash_of(secret),
            OneTimeTokenRow.kind == kind.value,
            OneTimeTokenRow.used_at.is_(None),
            OneTimeTokenRow.expires_at > now,
        )
        statement = update(OneTimeTokenRow).where(*good).values(used_at=now)
        row = (await session.execute(statement.returning(OneTimeTokenRow.user_id, OneTimeTokenRow.subject))).one_or_none()
        return None if row is None else Spent(row.user_id, row.subject)

    async def revoke(self, session: AsyncSession, user_id: str, kind: TokenKind) -> None:
        """Make every unused token of one kind of a user worthless."""
        mine = (OneTimeTokenRow.user_id == user_id, OneTimeTokenRow.kind == kind.value, OneTimeTokenRow.used_at.is_(None))
        await session.execute(update(OneTimeTokenRow).where(*mine).values(used_at=self._clock.now()))

    async def clean(self) -> int:
        """Delete what is over; returns how many tokens that were."""
        async with self._database.transaction() as session:
            over = delete(OneTimeTokenRow).where(OneTimeTokenRow.expires_at <= self._clock.now())
            return len((await session.execute(over.returning(OneTimeTokenRow.id))).all())


def hash_of(secret: str) -> str:
    """Return what is kept of a random secret, and what it is found by."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
