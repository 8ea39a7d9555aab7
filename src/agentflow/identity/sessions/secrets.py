"""Refresh tokens and cookies: how they are made, read, and made from one another. Pure but for randomness."""

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass

from agentflow.identity.sessions.base import SessionKind

_MARKS = {SessionKind.TOKEN: "afr_", SessionKind.BROWSER: "afs_"}
_ID, _SECRET, _MAC = 16, 32, 16
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class SessionSecret:
    """What a device holds.

    Attributes:
        session_id: its session.
        secret: 256 random bits, or bits derived from such.
        mac: shows that this server once gave the secret out for this session.
    """

    session_id: str
    secret: bytes
    mac: bytes

    @property
    def hash(self) -> str:
        """What is kept of the secret."""
        return hashlib.sha256(self.secret).hexdigest()

    def matches(self, kept: str | None) -> bool:
        """Tell whether ``kept`` is the hash of the secret, in a time that tells nothing."""
        return kept is not None and hmac.compare_digest(self.hash, kept)

    def text(self, kind: SessionKind) -> str:
        """Return it as the device gets it."""
        packed = uuid.UUID(self.session_id).bytes + self.secret + self.mac
        return _MARKS[kind] + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def is_genuine(self, chain_key: bytes) -> bool:
        """Tell whether the secret was given out with ``chain_key``."""
        return hmac.compare_digest(self.mac, _mac(self.session_id, self.secret, chain_key))

    def next(self, salt: bytes, chain_key: bytes) -> "SessionSecret":
        """Return the one that follows: whoever sends the same secret twice at once gets the same, and ``salt`` alone gives nobody any."""
        return _secret(self.session_id, hmac.digest(salt, self.secret, "sha256"), chain_key)


def new_secret(session_id: str, chain_key: bytes) -> SessionSecret:
    """Return the first secret of a session."""
    return _secret(session_id, secrets.token_bytes(_SECRET), chain_key)


def read_secret(text: str, kind: SessionKind) -> SessionSecret | None:
    """Return what a device sent; None when it is nothing that this server makes."""
    mark, rest = text[:4], text[4:]
    if mark != _MARKS[kind] or len(text) > MAX_LENGTH:
        return None
    try:
        packed = base64.b64decode(rest + "=" * (-len(rest) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(packed) != _ID + _SECRET + _MAC:
        return None
    return SessionSecret(str(uuid.UUID(bytes=packed[:_ID])), packed[_ID:-_MAC], packed[-_MAC:])


def _secret(session_id: str, secret: bytes, chain_key: bytes) -> SessionSecret:
    return SessionSecret(session_id, secret, _mac(session_id, secret, chain_key))


def _mac(session_id: str, secret: bytes, chain_key: bytes) -> bytes:
    return hmac.digest(chain_key, uuid.UUID(session_id).bytes + secret, "sha256")[:_MAC]
