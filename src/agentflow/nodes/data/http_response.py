"""Reading the answer of an HTTP call."""

from base64 import b64encode
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.nodes.context import HttpResponse

_RETRYABLE = frozenset({408, 425, 429})
_EXCERPT = 500
_LONGEST_WAIT_S = 86_400.0
_TEXT_TYPES = frozenset({"application/xml", "application/javascript", "application/x-www-form-urlencoded", "application/yaml"})


def check_status(method: str, url: str, response: HttpResponse) -> None:
    """Accept a status below 400.

    Raises:
        NodeError: ``HTTP_STATUS``, retryable where the standard says that another attempt may succeed.
    """
    if response.status < HTTPStatus.BAD_REQUEST:
        return
    raise NodeError(
        f"{method} {url.partition('?')[0]} answered {response.status}.",
        error_code="HTTP_STATUS",
        retryable=response.status in _RETRYABLE or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        hint="Look at details.body; set fail_on_status to false to handle such answers in the workflow.",
        details={"status": response.status, "body": _text(response.body[: 4 * _EXCERPT], "")[:_EXCERPT]},
        retry_after_s=retry_after(response.headers.get("retry-after")),
    )


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for, given as a number or a date; None when it is absent or nonsense."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_S)


def read(response: HttpResponse, form: Literal["auto", "json", "text", "binary"]) -> Any:
    """Return the body in the form asked for.

    Raises:
        NodeError: ``HTTP_BODY`` when it should be JSON and is not.
    """
    header = response.headers.get("content-type", "")
    media_type, charset = _content_type(header)
    if form == "binary":
        return _binary(response.body, header)
    if not response.body:
        return "" if form == "text" else None
    if form == "json":
        return _json(response.body)
    if form == "text":
        return _text(response.body, charset)
    return _by_type(response.body, media_type, charset, header)


def _by_type(body: bytes, media_type: str, charset: str, header: str) -> Any:
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return json.loads(body)
        except json.InvalidJson:
            return _text(body, charset)
    if media_type.startswith("text/") or media_type in _TEXT_TYPES or media_type.endswith("+xml"):
        return _text(body, charset)
    if not media_type and _is_utf8(body):
        return _text(body, "")
    return _binary(body, header)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.InvalidJson as error:
        raise NodeError(
            f"The body is not JSON: {error}.", error_code="HTTP_BODY", hint='Set response to "auto" or "text" to take it as it is.'
        ) from error


def _text(body: bytes, charset: str) -> str:
    """Decode; what cannot be decoded or stored becomes U+FFFD."""
    try:
        text = body.decode(charset or "utf-8", errors="replace")
        text.encode()
    except (LookupError, ValueError):
        text = body.decode("utf-8", errors="replace")
    return text.replace("\0", "\ufffd")


def _is_utf8(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def _binary(body: bytes, header: str) -> dict[str, Any]:
    return {
        "content_type": header if header and header.isprintable() else "application/octet-stream",
        "size": len(body),
        "data": b64encode(body).decode(),
    }


def _content_type(header: str) -> tuple[str, str]:
    if not header:
        return "", ""
    message = Message()
    message["content-type"] = header
    charset = message.get_param("charset", "")
    return message.get_content_type(), charset if isinstance(charset, str) else ""
