"""The one guard against server-side request forgery: every URL and every address of an outgoing call passes it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpx

from agentflow.errors import NodeError
from agentflow.sources.http import addresses

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host name."""

_LAST_PORT = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system; it also turns odd forms (``0x7f.1``, ``2130706433``) into the address they mean."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Decides which hosts may be called.

    The address that was checked is the address that is connected to, so a name that changes its mind between check and
    connection gains nothing.
    """

    def __init__(self, allowed_hosts: Iterable[str] = (), resolver: Resolver = system_resolver) -> None:
        """Let ``allowed_hosts`` through although they are private: ``host``, ``host:port`` or ``*.suffix`` each."""
        self._allowed = frozenset(entry.strip().lower().rstrip(".") for entry in allowed_hosts)
        self._resolve = resolver

    def url(self, text: str | httpx.URL) -> httpx.URL:
        """Parse a URL and check its form.

        Raises:
            NodeError: ``HTTP_URL`` when it cannot be read, ``SSRF_BLOCKED`` when it is of a form that is never called.
        """
        if isinstance(text, str) and (any(c in text for c in "\\\t\r\n") or text != text.strip()):
            raise url_unreadable("it holds a backslash, a line break or blanks around it")
        try:
            url = httpx.URL(text)
            host = url.raw_host.decode("ascii")
        except (httpx.InvalidURL, UnicodeError, TypeError, ValueError) as error:
            raise url_unreadable(str(error)) from error
        if url.scheme not in _DEFAULT_PORTS:
            raise _blocked(f"URLs with the scheme {url.scheme or '(none)'!r} are not called.", "Use http:// or https://.")
        if url.userinfo:
            raise _blocked("A URL must not carry a user name or password.", "Put credentials into a source of kind http.")
        if not host.strip(".") or not (url.port is None or 0 < url.port <= _LAST_PORT):
            raise url_unreadable("it names no host and port")
        return url

    async def addresses(self, host: str, port: int) -> list[str]:
        """Resolve a host once and return its addresses, every one checked.

        Raises:
            NodeError: ``SSRF_BLOCKED`` when any address is not public and the host is not allowed; ``HTTP_CONNECT`` when the name
                cannot be resolved.
        """
        name = host.lower().rstrip(".")
        try:
            found = [addresses.parse(text) for text in await self._resolve(name, port)]
        except (OSError, UnicodeError) as error:
            raise _unresolved(name) from error
        if not found:
            raise _unresolved(name)
        allowed = self._allows(name, port)
        for address in found:
            named = str(address) == name.strip("[]")
            if not addresses.is_public(address) and (not allowed or (addresses.is_link_local(address) and not named)):
                raise _private(name)
        return [str(address) for address in found]

    def allows(self, url: httpx.URL) -> bool:
        """Tell whether an operator has named the host of a URL: a system of ours, though it be on a private network."""
        return self._allows(url.host.lower().rstrip("."), port_of(url))

    def _allows(self, name: str, port: int) -> bool:
        bare = name.strip("[]")
        names = {bare, f"{bare}:{port}", f"[{bare}]", f"[{bare}]:{port}"}
        parts = bare.split(".")
        suffixes = (".".join(parts[index:]) for index in range(1, len(parts)))
        names.update(form for suffix in suffixes for form in (f"*.{suffix}", f"*.{suffix}:{port}"))
        return not self._allowed.isdisjoint(names)


def port_of(url: httpx.URL) -> int:
    """Return the port a URL leads to."""
    return url.port or _DEFAULT_PORTS[url.scheme]


def _private(name: str) -> NodeError:
    # The same words for every private address, open or closed: the answer must not map the network.
    return _blocked(
        f"The host {name} is on a private network.",
        f"An operator can allow it: AGENTFLOW_HTTP_ALLOWED_HOSTS={name}",
    )


def _blocked(message: str, hint: str) -> NodeError:
    return NodeError(message, error_code="SSRF_BLOCKED", hint=hint)


def url_unreadable(reason: str) -> NodeError:
    """Return the error of a URL that cannot be read."""
    return NodeError(f"The URL cannot be read: {reason}.", error_code="HTTP_URL", hint="Write it as https://host/path.")


def _unresolved(name: str) -> NodeError:
    return NodeError(
        f"The host name {name} cannot be resolved.", error_code="HTTP_CONNECT", retryable=True, hint="Check the name in the URL."
    )
