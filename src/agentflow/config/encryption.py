"""Which of the addresses of other systems lead over a network without TLS."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

_TLS = frozenset({"https", "rediss", "rediss+cluster", "amqps", "smtps", "s3", "gs", "gcs", "az", "azure"})
"""Schemes that are TLS: object stores in a cloud are unless their own variables name a plain endpoint."""
_LOCAL = frozenset({"file", "unix", "sqlite", "redis+socket"})
_PROVEN = frozenset({"verify-ca", "verify-full"})
"""Modes in which PostgreSQL proves who it is; the others encrypt for whoever answers, or not at all."""


def is_encrypted(address: str) -> bool:
    """Tell whether an address stays on this machine, or leads to a system that proves itself by a certificate.

    A mail server at ``smtp://`` counts when a password goes with it: then STARTTLS is insisted on.
    """
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    if scheme in _TLS or scheme in _LOCAL or all(map(_is_here, _hosts(parts))):
        return True
    if scheme.startswith("postgres"):
        return bool(_PROVEN.intersection(parse_qs(parts.query).get("sslmode", ())))
    return scheme == "smtp" and parts.password is not None


def unencrypted(addresses: Mapping[str, str | None]) -> list[str]:
    """Return the names of those addresses that are not encrypted; one that is None is no address."""
    return [name for name, address in addresses.items() if address is not None and not is_encrypted(address)]


def _hosts(parts: SplitResult) -> list[str | None]:
    """Return the hosts of an address; nodes of a cluster, and servers of PostgreSQL, stand with commas between."""
    return [urlsplit(f"//{host}").hostname for host in parts.netloc.rpartition("@")[2].split(",")]


def _is_here(host: str | None) -> bool:
    if host is None or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
