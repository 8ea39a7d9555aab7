"""The errors of the product: a kind that a transport translates once, a code that a program can act on, and words for a person.

Signals that steer the engine (cancelled, lease lost) are not errors and live beside what raises them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar


class Kind(StrEnum):
    """What sort of thing went wrong, from the caller's point of view."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition_failed"
    GONE = "gone"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    STORAGE_FULL = "storage_full"


class AgentFlowError(Exception):
    """Base of every error that a user may see.

    Attributes:
        kind: the sort of error; each transport maps it to its own status.
        code: stable, upper-snake name of the error; the last part of the problem type URI.
        title: the error in a few words, the same for every occurrence.
        message: what happened this time, naming the thing.
        hint: the way out, or None.
        errors: the single problems, where there are several; each a JSON object.
        retry_after_s: seconds after which trying again makes sense, or None.
        whose: the account that a refused request was about, for the audit log, where the request names nobody; never shown.
    """

    whose: object | None = None
    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "INVALID"
    title: ClassVar[str] = "Invalid request"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class Malformed(AgentFlowError):
    """The request cannot be read at all: broken JSON, a wrong header, an impossible parameter."""

    kind, code, title = Kind.MALFORMED, "MALFORMED", "Malformed request"


class Unauthenticated(AgentFlowError):
    """No credential, or one that is not valid."""

    kind, code, title = Kind.UNAUTHENTICATED, "UNAUTHENTICATED", "Authentication required"


class Forbidden(AgentFlowError):
    """The caller is known but lacks the permission."""

    kind, code, title = Kind.FORBIDDEN, "FORBIDDEN", "Not allowed"


class NotFound(AgentFlowError):
    """The thing does not exist, or belongs to somebody else: the answer is the same."""

    kind, code, title = Kind.NOT_FOUND, "NOT_FOUND", "Not found"


class Conflict(AgentFlowError):
    """The thing is in a state that does not allow this, or already exists."""

    kind, code, title = Kind.CONFLICT, "CONFLICT", "Conflict"


class InUse(Conflict):
    """Others need the thing, so it cannot be deleted; ``errors`` name them."""

    code, title = "IN_USE", "In use"


class PreconditionFailed(AgentFlowError):
    """The resource changed since the caller read it (``If-Match``)."""

    kind, code, title = Kind.PRECONDITION_FAILED, "PRECONDITION_FAILED", "Changed in the meantime"


class TooLarge(AgentFlowError):
    """The request body is larger than the server accepts."""

    kind, code, title = Kind.TOO_LARGE, "TOO_LARGE", "Body too large"


class Unsupported(AgentFlowError):
    """The media type is not one this operation reads."""

    kind, code, title = Kind.UNSUPPORTED, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type"


class Invalid(AgentFlowError):
    """The request can be read but does not mean anything valid; ``errors`` say where."""

    kind, code, title = Kind.INVALID, "INVALID", "Invalid request"


class InvalidSpec(Invalid):
    """The workflow specification has errors; ``errors`` are the problems of the validation result."""

    code, title = "INVALID_SPEC", "Invalid workflow specification"


class LimitExceeded(Invalid):
    """Something is larger than a configured limit; the message names the limit."""

    code, title = "LIMIT_EXCEEDED", "Limit exceeded"


class RateLimited(AgentFlowError):
    """Too many requests; ``retry_after_s`` says when to come back.

    Attributes:
        limit: how many are allowed, or None where that is no number.
        name: of the limit, for programs; without it the code.
        window_s: seconds for which the limit is; None where it is no limit of a time.
    """

    kind, code, title = Kind.RATE_LIMITED, "RATE_LIMITED", "Too many requests"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after_s: float | None = None,
        limit: int | None = None,
        name: str | None = None,
        window_s: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retry_after_s=retry_after_s)
        self.limit = limit
        self.name = name or self.code.lower().replace("_", "-")
        self.window_s = window_s


class Unavailable(AgentFlowError):
    """A dependency is down or the server sheds load."""

    kind, code, title = Kind.UNAVAILABLE, "UNAVAILABLE", "Temporarily unavailable"


class StorageFull(AgentFlowError):
    """There is no room left where the data is kept; nothing of the request was stored."""

    kind, code, title = Kind.STORAGE_FULL, "STORAGE_FULL", "Storage full"


class NodeError(AgentFlowError):
    """A node failed: its cause as the run shows it.

    Attributes:
        error_code: what failed, for programs (``HTTP_STATUS``, ``TIMEOUT``, ``SSRF_BLOCKED``, …); becomes ``error.code`` of the run.
        retryable: whether another attempt may succeed; a node's ``retry`` policy only repeats these.
        details: facts for the reader, a JSON object.
    """

    code, title = "NODE_FAILED", "A node failed"

    def __init__(
        self,
        message: str,
        *,
        error_code: str,
        retryable: bool = False,
        hint: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retry_after_s=retry_after_s)
        self.error_code = error_code
        self.retryable = retryable
        self.details = dict(details or {})
