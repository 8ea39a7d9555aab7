"""What the endpoints of accounts share: where a request comes from, cookies, and answers of those who sign in."""

from datetime import timedelta
from typing import TYPE_CHECKING

from fastapi import Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.edges import address_of
from agentflow.identity.accounts.errors import NotASession
from agentflow.identity.accounts.schemas import BrowserSignedIn, SignedIn
from agentflow.identity.accounts.shown import account_of
from agentflow.identity.accounts.sign_in import Entry
from agentflow.identity.auth import COOKIE, SECURE_COOKIE
from agentflow.identity.sessions.service import Device, Sessions
from agentflow.identity.subject import CredentialKind, Subject

if TYPE_CHECKING:
    from agentflow.identity.accounts.registration import Registration
    from agentflow.identity.accounts.service import Accounts
    from agentflow.identity.accounts.sign_in import SignIn

NO_STORE = {"Cache-Control": "no-store"}


def accounts(request: Request) -> "Accounts":
    """Return the service of accounts."""
    service: Accounts = request.app.state.container.identity.accounts
    return service


def registration(request: Request) -> "Registration":
    """Return the service that makes accounts."""
    service: Registration = request.app.state.container.identity.registration
    return service


def sign_in(request: Request) -> "SignIn":
    """Return the service that finds out who somebody is."""
    service: SignIn = request.app.state.container.identity.sign_in
    return service


def sessions(request: Request) -> Sessions:
    """Return the service of sessions."""
    service: Sessions = request.app.state.container.identity.sessions
    return service


def device_of(request: Request) -> Device:
    """Return where a request comes from."""
    return Device(request.headers.get("user-agent", ""), address_of(request.scope))


async def signed_in(request: Request, entry: Entry, *, status: int = 200) -> Response:
    """Open a session by tokens, and answer with them."""
    tokens = await sessions(request).open(entry.doer, device_of(request), second_factor=entry.second_factor)
    body = SignedIn(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        user=account_of(entry.user),
        tenant_id=entry.tenant_id,
    )
    return JsonAnswer(body, status, NO_STORE)


async def browser_signed_in(request: Request, entry: Entry) -> Response:
    """Open a session by cookie, and answer with it."""
    answer = JsonAnswer(BrowserSignedIn(user=account_of(entry.user), tenant_id=entry.tenant_id), 200, NO_STORE)
    await set_cookie(request, answer, entry)
    return answer


async def set_cookie(request: Request, answer: Response, entry: Entry) -> None:
    """Open a session by cookie and put it into an answer."""
    service = sessions(request)
    value = await service.open_browser(entry.doer, device_of(request), second_factor=entry.second_factor)
    _cookie(request, answer, value, service.lifetime)


def drop_cookie(request: Request, answer: Response) -> None:
    """Let the browser forget its cookie; every attribute is the same as when it was set, or the browser would keep it."""
    _cookie(request, answer, "", timedelta())


def _cookie(request: Request, answer: Response, value: str, lifetime: timedelta) -> None:
    is_tls = request.url.scheme == "https"
    answer.set_cookie(
        SECURE_COOKIE if is_tls else COOKIE,
        value,
        max_age=int(lifetime.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_tls,
    )


def session_of(subject: Subject) -> str:
    """Return the id of the session that a request came with.

    Raises:
        NotASession: it came with an API key.
    """
    if subject.credential is None or subject.credential.kind is not CredentialKind.SESSION:
        raise NotASession("This needs somebody who has signed in; the request came with an API key.", hint="POST /api/v1/auth/login")
    return subject.credential.id
