"""Passwords: which are good enough, and how they are kept (Argon2id)."""

import asyncio
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from agentflow.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_LENGTH = 256
MEMORY_KIB, TIME_COST, PARALLELISM = 47_104, 1, 1
"""The first choice of OWASP and ASVS 5 for Argon2id: 46 MiB, one pass, one lane."""
AT_ONCE = 2
"""Hashes made at a time: each takes its memory and a processor for some 60 ms, and requests must go on beside them."""
_GUESSES = 1e8
"""A password that a patient attacker finds within this many guesses is as good as one on a list."""
_LOOKED_AT = 72
"""Characters that the search for patterns looks at; its time grows with their square."""


class PasswordRefused(Invalid):
    """The password is too short, too long, or among the first that an attacker would try."""

    code, title = "PASSWORD_REFUSED", "Password refused"


class Passwords:
    """Makes and checks hashes of passwords, in threads.

    Args:
        min_length: fewest characters of a new password.
    """

    def __init__(self, min_length: int) -> None:
        self._min_length = min_length
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str, personal: Iterable[str] = ()) -> str:
        """Return the hash of a new password.

        There are no rules about kinds of characters: they make passwords worse. Length, and a list of some 50,000 common passwords, words
        and names with the usual ways to vary them, do the work (NIST SP 800-63B-4).

        Args:
            password: as typed.
            personal: names of the user, which are no secrets.

        Raises:
            PasswordRefused: it is not good enough.
        """
        password = _normal(password)
        self._check_length(password)
        async with self._turns:
            if await asyncio.to_thread(_is_common, password, tuple(personal)):
                raise PasswordRefused(
                    "This password is among the first that an attacker tries: common words, names, repetitions or rows of keys.",
                    hint="Use a few words that do not belong together, or what a password manager makes.",
                )
            return await asyncio.to_thread(_hasher().hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the one of a hash; without a hash this takes as long, and the answer is no."""
        known = stored if stored is not None else _nobody()
        async with self._turns:
            return await asyncio.to_thread(_matches, known, _normal(password)[:MAX_LENGTH]) and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with less effort than is asked today."""
        return _hasher().check_needs_rehash(stored)

    async def rehash(self, password: str) -> str:
        """Return a new hash of a password that was found right."""
        async with self._turns:
            return await asyncio.to_thread(_hasher().hash, _normal(password))

    def _check_length(self, password: str) -> None:
        if len(password) < self._min_length:
            raise PasswordRefused(f"A password has {self._min_length} characters at least.", hint="A few words make a good one.")
        if len(password) > MAX_LENGTH:
            raise PasswordRefused(f"A password has {MAX_LENGTH} characters at most.")


def _normal(password: str) -> str:
    """Return the password in one Unicode form: keyboards differ in how they write the same character."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher, Type

    return PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM, type=Type.ID)


@cache
def _nobody() -> str:
    """Return the hash that is checked for accounts that do not exist, so that they take as long."""
    return _hasher().hash("")


def _matches(stored: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return bool(password) and _hasher().verify(stored, password)
    except (Argon2Error, InvalidHashError):
        return False


def _is_common(password: str, personal: tuple[str, ...]) -> bool:
    from zxcvbn import zxcvbn

    names = [name for name in personal if name]
    return float(zxcvbn(password[:_LOOKED_AT], user_inputs=["agentflow", *names])["guesses"]) < _GUESSES
