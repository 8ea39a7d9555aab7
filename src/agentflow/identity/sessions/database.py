"""Sessions in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from agentflow.identity.models import SessionRow
from agentflow.identity.sessions.base import Session, SessionKind
from agentflow.infra.audit.trail import Also
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup

KEPT = timedelta(days=1)
"""How long a session that is over can still be looked at."""
_NAMES = tuple(field.name for field in fields(Session))
_COLUMNS = tuple(getattr(SessionRow, name) for name in _NAMES)
_BY_ID = Lookup(select(*_COLUMNS).where(SessionRow.id == bindparam("id")))


class DatabaseSessions:
    """Fulfils ``SessionStore`` in the control database; this is the truth, whatever else remembers sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, also: Also | None = None) -> None:
        """Keep a new session."""
        async with self._database.transaction() as transaction:
            await transaction.execute(insert(SessionRow).values(asdict(session)))
            if also is not None:
                await also(transaction)

    async def get(self, session_id: str, *, fresh: bool = False) -> Session | None:
        """Return a session; see ``SessionStore.get``."""
        row = await self._database.read_one(_BY_ID, {"id": session_id})
        return None if row is None else _session(row)

    async def of_user(self, user_id: str, now: datetime) -> Sequence[Session]:
        """Return the sessions of a user; see ``SessionStore.of_user``."""
        mine = (SessionRow.user_id == user_id, SessionRow.revoked_at.is_(None), SessionRow.expires_at > now)
        async with self._database.reading() as transaction:
            return [_session(row) for row in await transaction.execute(select(*_COLUMNS).where(*mine).order_by(SessionRow.id.desc()))]

    async def change(
        self, session_id: str, values: Mapping[str, Any], *, secret_hash: str | None = None, also: Also | None = None
    ) -> Session | None:
        """Change a session; see ``SessionStore.change``."""
        wanted = [SessionRow.id == session_id, SessionRow.revoked_at.is_(None)]
        if secret_hash is not None:
            wanted.append(SessionRow.secret_hash == secret_hash)
        statement = update(SessionRow).where(*wanted).values(**values, version=SessionRow.version + 1).returning(*_COLUMNS)
        async with self._database.transaction() as transaction:
            row = (await transaction.execute(statement)).one_or_none()
            if row is not None and also is not None:
                await also(transaction)
        return None if row is None else _session(row)

    async def revoke(
        self, user_id: str, now: datetime, *, only: str | None = None, but: str | None = None, also: Also | None = None
    ) -> Sequence[str]:
        """End sessions; see ``SessionStore.revoke``."""
        wanted = [SessionRow.user_id == user_id, SessionRow.revoked_at.is_(None)]
        if only is not None:
            wanted.append(SessionRow.id == only)
        if but is not None:
            wanted.append(SessionRow.id != but)
        statement = update(SessionRow).where(*wanted).values(revoked_at=now, version=SessionRow.version + 1).returning(SessionRow.id)
        async with self._database.transaction() as transaction:
            ended = list((await transaction.execute(statement)).scalars())
            if ended and also is not None:
                await also(transaction)
        return ended

    async def clean(self, now: datetime, idle: timedelta) -> int:
        """Delete what is over; see ``SessionStore.clean``."""
        over = or_(SessionRow.expires_at <= now - KEPT, SessionRow.revoked_at <= now - KEPT, SessionRow.last_seen_at <= now - KEPT - idle)
        async with self._database.transaction() as transaction:
            return len((await transaction.execute(delete(SessionRow).where(over).returning(SessionRow.id))).all())


def _session(row: Any) -> Session:
    values = {name: getattr(row, name) for name in _NAMES}
    return Session(**{**values, "kind": SessionKind(row.kind), "workflows": tuple(row.workflows)})
