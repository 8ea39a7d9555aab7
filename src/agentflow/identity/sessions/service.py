"""Signing devices in and out, and keeping them signed in."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from agentflow.errors import NotFound, Unauthenticated
from agentflow.identity.sessions.base import Session, SessionKind, SessionStore
from agentflow.identity.sessions.secrets import SessionSecret, new_secret, read_secret
from agentflow.identity.tokens.access import AccessTokens, Claims, refused
from agentflow.infra.audit.trail import Actor, Also, Deed, Doer, Trail
from agentflow.infra.db.last_uses import LastUses
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=30)
"""How long a spent refresh token still gets the answer that it got: a client that sent it twice at once has done nothing wrong."""
MAX_DEVICE, MAX_ADDRESS = 200, 64


class SessionNotFound(NotFound):
    """The user has no such session."""

    code, title = "SESSION_NOT_FOUND", "Session not found"


class RefreshTokenReused(Unauthenticated):
    """A refresh token was used twice, so somebody else may have it: its whole session has ended."""

    code, title = "REFRESH_TOKEN_REUSED", "Refresh token reused"


@dataclass(frozen=True, slots=True)
class Device:
    """Where a request comes from.

    Attributes:
        name: what the client calls itself (``User-Agent``).
        address: its network address.
    """

    name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a device that signs in by tokens is given.

    Attributes:
        access_token: signs requests.
        refresh_token: is exchanged for the next two.
        expires_in: seconds for which the access token is good.
    """

    access_token: str
    refresh_token: str
    expires_in: int


class Sessions:
    """The use cases of sessions.

    Args:
        store: where they are kept.
        tokens: signs access tokens.
        clock: the time.
        lifetime: how long a session lasts at most.
        idle: how long it lasts unused.
        trail: where signing in and out is written down.
        uses: notes when sessions are used.
    """

    def __init__(
        self, store: SessionStore, tokens: AccessTokens, clock: Clock, lifetime: timedelta, idle: timedelta, trail: Trail, uses: LastUses
    ) -> None:
        self._store = store
        self._trail = trail
        self._tokens = tokens
        self._clock = clock
        self._idle = idle
        self.lifetime = lifetime
        self._uses = uses

    async def open(self, who: Actor, device: Device, *, second_factor: bool = False) -> Tokens:
        """Sign a device of somebody in by tokens; it gets a session of its own, whatever it had before."""
        session, secret = await self._add(who, SessionKind.TOKEN, device, second_factor=second_factor)
        return await self._give(session, secret)

    async def open_browser(self, who: Actor, device: Device, *, second_factor: bool = False) -> str:
        """Sign a browser of somebody in and return the value of its cookie."""
        _, secret = await self._add(who, SessionKind.BROWSER, device, second_factor=second_factor)
        return secret.text(SessionKind.BROWSER)

    async def _add(self, who: Actor, kind: SessionKind, device: Device, *, second_factor: bool) -> tuple[Session, SessionSecret]:
        now, chain_key, session_id = self._clock.now(), secrets.token_bytes(32), new_id()
        secret = new_secret(session_id, chain_key)
        session = Session(
            id=session_id,
            tenant_id=who.tenant_id,
            user_id=who.user_id,
            kind=kind,
            secret_hash=secret.hash,
            chain_key=chain_key,
            previous_hash=None,
            previous_salt=None,
            rotated_at=None,
            second_factor=second_factor,
            device=device.name[:MAX_DEVICE],
            address=device.address[:MAX_ADDRESS],
            workflows=(),
            version=1,
            created_at=now,
            last_seen_at=now,
            expires_at=now + self.lifetime,
            revoked_at=None,
        )
        await self._store.add(session, self._said(who, "created", session, {"kind": kind.value, "second_factor": second_factor}))
        return session, secret

    def _said(self, who: Actor | None, verb: str, session: Session, details: Mapping[str, Any] | None = None) -> Also:
        """Return what writes down what becomes of a session; without ``who`` it is its own user, in the tenant it works in."""
        return self._trail.also(who or Doer(session.tenant_id, session.user_id), Deed(f"session.{verb}", session.id, details))

    async def _give(self, session: Session, secret: SessionSecret) -> Tokens:
        return Tokens(await self.access_token(session), secret.text(session.kind), self._tokens.lifetime_s)

    async def access_token(self, session: Session) -> str:
        """Return an access token for a session."""
        return await self._tokens.issue(Claims(session.user_id, session.tenant_id, session.id))

    async def refresh(self, token: str) -> Tokens:
        """Exchange a refresh token for the next pair.

        Raises:
            Unauthenticated: it is none of ours, or its session is over.
            RefreshTokenReused: it was exchanged before; the session ends with this.
        """
        given = read_secret(token, SessionKind.TOKEN)
        session = None if given is None else await self._live(given.session_id, fresh=True)
        if given is None or session is None or session.kind is not SessionKind.TOKEN or not given.is_genuine(session.chain_key):
            raise refused()
        now, salt = self._clock.now(), secrets.token_bytes(32)
        if given.matches(session.secret_hash):
            fresh = given.next(salt, session.chain_key)
            values = {"secret_hash": fresh.hash, "previous_hash": given.hash, "previous_salt": salt, "rotated_at": now, "last_seen_at": now}
            said = self._said(None, "refreshed", session)
            changed = await self._store.change(session.id, values, secret_hash=given.hash, also=said)
            if changed is not None:
                return await self._give(changed, fresh)
            session = await self._live(session.id, fresh=True)  # a twin was faster
        return await self._repeat(given, session)

    async def _repeat(self, given: SessionSecret, session: Session | None) -> Tokens:
        """Answer to a refresh token that was exchanged already."""
        if session is None:
            raise refused()
        salt, rotated_at, now = session.previous_salt, session.rotated_at, self._clock.now()
        if given.matches(session.previous_hash) and salt is not None and rotated_at is not None and now - rotated_at <= GRACE:
            return await self._give(session, given.next(salt, session.chain_key))
        said = self._said(None, "revoked", session, {"why": "refresh token used twice"})
        await self._store.revoke(session.user_id, now, only=session.id, also=said)
        log.warning("a refresh token was used twice: its session has ended", session_id=session.id, user_id=session.user_id)
        error = RefreshTokenReused("This refresh token was used before; the session has ended.", hint="Sign in again.")
        error.whose = Doer(session.tenant_id, session.user_id)
        raise error

    async def by_cookie(self, cookie: str) -> Session:
        """Return the live session of a browser.

        Raises:
            Unauthenticated: the cookie is none of ours, or its session is over.
        """
        given = read_secret(cookie, SessionKind.BROWSER)
        session = None if given is None else await self._live(given.session_id)
        if given is None or session is None or session.kind is not SessionKind.BROWSER or not given.matches(session.secret_hash):
            raise refused()
        self._uses.note(session.id, session.last_seen_at, self._clock.now())
        return session

    async def get_live(self, session_id: str) -> Session:
        """Return a live session.

        Raises:
            Unauthenticated: it is over.
        """
        session = await self._live(session_id)
        if session is None:
            raise refused()
        self._uses.note(session.id, session.last_seen_at, self._clock.now())
        return session

    async def _live(self, session_id: str, *, fresh: bool = False) -> Session | None:
        session = await self._store.get(session_id, fresh=fresh)
        return session if session is not None and session.is_live(self._clock.now(), self._idle) else None

    async def list(self, user_id: str) -> Sequence[Session]:
        """Return a user's sessions, newest first."""
        now = self._clock.now()
        return [session for session in await self._store.of_user(user_id, now) if session.is_live(now, self._idle)]

    async def get(self, user_id: str, session_id: str) -> Session:
        """Return one session of a user.

        Raises:
            SessionNotFound: the user has no such session that goes on.
        """
        session = await self._live(session_id, fresh=True)
        if session is None or session.user_id != user_id:
            raise SessionNotFound("There is no such session.", hint="GET /api/v1/sessions lists yours.")
        return session

    async def open_workflows(self, who: Actor, session_id: str, workflows: Sequence[str]) -> Session:
        """Note which workflows are open on a device.

        Raises:
            SessionNotFound: the user has no such session that goes on.
        """
        session = await self.get(who.user_id, session_id)
        said = self._said(who, "updated", session, {"workflows": len(workflows)})
        return await self._store.change(session.id, {"workflows": list(workflows)}, also=said) or session

    async def enter(self, who: Actor, session_id: str) -> Session:
        """Let a device work in another tenant, that of ``who``; whether the user may is the caller's to check.

        Raises:
            SessionNotFound: the user has no such session that goes on.
        """
        session = await self.get(who.user_id, session_id)
        said = self._said(who, "entered", session)
        return await self._store.change(session.id, {"tenant_id": who.tenant_id}, also=said) or session

    async def set_factor(self, who: Actor, session_id: str, *, shown: bool) -> None:
        """Note whether a device has shown a second factor since it signed in: it has just been turned on there, or taken away.

        Raises:
            SessionNotFound: the user has no such session that goes on.
        """
        session = await self.get(who.user_id, session_id)
        await self._store.change(session.id, {"second_factor": shown}, also=self._said(who, "updated", session, {"second_factor": shown}))

    async def revoke(self, who: Actor, session_id: str) -> None:
        """Sign one device out.

        Raises:
            SessionNotFound: the user has no such session that goes on.
        """
        said = self._trail.also(who, Deed("session.revoked", session_id))
        if not await self._store.revoke(who.user_id, self._clock.now(), only=session_id, also=said):
            raise SessionNotFound("There is no such session.", hint="GET /api/v1/sessions lists yours.")

    async def revoke_all(self, user_id: str, by: Actor, why: str, *, but: str | None = None) -> int:
        """Sign every device of a user out, ``but`` perhaps one; returns how many that were. ``why`` is for the audit log."""
        said = self._trail.also(by, Deed("session.revoked", None, {"user_id": user_id, "why": why}))
        return len(await self._store.revoke(user_id, self._clock.now(), but=but, also=said))

    async def clean(self) -> int:
        """Delete sessions that are over; returns how many."""
        return await self._store.clean(self._clock.now(), self._idle)

    async def close(self) -> None:
        """Write what was noted."""
        await self._uses.close()
