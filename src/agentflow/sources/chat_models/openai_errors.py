"""What went wrong at an OpenAI-compatible server, as typed errors."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from agentflow.errors import NodeError
from agentflow.kit import json

MAX_RETRY_AFTER_S = 600.0
"""A server may ask for no longer wait than this."""

_BY_STATUS: Mapping[int, tuple[str, bool]] = {
    401: ("MODEL_AUTH", False),
    403: ("MODEL_AUTH", False),
    408: ("MODEL_TIMEOUT", True),
    409: ("MODEL_UNAVAILABLE", True),
    425: ("MODEL_UNAVAILABLE", True),
    429: ("MODEL_RATE_LIMITED", True),
    504: ("MODEL_TIMEOUT", True),
}
_BY_WORD: Mapping[str, tuple[str, bool]] = {
    "insufficient_quota": ("MODEL_RATE_LIMITED", False),
    "rate_limit": ("MODEL_RATE_LIMITED", True),
    "authentication": ("MODEL_AUTH", False),
    "invalid_api_key": ("MODEL_AUTH", False),
    "invalid_request": ("MODEL_REJECTED", False),
    "not_found": ("MODEL_REJECTED", False),
    "context_length": ("MODEL_REJECTED", False),
    "overloaded": ("MODEL_UNAVAILABLE", True),
    "server_error": ("MODEL_UNAVAILABLE", True),
    "unavailable": ("MODEL_UNAVAILABLE", True),
    "timeout": ("MODEL_TIMEOUT", True),
}
_HINTS: Mapping[str, str] = {
    "MODEL_AUTH": "Check the source's api_key and what it may use.",
    "MODEL_RATE_LIMITED": "Give the node a retry policy, or slow the edge to it with a queue.",
    "MODEL_UNAVAILABLE": "Check that the source's base_url is right and its server runs; a retry policy rides out short outages.",
    "MODEL_TIMEOUT": "Raise timeout_s or lower max_tokens.",
    "MODEL_REJECTED": "Check the model's name and that it supports what the node asks for.",
    "MODEL_PROTOCOL": "Check that base_url is the root of an OpenAI-compatible API; it usually ends in /v1.",
}


class ServerErrors:
    """Makes the errors of one server; keeps its key out of every message.

    Args:
        name: how messages call the server, such as its host.
        secret: the credential to blot out wherever the server repeats it.
    """

    def __init__(self, name: str, secret: str | None) -> None:
        self._name = name
        self._secret = secret

    def make(
        self, message: str, code: str, *, retryable: bool = False, retry_after_s: float | None = None, status: int | None = None
    ) -> NodeError:
        """Return an error of this server."""
        if self._secret:
            message = message.replace(self._secret, "***")
        details: dict[str, Any] = {"server": self._name} | ({} if status is None else {"status": status})
        return NodeError(
            f"The model server {self._name} {message}",
            error_code=code,
            retryable=retryable,
            hint=_HINTS.get(code),
            details=details,
            retry_after_s=retry_after_s,
        )

    def of_status(self, status: int, headers: Mapping[str, str], body: bytes) -> NodeError:
        """Return the error of an answer that is no success."""
        said = _error_object(body)
        code, retryable = _BY_STATUS.get(
            status, ("MODEL_UNAVAILABLE", True) if status >= httpx.codes.INTERNAL_SERVER_ERROR else ("MODEL_REJECTED", False)
        )
        if 300 <= status < 400:  # noqa: PLR2004 - the range of redirects
            code = "MODEL_PROTOCOL"
        if "insufficient_quota" in (said.get("code"), said.get("type")):
            retryable = False
        wait_s = retry_after_s(headers.get("retry-after")) if retryable else None
        text = f"answered {status}: {said.get('message') or 'no explanation'}"
        return self.make(text, code, retryable=retryable, retry_after_s=wait_s, status=status)

    def of_object(self, error: Any, *, begun: bool) -> NodeError:
        """Return the error of an error object that came with status 200; retryable only unless the answer has begun."""
        said = error if isinstance(error, Mapping) else {"message": error}
        words = f"{said.get('code')} {said.get('type')}".lower()
        code, retryable = next((found for word, found in _BY_WORD.items() if word in words), ("MODEL_UNAVAILABLE", True))
        status = said.get("code")
        if isinstance(status, int) and status in _BY_STATUS:
            code, retryable = _BY_STATUS[status]
        return self.make(f"reported: {_short(said.get('message')) or 'an error'}", code, retryable=retryable and not begun)

    def of_transport(self, error: httpx.HTTPError, *, begun: bool) -> NodeError:
        """Return the error of a connection that failed."""
        if isinstance(error, httpx.TimeoutException):
            return self.make("did not answer in time.", "MODEL_TIMEOUT", retryable=not begun)
        if isinstance(error, httpx.ConnectError):
            return self.make("cannot be reached.", "MODEL_UNAVAILABLE", retryable=True)
        what = "broke off in the middle of the answer" if begun else "closed the connection without an answer"
        return self.make(f"{what} ({type(error).__name__}).", "MODEL_PROTOCOL", retryable=not begun)

    def protocol(self, what: str, *, begun: bool) -> NodeError:
        """Return the error of an answer that breaks the protocol."""
        return self.make(f"sent an answer that cannot be read: {what}.", "MODEL_PROTOCOL", retryable=not begun)


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, at most ``MAX_RETRY_AFTER_S``; None when it says nothing usable."""
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit() else _seconds_until(text)
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _seconds_until(text: str) -> float:
    moment = parsedate_to_datetime(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()


def _error_object(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except json.InvalidJson:
        return {"message": _short(body.decode(errors="replace"))}
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, dict):
        return {**error, "message": _short(error.get("message"))}
    return {"message": _short(error)}


def _short(value: object) -> str:
    return " ".join(str(value).split())[:500] if value else ""
