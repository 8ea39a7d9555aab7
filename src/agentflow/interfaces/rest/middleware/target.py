"""Refuses requests whose address nobody could store or answer for, before anything looks at them."""

from collections.abc import Set

from starlette.types import ASGIApp, Receive, Scope, Send

from agentflow.errors import Malformed
from agentflow.interfaces.rest.problems import problem_of


class Target:
    """Checks path, query and ``Host``.

    A request names one host, or proxy and server could take it for two different ones; where names are set, it names one of them, so that
    no other name can be made to lead here (DNS rebinding) and none gets into what we answer.
    """

    def __init__(self, app: ASGIApp, hosts: Set[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except Malformed as error:
                await problem_of(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        # No database of ours can hold NUL in text, and nothing that we store has a name with it.
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise Malformed("The address contains NUL (%00).")
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1:
            raise Malformed("The request names more than one Host.")
        if self._hosts and (not hosts or _name(hosts[0]) not in self._hosts):
            raise Malformed("This server is not called so (Host).", hint="AGENTFLOW_ALLOWED_HOSTS lists the names it is called by.")


def _name(host: bytes) -> str:
    """Return a host without its port, which may stand in brackets."""
    text = host.decode("latin-1").lower()
    return text.partition("]")[0].removeprefix("[") if text.startswith("[") else text.partition(":")[0]
