"""What the edge of the server knows of a request, for those who look at it further inside."""

import math
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope

from agentflow.infra.limits.rates import SLACK_S, WINDOW_S, Standing

ADDRESS = "agentflow.address"
"""Key of the ASGI scope that holds the client's address; not there where it is not known."""
PASSAGE = "agentflow.passage"
"""Key of the ASGI scope that holds how the request stands with its limits."""
REMEMBERED = 10_000


def address_of(scope: Scope) -> str:
    """Return the address that a request comes from, a proxy's word for it included; empty where it is not known."""
    address: str = scope.get(ADDRESS, "")
    return address


@lru_cache(REMEMBERED)
def network_of(address: str) -> str:
    """Return what limits count an address as: itself, or of IPv6 its /64 network, of which anybody has all addresses."""
    if not address:
        return "unknown"
    known = ip_address(address)
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(IPv6Address(int(known) >> 64 << 64)) + "/64"
    return address


def headers_of(standing: Standing) -> list[tuple[bytes, bytes]]:
    """Return the headers that tell a client how a limit stands: those of the IETF's draft, and those that everybody knew before."""
    after_s = math.ceil((standing.full_s if standing.is_granted else standing.wait_s) - SLACK_S)
    return limit_headers(standing.rate.name, standing.rate.quota, standing.remaining, after_s, int(WINDOW_S))


def limit_headers(name: str, quota: int, remaining: int, after_s: int, window_s: int | None = None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a limit.

    Args:
        name: of the limit.
        quota: how many are allowed.
        remaining: how many are left.
        after_s: seconds until that changes for good: all are there again, or the next one where none is left.
        window_s: seconds for which the quota is; None where it is no quota of a time.
    """
    policy = b'"%b";q=%d' % (name.encode(), quota)
    return [
        (b"ratelimit-policy", policy if window_s is None else b"%b;w=%d" % (policy, window_s)),
        (b"ratelimit", b'"%b";r=%d;t=%d' % (name.encode(), remaining, after_s)),
        (b"x-ratelimit-limit", b"%d" % quota),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % after_s),
    ]
