"""What a client sends so that a repeated request is recognised (IETF draft ``Idempotency-Key``)."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Idempotency:
    """An ``Idempotency-Key`` with the request it was sent with.

    Attributes:
        key: the header's value.
        body_hash: SHA-256 of method, path and body; the same key with another request is refused.
    """

    key: str
    body_hash: str

    @classmethod
    def of(cls, key: str, method: str, path: str, body: bytes) -> "Idempotency":
        """Return the idempotency of one request."""
        digest = hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()
        return cls(key, digest)
