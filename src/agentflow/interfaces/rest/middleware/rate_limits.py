"""Limits of requests a minute, and the headers that tell how they stand."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.endpoints.edges import PASSAGE, address_of, headers_of, network_of
from agentflow.identity.auth import COOKIE
from agentflow.identity.traffic import Passage, TooManyRequests, Traffic
from agentflow.interfaces.rest.problems import problem_of

ALWAYS = "/health/live"
"""Whoever restarts what does not answer must not be refused; the answer costs nothing."""
_AUTH = "/api/v1/auth"
SIGN_IN = frozenset(
    {
        f"GET {_AUTH}/link",
        f"POST {_AUTH}/email/verify",
        f"POST {_AUTH}/guest",
        f"POST {_AUTH}/login",
        f"POST {_AUTH}/password/forgot",
        f"POST {_AUTH}/password/reset",
        f"POST {_AUTH}/register",
        f"POST {_AUTH}/token",
    }
)
"""Where people prove who they are, or make accounts."""
_COOKIE = COOKIE.encode()


class RateLimits:
    """Takes what a request claims by its address, and hands the rest to where its credential is read.

    A request with a credential is counted together with its user, in one go; it is refused here only when its address is known to be over
    its limit. Whoever shows none, or goes to where credentials are got, is counted here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] == ALWAYS:
            await self._app(scope, receive, send)
            return
        traffic: Traffic = scope["app"].state.traffic
        passage = scope[PASSAGE] = traffic.passage(network_of(address_of(scope)))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.end(message["status"])
                _tell(passage, message)
            await send(message)

        try:
            await _begin(scope, passage)
        except TooManyRequests as error:
            await problem_of(error, scope)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)


async def _begin(scope: Scope, passage: Passage) -> None:
    door = next(
        (name for method, pattern, name in scope["app"].state.doors if method == scope["method"] and pattern.match(scope["path"])), None
    )
    signs_in = f"{scope['method']} {scope['path']}" in SIGN_IN
    if signs_in or door is not None or not _shows_credential(scope):
        await passage.enter_as_stranger(signs_in=signs_in, door=door)
    else:
        passage.look()


def _shows_credential(scope: Scope) -> bool:
    return any(name in (b"x-api-key", b"authorization") or (name == b"cookie" and _COOKIE in value) for name, value in scope["headers"])


def _tell(passage: Passage, message: Message) -> None:
    headers = list(message.get("headers", ()))
    # An answer that is about a limit has said so already.
    if passage.standing is not None and all(name != b"ratelimit" for name, _ in headers):
        message["headers"] = [*headers, *headers_of(passage.standing)]
