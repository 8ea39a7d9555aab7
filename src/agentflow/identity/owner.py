"""The first start: one organisation, its owner, the owner's key in a file, and a link to sign in once."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from agentflow.errors import Invalid, Unauthenticated
from agentflow.identity.api_keys.service import ApiKeys
from agentflow.identity.builtin_roles import BuiltinRole
from agentflow.identity.models import MembershipRow, TenantRow, UserRow
from agentflow.identity.tokens.one_time import OneTimeTokens, TokenKind
from agentflow.infra.audit.trail import PROGRAM, Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

USERNAME = "owner"
KEY_FILE = "owner.key"
LINK_LIFETIME = timedelta(minutes=15)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class RemoteBindRefused(Invalid):
    """The server was told to listen beyond loopback before anybody could sign in with a password."""

    code, title = "REMOTE_BIND_REFUSED", "Listening beyond loopback refused"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns this installation.

    Attributes:
        tenant_id: the owner's organisation, which runs the installation.
        user_id: the owner.
        key_file: where the owner's API key lies.
    """

    tenant_id: str
    user_id: str
    key_file: Path


class OwnerService:
    """Creates the owner once, and keeps the key file in step with the database.

    Args:
        database: where accounts are.
        keys: makes API keys.
        tokens: makes sign-in links.
        clock: the time.
        data_dir: where the key file lies.
        trail: where it is written down.
        has_keys: whether there is a master key; a worker that starts before the first server has none, and writes nothing down.
    """

    def __init__(
        self,
        database: Database,
        keys: ApiKeys,
        tokens: OneTimeTokens,
        clock: Clock,
        data_dir: Path,
        trail: Trail,
        *,
        has_keys: bool,
    ) -> None:
        self._has_keys = has_keys
        self._trail = trail
        self._database = database
        self._keys = keys
        self._tokens = tokens
        self._clock = clock
        self._key_file = data_dir / KEY_FILE

    async def ensure(self, *, keep_key: bool = True) -> Owner:
        """Return the owner; on the first start create organisation and user.

        With ``keep_key`` the key file holds a key of this database afterwards; processes that nobody talks to need none.
        """
        owner = await self._find()
        if owner is None:
            owner = await self._create()
        if keep_key and not await self._has_key():
            write_secret(owner.key_file, await self._keys.issue(owner.tenant_id, owner.user_id, KEY_FILE))
        return owner

    async def reissue_key(self, owner: Owner) -> None:
        """Replace the owner's key: the old one is worthless from now on, the new one is in the key file."""
        write_secret(owner.key_file, await self._keys.reissue(owner.tenant_id, owner.user_id, KEY_FILE))

    async def sign_in_token(self, owner: Owner, lifetime: timedelta = LINK_LIFETIME) -> str:
        """Return the secret of a one-time sign-in link, good for fifteen minutes."""
        said = self._trail.also(Doer(owner.tenant_id, "", PROGRAM), Deed("account.link-made", owner.user_id))
        return await self._tokens.issue(owner.user_id, TokenKind.LINK, lifetime, said)

    async def redeem(self, token: str) -> str:
        """Use a one-time link up and return whose it was.

        Raises:
            Unauthenticated: the link is unknown, was used, or is too old.
        """
        async with self._database.transaction() as session:
            spent = await self._tokens.spend(session, token, TokenKind.LINK)
        if spent is None:
            raise Unauthenticated(
                "The sign-in link is unknown, was used, or is too old.", hint="Restart the server for a new one, or use the owner's key."
            )
        return spent.user_id

    async def _find(self) -> Owner | None:
        async with self._database.reading() as session:
            row = (await session.execute(select(UserRow).where(UserRow.username == USERNAME))).scalar_one_or_none()
        return None if row is None else Owner(row.tenant_id, row.id, self._key_file)

    async def _create(self) -> Owner:
        tenant_id, user_id, now = new_id(), new_id(), self._clock.now()
        membership = {"tenant_id": tenant_id, "user_id": user_id, "roles": [BuiltinRole.OWNER.value], "created_at": now}
        try:
            async with self._database.transaction() as session:
                await session.execute(insert(TenantRow).values(id=tenant_id, name="default", is_operator=True, created_at=now))
                await session.execute(insert(UserRow).values(id=user_id, tenant_id=tenant_id, username=USERNAME, created_at=now))
                await session.execute(insert(MembershipRow).values(membership))
                if self._has_keys:
                    said = {"name": "default", "owner": user_id}
                    await self._trail.add(session, Doer(tenant_id, "", PROGRAM), Deed("tenant.created", tenant_id, said))
        except IntegrityError:
            # Another process made its first start at the same time.
            owner = await self._find()
            if owner is None:
                raise
            return owner
        return Owner(tenant_id, user_id, self._key_file)

    async def _has_key(self) -> bool:
        """Tell whether the key in the file is good for this database."""
        try:
            await self._keys.recognise(self._key_file.read_text().strip())
        except (FileNotFoundError, Unauthenticated):
            return False
        return True


def write_secret(path: Path, secret: str) -> None:
    """Write a secret so that only its owner can read it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


async def has_password(database: Database) -> bool:
    """Tell whether the owner has set a password."""
    query = select(UserRow.id).where(UserRow.username == USERNAME, UserRow.password_hash.is_not(None), UserRow.disabled_at.is_(None))
    async with database.reading() as session:
        return (await session.execute(query)).first() is not None


def check_bind(host: str, *, is_protected: bool) -> None:
    """Refuse to listen where others can connect, as long as the owner has no password.

    Raises:
        RemoteBindRefused: ``host`` is not a loopback address, and nobody has a password.
    """
    if host not in LOOPBACK and not is_protected:
        raise RemoteBindRefused(
            f"This server listens on loopback addresses only, not on {host}: nobody has set an owner's password yet.",
            hint="Set one with `agentflow users password owner`, or use --host 127.0.0.1.",
        )
