"""Signing in with a password, and a second factor where there is one."""

from dataclasses import dataclass

from agentflow.identity.accounts import repository
from agentflow.identity.accounts.errors import SecondFactorRequired, WrongCredentials
from agentflow.identity.accounts.names import login_name
from agentflow.identity.accounts.second_factor import SecondFactor
from agentflow.identity.attempts import Attempts, TooManyAttempts
from agentflow.identity.models import UserRow
from agentflow.identity.passwords import Passwords
from agentflow.identity.sessions.service import Device
from agentflow.infra.audit.trail import Doer
from agentflow.infra.db.engine import Database

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The id of no user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who has shown who they are.

    Attributes:
        user: the account.
        tenant_id: the organisation to work in at first.
        second_factor: whether a second factor was shown.
    """

    user: UserRow
    tenant_id: str
    second_factor: bool = False

    @property
    def doer(self) -> Doer:
        """The same as somebody of whom the audit log tells."""
        return Doer(self.tenant_id, self.user.id, self.user.username)


class SignIn:
    """Finds out who somebody is.

    Args:
        database: where accounts are.
        passwords: checks them.
        factor: checks codes.
        attempts: makes guessing slow.
    """

    def __init__(self, database: Database, passwords: Passwords, factor: SecondFactor, attempts: Attempts) -> None:
        self._database = database
        self._passwords = passwords
        self._factor = factor
        self._attempts = attempts

    async def enter(self, name: str, password: str, code: str | None, device: Device) -> Entry:
        """Return who somebody is, by name or mail address and password.

        Raises:
            WrongCredentials: there is no such account, it is disabled, or something of this is wrong.
            SecondFactorRequired: the password is right and ``code`` is missing.
            TooManyAttempts: somebody was wrong too often.
        """
        login = login_name(name)
        about = attempts_about(login, device)
        try:
            await self._attempts.take(*about)
        except TooManyAttempts as error:
            async with self._database.reading() as session:
                error.whose = home_of(await repository.find(session, login))
            raise
        async with self._database.reading() as session:
            user = await repository.find(session, login)
            # Also asked of nobody: an unknown name must take as long as a known one.
            tenants = await repository.tenants_of(session, NOBODY if user is None else user.id)
        stored = None if user is None or user.disabled_at is not None or not tenants else user.password_hash
        if not await self._passwords.verify(stored, password) or user is None or stored is None:
            raise wrong(user)
        if has_factor := user.totp_confirmed_at is not None:
            if code is None:
                await self._attempts.give_back(*about)
                missing = SecondFactorRequired("The account asks for a code besides the password.", hint="Send it as `code`.")
                missing.whose = home_of(user)
                raise missing
            if not await self._factor.accept(user, code):
                raise wrong(user)
        await self._attempts.give_back(*about)
        if self._passwords.is_outdated(stored):
            await self._renew(user, password)
        return Entry(user, user.tenant_id if user.tenant_id in tenants else tenants[0], has_factor)

    async def _renew(self, user: UserRow, password: str) -> None:
        fresh = await self._passwords.rehash(password)
        async with self._database.transaction() as session:
            await repository.change(session, user.id, {"password_hash": fresh})

    async def confirm(self, user: UserRow, password: str | None, device: Device) -> None:
        """Let somebody who is signed in show the password again, before something that matters.

        Raises:
            WrongCredentials: it is another.
            TooManyAttempts: somebody was wrong too often.
        """
        about = attempts_about(user.username, device)
        await self._attempts.take(*about)
        if not await self._passwords.verify(user.password_hash, password or ""):
            raise wrong(user)
        await self._attempts.give_back(*about)


def attempts_about(login: str, device: Device) -> tuple[str, ...]:
    """Return what an attempt is counted for: the account, and the address where there is one."""
    return (f"account:{login}", f"address:{device.address}") if device.address else (f"account:{login}",)


def wrong(user: UserRow | None) -> WrongCredentials:
    """Return the one answer to every wrong sign-in; ``user`` is the account that was meant, for the audit log, if there is one."""
    error = WrongCredentials(
        "The name, the password or the code is wrong.", hint="POST /api/v1/auth/password/forgot helps with the password."
    )
    error.whose = home_of(user)
    return error


def home_of(user: UserRow | None) -> Doer | None:
    """Return an account as somebody of whom the log of the organisation tells that administers it."""
    return None if user is None else Doer(user.tenant_id, user.id, user.username)
