"""The services of identity, joined."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from agentflow.bootstrap.limits import open_rates
from agentflow.config.settings import Settings
from agentflow.identity import owner
from agentflow.identity.access import AccessReader
from agentflow.identity.accounts.post import Post
from agentflow.identity.accounts.registration import Policy, Registration
from agentflow.identity.accounts.second_factor import Sealer, SecondFactor
from agentflow.identity.accounts.service import Accounts
from agentflow.identity.accounts.sign_in import SignIn
from agentflow.identity.accounts.switching import Switching
from agentflow.identity.api_keys.service import ApiKeys, Rotation
from agentflow.identity.attempts import Attempts
from agentflow.identity.credentials import Credentials
from agentflow.identity.housekeeping import Housekeeping
from agentflow.identity.models import ApiKeyRow, SessionRow, UserRow
from agentflow.identity.passwords import Passwords
from agentflow.identity.principals import Principals
from agentflow.identity.quotas import TenantQuotas
from agentflow.identity.roles.service import RoleService
from agentflow.identity.sessions.base import SessionStore
from agentflow.identity.sessions.database import DatabaseSessions
from agentflow.identity.sessions.service import Sessions
from agentflow.identity.subject import ResourceKind
from agentflow.identity.tenants.grants import Finder, GrantService
from agentflow.identity.tenants.invitations import Invitations
from agentflow.identity.tenants.service import Closer, TenantService
from agentflow.identity.tenants.teams import Teams
from agentflow.identity.tokens.access import AccessTokens
from agentflow.identity.tokens.one_time import OneTimeTokens
from agentflow.identity.tokens.signing import SigningKeys
from agentflow.identity.traffic import Traffic
from agentflow.identity.users.service import UserService
from agentflow.infra.audit.trail import Trail
from agentflow.infra.crypto import from_text, seal, to_text, unseal
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.infra.db.last_uses import LastUses
from agentflow.infra.keys.ring import KeyRing
from agentflow.infra.limits.rates import Rates
from agentflow.infra.mailer.base import Mailer
from agentflow.infra.mailer.console import ConsoleMailer
from agentflow.infra.mailer.smtp import SmtpMailer
from agentflow.kit.clock import Clock

REDIS_TIMEOUT_S = 0.5
"""Redis that does not answer by then is passed over: the database has every session."""


_FACTOR_PURPOSE = "second-factor"
"""Purpose of the key that shared secrets of authenticator apps are sealed with."""


class SealedFactors:
    """Seals the shared secrets of authenticator apps with the key of the organisation that administers the account.

    Args:
        ring: has the tenants' keys.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def seal(self, user: UserRow, secret: str) -> str:
        """Return a secret as it is stored."""
        key = await self._ring.key(user.tenant_id, _FACTOR_PURPOSE)
        # The organisation is part of what is stored: the account may come to be administered by another one.
        return f"{user.tenant_id}:{to_text(seal(key, secret.encode(), _place(user)))}"

    async def unseal(self, user: UserRow, stored: str) -> str:
        """Return a stored secret.

        Raises:
            SealBroken: it was changed, or moved from another account.
        """
        tenant_id, _, sealed = stored.partition(":")
        return unseal(await self._ring.key(tenant_id, _FACTOR_PURPOSE), from_text(sealed), _place(user)).decode()


def _place(user: UserRow) -> bytes:
    return f"second-factor:{user.id}".encode()


@dataclass(frozen=True, slots=True)
class Identity:
    """What transports use of identity.

    Attributes:
        credentials: recognises callers.
        access: what users may do.
        one_time_tokens: secrets that work once.
        signing_keys: sign access tokens.
        sessions: signed-in devices.
        api_keys: keys for programs.
        principals: for whom runs act.
        roles: what members may do.
        quotas: what organisations may use.
        tenants: organisations and members.
        invitations: into organisations.
        teams: members under a name.
        grants: on single things.
        users: administered accounts.
        accounts: one's own account.
        registration: makes accounts.
        sign_in: finds out who somebody is.
        switching: from one organisation to another.
        post: mails under way.
        traffic: how many requests are let in.
        housekeeping: deletes what is over.
    """

    credentials: Credentials
    access: AccessReader
    one_time_tokens: OneTimeTokens
    signing_keys: SigningKeys
    sessions: Sessions
    api_keys: ApiKeys
    principals: Principals
    roles: RoleService
    quotas: TenantQuotas
    tenants: TenantService
    invitations: Invitations
    teams: Teams
    grants: GrantService
    users: UserService
    accounts: Accounts
    registration: Registration
    sign_in: SignIn
    switching: Switching
    post: Post
    traffic: Traffic
    housekeeping: Housekeeping


@asynccontextmanager
async def open_identity(
    settings: Settings,
    database: Database,
    clock: Clock,
    sealer: Sealer,
    finders: Mapping[ResourceKind, Finder],
    trail: Trail,
    closers: Sequence[Closer] = (),
) -> AsyncIterator[Identity]:
    """Give the services of identity, and close what they hold.

    Args:
        settings: of this process.
        database: migrated.
        clock: the time.
        sealer: keeps secrets of the second factor unreadable.
        finders: tell whether there is a thing that somebody grants; filled by the time the first request comes.
        trail: where changes are written down.
        closers: end what goes on in an organisation that is deleted.

    Raises:
        RedisNotUsable: ``redis_url`` is set, but the extra ``cluster`` is not installed, or the URL cannot be read.
        SmtpNotUsable: ``smtp_url`` cannot be read.
    """
    async with AsyncExitStack() as stack:
        store = await _session_store(stack, settings, database)
        rates = await stack.enter_async_context(open_rates(settings, clock))
        identity = _join(settings, database, clock, store, rates, sealer, finders, trail, closers)
        stack.push_async_callback(identity.sessions.close)
        stack.push_async_callback(identity.api_keys.close)
        stack.push_async_callback(identity.post.close)
        stack.push_async_callback(identity.housekeeping.stop)
        yield identity


def _join(
    settings: Settings,
    database: Database,
    clock: Clock,
    store: SessionStore,
    rates: Rates,
    sealer: Sealer,
    finders: Mapping[ResourceKind, Finder],
    trail: Trail,
    closers: Sequence[Closer],
) -> Identity:
    quotas = TenantQuotas(database, clock)
    access = AccessReader(database, clock, quotas.learn)
    passwords = Passwords(settings.password_min_length)
    attempts = Attempts(database, clock, settings.login_attempts)
    one_time = OneTimeTokens(database, clock)
    signing = SigningKeys(database, clock, settings.signing_key_s, settings.access_token_s)
    tokens = AccessTokens(signing, clock, settings.access_token_s)
    lifetime, idle = timedelta(days=settings.session_days), timedelta(days=settings.session_idle_days)
    sessions = Sessions(store, tokens, clock, lifetime, idle, trail, LastUses(database, SessionRow, "last_seen_at"))
    rotation = Rotation(settings.api_key_rotation_days, timedelta(days=settings.api_key_grace_days))
    keys = ApiKeys(database, clock, access, rotation, trail, LastUses(database, ApiKeyRow, "last_used_at"))
    post = Post(_mailer(settings), settings.public_url)
    invitations = Invitations(database, clock, access, post, timedelta(days=settings.invitation_days), trail)
    factor = SecondFactor(database, clock, sealer)
    sign_in = SignIn(database, passwords, factor, attempts)
    is_open = settings.registration == "open"
    registration = Registration(
        database, clock, passwords, invitations, attempts, access, Policy(is_open=is_open, takes_guests=settings.guest_access), trail
    )
    reset, fresh = timedelta(seconds=settings.reset_link_s), timedelta(seconds=settings.fresh_sign_in_s)
    return Identity(
        credentials=Credentials(access, keys, sessions, tokens, clock, demands_factor=settings.second_factor_required),
        access=access,
        one_time_tokens=one_time,
        signing_keys=signing,
        sessions=sessions,
        api_keys=keys,
        principals=Principals(access, keys, clock),
        roles=RoleService(database, clock, access, trail),
        quotas=quotas,
        tenants=TenantService(database, clock, access, quotas, trail, anybody_creates=is_open, closers=closers),
        invitations=invitations,
        teams=Teams(database, clock, access, trail),
        grants=GrantService(database, clock, access, finders, trail),
        users=UserService(database, clock, access, passwords, sessions, trail),
        accounts=Accounts(database, clock, passwords, sign_in, factor, sessions, one_time, attempts, post, reset, fresh, trail),
        registration=registration,
        sign_in=sign_in,
        switching=Switching(access, sessions, tokens),
        post=post,
        traffic=Traffic(rates, settings, quotas),
        housekeeping=Housekeeping(
            sessions, one_time, attempts, registration, timedelta(days=settings.guest_days), settings.identity_cleanup_s
        ),
    )


async def _session_store(stack: AsyncExitStack, settings: Settings, database: Database) -> SessionStore:
    in_database = DatabaseSessions(database)
    if settings.redis_url is None:
        return in_database
    from agentflow.infra.redis import open_redis

    redis = open_redis(settings.redis_url, timeout_s=REDIS_TIMEOUT_S)
    stack.push_async_callback(redis.aclose)
    from agentflow.identity.sessions.redis import RedisSessions

    return RedisSessions(redis, in_database)


def _mailer(settings: Settings) -> Mailer:
    if settings.smtp_url is None:
        return ConsoleMailer()
    return SmtpMailer(settings.smtp_url.get_secret_value(), settings.mail_from)


async def check_address(settings: Settings) -> None:
    """Refuse to listen beyond loopback before the owner has a password.

    Raises:
        RemoteBindRefused: so it is.
    """
    if settings.host in owner.LOOPBACK:
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database, pool_size=1)
    try:
        is_protected = await migrate.current(database) == migrate.HEAD and await owner.has_password(database)
    finally:
        await database.close()
    owner.check_bind(settings.host, is_protected=is_protected)
