"""Usernames: how they are written, and made of mail addresses."""

import re
import secrets

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
MAX_USERNAME = 64


def login_name(text: str) -> str:
    """Return what was typed as a username or mail address, as accounts are found by it."""
    return text.strip().lower()


def username_from(email: str) -> str:
    """Return a username made of a mail address; another may have it."""
    stem = _NOT_IN_NAMES.sub("-", email.partition("@")[0]).strip("._-")[: MAX_USERNAME - 8]
    return stem if len(stem) > 1 else f"user-{stem or secrets.token_hex(2)}"


def numbered(stem: str) -> str:
    """Return a username like ``stem`` that nobody has, but for bad luck."""
    return f"{stem[: MAX_USERNAME - 8]}-{secrets.token_hex(3)}"
