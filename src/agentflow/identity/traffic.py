"""How many requests are let in: by address before anybody is known, then by user, key, organisation and route."""

from collections.abc import Callable, Mapping, Sequence

from agentflow.config.edges import EdgeSettings
from agentflow.errors import RateLimited
from agentflow.identity.quotas import TenantQuotas
from agentflow.identity.subject import CredentialKind, Subject
from agentflow.infra.limits.rates import WINDOW_S, Claim, Rate, Rates, Standing

_TEXTS = {
    "user": "You",
    "key": "This API key",
    "tenant": "Your organisation",
    "address": "Your address",
    "strangers": "Your address, without a credential,",
    "sign-in": "Your address",
    "misses": "You",
    "route": "You",
}


class TooManyRequests(RateLimited):
    """A limit of requests in a minute is reached; the answer names it."""

    code, title = "TOO_MANY_REQUESTS", "Too many requests"

    def __init__(self, standing: Standing) -> None:
        name, quota = standing.rate.name, standing.rate.quota
        what = {"misses": "asked for what is not there", "sign-in": "tried to sign in"}.get(name, "sent requests")
        super().__init__(
            f"{_TEXTS[name]} {what} more than {quota} times in a minute (limit {name}).",
            hint="Wait as long as Retry-After says; RateLimit tells in every answer how much is left.",
            retry_after_s=standing.wait_s,
            limit=quota,
            name=name,
            window_s=int(WINDOW_S),
        )


class Traffic:
    """The limits of requests.

    Args:
        rates: keeps the buckets.
        settings: the limits.
        quotas: those of organisations that have their own.
    """

    def __init__(self, rates: Rates, settings: EdgeSettings, quotas: TenantQuotas) -> None:
        self.rates = rates
        self._quotas = quotas
        self._user = _rate("user", settings.rate_limit_user)
        self._key = _rate("key", settings.rate_limit_key)
        self._tenant = _rate("tenant", settings.rate_limit_tenant)
        self._address = _rate("address", settings.rate_limit_address)
        self._strangers = _rate("strangers", settings.rate_limit_strangers)
        self._sign_in = _rate("sign-in", settings.rate_limit_sign_in)
        self._misses = _rate("misses", settings.rate_limit_misses)
        self.routes: Mapping[str, Rate] = {route: Rate("route", quota) for route, quota in settings.rate_limit_routes.items()}
        """Limits of single routes, by method and template of the path."""

    def passage(self, network: str) -> "Passage":
        """Begin a request that comes from ``network``."""
        return Passage(self, network)

    def by_address(self, network: str) -> list[Claim]:
        """Return what every request claims."""
        return [] if self._address is None else [Claim(f"address:{network}", self._address)]

    def by_stranger(self, network: str) -> list[Claim]:
        """Return what a request without a good credential claims besides."""
        return [] if self._strangers is None else [Claim(f"strangers:{network}", self._strangers)]

    def by_sign_in(self, network: str) -> list[Claim]:
        """Return what a request to where people sign in claims besides."""
        return [] if self._sign_in is None else [Claim(f"sign-in:{network}", self._sign_in)]

    def by_door(self, network: str, route: str) -> list[Claim]:
        """Return what a request to a route that is open to everybody claims besides."""
        rate = self.routes.get(route)
        return [] if rate is None else [Claim(f"route:{network}:{route}", rate)]

    async def by_subject(self, subject: Subject, route: str) -> list[Claim]:
        """Return what the request of somebody claims; every key holds the organisation."""
        tenant_id, user_id = subject.tenant_id, subject.user_id
        claims = [] if self._user is None else [Claim(f"user:{tenant_id}:{user_id}", self._user)]
        if self._key is not None and subject.credential is not None and subject.credential.kind is CredentialKind.KEY:
            claims.append(Claim(f"key:{tenant_id}:{subject.credential.id}", self._key))
        own = (await self._quotas.of(tenant_id)).get("requests_per_minute")
        if (rate := self._tenant if own is None else Rate("tenant", own)) is not None:
            claims.append(Claim(f"tenant:{tenant_id}", rate))
        if self.routes and (limit := self.routes.get(route)) is not None:
            claims.append(Claim(f"route:{tenant_id}:{user_id}:{route}", limit))
        return claims

    def by_miss(self, subject: Subject) -> list[Claim]:
        """Return what an answer claims that tells somebody that there is no such thing."""
        return [] if self._misses is None else [Claim(f"misses:{subject.tenant_id}:{subject.user_id}", self._misses)]


class Passage:
    """One request on its way past the limits.

    What it claims by its address is taken together with what its user claims, in one go; or when it is over, if nobody asked who it is.
    """

    def __init__(self, traffic: Traffic, network: str) -> None:
        self._traffic = traffic
        self._network = network
        self._open = traffic.by_address(network)
        self._subject: Subject | None = None
        self.standing: Standing | None = None
        """How the limit stands that leaves least; None where none was asked."""

    async def enter(self, claims: Sequence[Claim] = ()) -> None:
        """Take what the request claims up to here.

        Raises:
            TooManyRequests: a limit is reached; nothing was taken.
        """
        wanted, self._open = [*self._open, *claims], []
        if wanted:
            self._judge(self._traffic.rates.take_now(wanted) or await self._traffic.rates.take(wanted))

    async def enter_as_stranger(self, *, signs_in: bool = False, door: str | None = None) -> None:
        """Take what a request claims that shows no credential, or goes to where credentials are got.

        Raises:
            TooManyRequests: a limit is reached.
        """
        traffic, network = self._traffic, self._network
        claims = traffic.by_sign_in(network) if signs_in else traffic.by_stranger(network)
        await self.enter(claims if door is None else [*claims, *traffic.by_door(network, door)])

    def look(self) -> None:
        """Refuse a request whose address is over its limit, as far as that is known here, before its credential is looked at.

        Raises:
            TooManyRequests: so it is.
        """
        self._refuse(self._open)

    def look_at(self, is_known: Callable[[], bool]) -> None:
        """Refuse a credential that was not good here lately, where too many were wrong: to look one up costs something.

        Raises:
            TooManyRequests: so it is.
        """
        standing = self._traffic.rates.refusal(claims) if (claims := self._traffic.by_stranger(self._network)) else None
        if standing is not None and not is_known():
            self._judge(standing)

    async def enter_as(self, subject: Subject, route: str) -> None:
        """Take what somebody's request claims.

        Raises:
            TooManyRequests: a limit is reached.
        """
        self._subject = subject
        self._refuse(self._traffic.by_miss(subject))
        await self.enter(await self._traffic.by_subject(subject, route))

    @property
    def tenant_id(self) -> str | None:
        """The organisation whose request it is; None while that is not known."""
        return None if self._subject is None else self._subject.tenant_id

    def fail(self) -> None:
        """Note that the credential was no good."""
        self._open = [*self._open, *self._traffic.by_stranger(self._network)]

    def end(self, status: int) -> None:
        """Count what nobody asked for until the answer, and the answer itself when it is that there is no such thing."""
        if status == 404 and self._subject is not None:  # noqa: PLR2004 - HTTP
            self._open = [*self._open, *self._traffic.by_miss(self._subject)]
        if self._open:
            self._traffic.rates.count(self._open)
            self._open = []

    def _refuse(self, claims: Sequence[Claim]) -> None:
        if claims and (standing := self._traffic.rates.refusal(claims)) is not None:
            self._judge(standing)

    def _judge(self, standing: Standing) -> None:
        self.standing = standing
        if not standing.is_granted:
            raise TooManyRequests(standing)


def _rate(name: str, quota: int) -> Rate | None:
    return Rate(name, quota) if quota else None
