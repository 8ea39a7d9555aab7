"""Sessions in Redis, in front of the database that holds the truth."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from agentflow.identity.sessions.base import Session, SessionKind
from agentflow.identity.sessions.database import DatabaseSessions
from agentflow.infra.audit.trail import Also
from agentflow.kit import json
from agentflow.kit.clock import iso

if TYPE_CHECKING:
    from agentflow.infra.redis import RedisClient

log = structlog.get_logger(__name__)

TTL_MS = 30_000
"""Milliseconds for which Redis may be wrong, if it could not be told of a change; it is told at once as long as it can be reached."""
_PREFIX = "agentflow:session"

_PUT_IF_NEWER = """
local known = redis.call('HGET', KEYS[1], 'version')
if known and tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'session', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_TIMES = ("rotated_at", "created_at", "last_seen_at", "expires_at", "revoked_at")
_BYTES = ("chain_key", "previous_salt")


class RedisSessions:
    """Fulfils ``SessionStore`` with a copy of each session in use in Redis, so that the database is asked once for all processes.

    Every change goes to the database first. A copy is replaced by newer versions only: a process that read before a change and writes
    after it does not bring the old state back. Losing all of Redis, or not reaching it, costs a look into the database.

    Args:
        redis: an open client.
        database: the truth.
    """

    def __init__(self, redis: "RedisClient", database: DatabaseSessions) -> None:
        self._redis = redis
        self._database = database
        self._put_if_newer = redis.register_script(_PUT_IF_NEWER)

    async def add(self, session: Session, also: Also | None = None) -> None:
        """Keep a new session."""
        await self._database.add(session, also)
        await self._put(session)

    async def get(self, session_id: str, *, fresh: bool = False) -> Session | None:
        """Return a session; see ``SessionStore.get``."""
        if not fresh and (known := await self._find(session_id)) is not None:
            return known
        session = await self._database.get(session_id)
        if session is not None:
            await self._put(session)
        return session

    async def of_user(self, user_id: str, now: datetime) -> Sequence[Session]:
        """Return the sessions of a user; see ``SessionStore.of_user``."""
        return await self._database.of_user(user_id, now)

    async def change(
        self, session_id: str, values: Mapping[str, Any], *, secret_hash: str | None = None, also: Also | None = None
    ) -> Session | None:
        """Change a session; see ``SessionStore.change``."""
        session = await self._database.change(session_id, values, secret_hash=secret_hash, also=also)
        if session is not None:
            await self._put(session)
        return session

    async def revoke(
        self, user_id: str, now: datetime, *, only: str | None = None, but: str | None = None, also: Also | None = None
    ) -> Sequence[str]:
        """End sessions; see ``SessionStore.revoke``."""
        ended = await self._database.revoke(user_id, now, only=only, but=but, also=also)
        for session_id in ended:
            await self.get(session_id, fresh=True)
        return ended

    async def clean(self, now: datetime, idle: timedelta) -> int:
        """Delete what is over; see ``SessionStore.clean``."""
        return await self._database.clean(now, idle)

    async def _find(self, session_id: str) -> Session | None:
        try:
            found = await self._redis.hget(_key(session_id), "session")
        except RedisError as error:
            log.warning("redis is away: sessions are looked up in the database", error=str(error))
            return None
        return None if found is None else _decode(found)

    async def _put(self, session: Session) -> None:
        try:
            await self._put_if_newer(keys=[_key(session.id)], args=[session.version, _encode(session), TTL_MS])
        except RedisError as error:
            log.warning("redis was not told of a session", error=str(error))


def _key(session_id: str) -> str:
    return f"{_PREFIX}:{session_id}"


def _encode(session: Session) -> bytes:
    values = asdict(session)
    values |= {name: iso(values[name]) for name in _TIMES if values[name] is not None}
    values |= {name: base64.b64encode(values[name]).decode() for name in _BYTES if values[name] is not None}
    return json.dump_bytes(values)


def _decode(text: bytes | str) -> Session:
    values = json.loads(text)
    values |= {name: datetime.fromisoformat(values[name]) for name in _TIMES if values[name] is not None}
    values |= {name: base64.b64decode(values[name]) for name in _BYTES if values[name] is not None}
    return Session(**{**values, "kind": SessionKind(values["kind"]), "workflows": tuple(values["workflows"])})
