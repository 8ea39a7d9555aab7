"""Authenticated encryption: what is sealed opens only with the same key, in the same place."""

import base64
import binascii
import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_BLOCK = 64
"""Bytes that SHA-256 works on at a time."""
_FORM = b"\x01"
"""The first byte of a sealed value: AES-256-GCM, a nonce of 12 bytes, ciphertext and tag. Another form would get another byte."""


class SealBroken(Exception):
    """A sealed value does not open: wrong key, other place, or changed."""


class UnreadableKey(ValueError):
    """A text is not a key of 32 bytes in base64."""


def new_key() -> bytes:
    """Return 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plain: bytes, place: bytes) -> bytes:
    """Encrypt ``plain``; ``place`` is not in the result, but must be the same to open it."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, plain, place)


def unseal(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """Decrypt what ``seal`` made.

    Raises:
        SealBroken: the key or the place is another, or a bit was changed.
    """
    if sealed[:1] != _FORM:
        raise SealBroken("a sealed value has an unknown form")
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, place)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a sealed value does not open with this key in this place") from error


def fingerprint(key: bytes) -> str:
    """Return a name of a key that tells nothing about it."""
    return hashlib.sha256(b"agentflow master key\0" + key).hexdigest()[:16]


def mac(key: bytes, message: bytes) -> bytes:
    """Return the HMAC-SHA256 of a message.

    Not by ``hmac.digest``, which lets go of the interpreter lock for a microsecond of work: on the event loop, beside a thread that writes
    to SQLite, getting it back takes up to five milliseconds.
    """
    inner, outer = _begun(key)
    first, last = inner.copy(), outer.copy()
    first.update(message)
    last.update(first.digest())
    return last.digest()


@lru_cache(maxsize=10_000)
def _begun(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """Return the two hashes of HMAC (RFC 2104) with what they begin with."""
    block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def same(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(one, other)


def to_text(key: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(key).decode()


def from_text(text: str) -> bytes:
    """Return what ``to_text`` was given."""
    return base64.b64decode(text)


def key_from_text(text: str) -> bytes:
    """Read a key from base64.

    Raises:
        UnreadableKey: it is not base64 of 32 bytes; the message does not show it.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableKey("is not base64") from error
    if len(key) != KEY_BYTES:
        raise UnreadableKey(f"has {len(key)} bytes; a key has {KEY_BYTES}")
    return key
