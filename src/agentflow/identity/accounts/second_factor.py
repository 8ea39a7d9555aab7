"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from agentflow.identity.accounts import repository
from agentflow.identity.accounts.errors import SecondFactorState
from agentflow.identity.models import UserRow
from agentflow.identity.tokens.one_time import hash_of
from agentflow.infra.audit.trail import Also
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock

STEP_S = 30
WINDOW = 1
"""Steps before and after the present one whose codes are taken: clocks differ."""
RECOVERY_CODES = 10
_RECOVERY_BYTES = 14
"""112 bits: from there on a plain hash keeps a code as safe as a slow one would."""
ISSUER = "AgentFlow"


class Sealer(Protocol):
    """Keeps the shared secrets of authenticator apps unreadable where they are stored."""

    async def seal(self, user: UserRow, secret: str) -> str:
        """Return a secret as it is stored."""
        ...

    async def unseal(self, user: UserRow, stored: str) -> str:
        """Return a stored secret."""
        ...


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs; shown once.

    Attributes:
        secret: in base32, to type.
        uri: ``otpauth://…``, to show as a QR code.
    """

    secret: str
    uri: str


class SecondFactor:
    """Sets the second factor up, and checks codes; ``also`` is written in the transaction of a change.

    Args:
        database: where accounts are.
        clock: the time.
        sealer: keeps the secrets unreadable.
    """

    def __init__(self, database: Database, clock: Clock, sealer: Sealer) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer

    async def begin(self, user: UserRow, also: Also) -> Enrolment:
        """Give out a new secret; it counts once a code of it was shown.

        Raises:
            SecondFactorState: the account has a second factor.
        """
        import pyotp

        if user.totp_confirmed_at is not None:
            raise SecondFactorState("The account has a second factor.", hint="POST /api/v1/auth/totp/remove takes it away.")
        secret = pyotp.random_base32(32)
        await self._write(user.id, {"totp_secret": await self._sealer.seal(user, secret), "totp_last_step": None}, also)
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=ISSUER))

    async def finish(self, user: UserRow, code: str, also: Also) -> list[str] | None:
        """Turn the second factor on when the code is right, and return the recovery codes, this once; None when it is wrong.

        Raises:
            SecondFactorState: none was begun, or it is on already.
        """
        if user.totp_secret is None or user.totp_confirmed_at is not None:
            raise SecondFactorState("There is no second factor to confirm.", hint="POST /api/v1/auth/totp begins one.")
        if not await self._is_right(user, code):
            return None
        codes = [secrets.token_hex(_RECOVERY_BYTES) for _ in range(RECOVERY_CODES)]
        await self._write(user.id, {"totp_confirmed_at": self._clock.now(), "recovery_codes": [hash_of(code) for code in codes]}, also)
        return codes

    async def remove(self, user: UserRow, also: Also) -> None:
        """Take the second factor away."""
        gone = ("totp_secret", "totp_confirmed_at", "totp_last_step", "recovery_codes")
        await self._write(user.id, dict.fromkeys(gone), also)

    async def accept(self, user: UserRow, code: str) -> bool:
        """Tell whether a code is right; each works once, an app's as well as one for recovery."""
        code = code.replace(" ", "").replace("-", "").lower()
        if len(code) == 2 * _RECOVERY_BYTES:
            return await self._recover(user, code)
        return await self._is_right(user, code)

    async def _is_right(self, user: UserRow, code: str) -> bool:
        import pyotp

        if user.totp_secret is None or not code.isascii() or not code.isdigit():
            return False
        totp = pyotp.TOTP(await self._sealer.unseal(user, user.totp_secret))
        now = int(self._clock.now().timestamp()) // STEP_S
        right = [step for step in range(now - WINDOW, now + WINDOW + 1) if hmac.compare_digest(totp.generate_otp(step), code)]
        if not right:
            return False
        async with self._database.transaction() as session:
            return await repository.take_totp_step(session, user.id, right[-1])

    async def _recover(self, user: UserRow, code: str) -> bool:
        digest = hash_of(code)
        async with self._database.transaction() as session:
            # Read again, and on PostgreSQL locked: two who send the same code at once must not both come in.
            current = await repository.get(session, user.id, lock=True)
            left = list(current.recovery_codes or ()) if current is not None else []
            if digest not in left:
                return False
            left.remove(digest)
            await repository.change(session, user.id, {"recovery_codes": left})
        return True

    async def _write(self, user_id: str, values: dict[str, object], also: Also) -> None:
        async with self._database.transaction() as session:
            await repository.change(session, user_id, values)
            await also(session)
