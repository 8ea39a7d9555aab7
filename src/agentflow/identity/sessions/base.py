"""The port behind which sessions are kept, and what a session is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from agentflow.infra.audit.trail import Also


class SessionKind(StrEnum):
    """How a device shows that it is signed in."""

    TOKEN = "token"  # noqa: S105 - a name
    """By access tokens, and a refresh token that is exchanged each time."""
    BROWSER = "browser"
    """By a cookie."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in device.

    Attributes:
        id: its id.
        tenant_id: the tenant it works in now.
        user_id: who is signed in.
        kind: by tokens or by cookie.
        secret_hash: SHA-256 of the cookie, or of the newest refresh token.
        chain_key: what refresh tokens of this session are authenticated with.
        previous_hash: SHA-256 of the refresh token before; None at first.
        previous_salt: what the newest refresh token was derived with from that one.
        rotated_at: when that was.
        second_factor: whether a second factor was shown.
        device: what the client called itself.
        address: where the client was.
        workflows: ids of the workflows that were open last.
        version: rises with every change.
        created_at: when somebody signed in.
        last_seen_at: when it was used, within a minute.
        expires_at: when it ends at the latest.
        revoked_at: when it was ended; None while it goes on.
    """

    id: str
    tenant_id: str
    user_id: str
    kind: SessionKind
    secret_hash: str
    chain_key: bytes
    previous_hash: str | None
    previous_salt: bytes | None
    rotated_at: datetime | None
    second_factor: bool
    device: str
    address: str
    workflows: Sequence[str]
    version: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    def is_live(self, now: datetime, idle: timedelta) -> bool:
        """Tell whether the device is signed in; ``idle`` is how long it may be unused."""
        return self.revoked_at is None and now < self.expires_at and now < self.last_seen_at + idle


class SessionStore(Protocol):
    """Where sessions are kept. Every implementation passes ``tests/conformance/test_sessions.py``.

    ``also`` is what is written in the transaction of a change, where something is changed.
    """

    async def add(self, session: Session, also: Also | None = None) -> None:
        """Keep a new session."""
        ...

    async def get(self, session_id: str, *, fresh: bool = False) -> Session | None:
        """Return a session, live or not; None when there is none. ``fresh`` asks for the state after every change that was answered."""
        ...

    async def of_user(self, user_id: str, now: datetime) -> Sequence[Session]:
        """Return the sessions of a user that are neither revoked nor expired, newest first."""
        ...

    async def change(
        self, session_id: str, values: Mapping[str, Any], *, secret_hash: str | None = None, also: Also | None = None
    ) -> Session | None:
        """Change fields of a session that is not revoked and return it; with ``secret_hash`` only while that is its own.

        Returns:
            None when there is no such session, it is revoked, or it has another secret by now.
        """
        ...

    async def revoke(
        self, user_id: str, now: datetime, *, only: str | None = None, but: str | None = None, also: Also | None = None
    ) -> Sequence[str]:
        """End sessions of a user: all, ``only`` one, or all ``but`` one; returns the ids of those that were going on."""
        ...

    async def clean(self, now: datetime, idle: timedelta) -> int:
        """Delete what expired, was revoked or lay idle more than a day ago; returns how many that were."""
        ...
