"""Request headers that many endpoints understand: ``Idempotency-Key`` and ``If-Match``."""

import re
from typing import Annotated, TypeAlias

from fastapi import Depends, Header, Request

from agentflow.endpoints.requests import BODY
from agentflow.errors import Malformed, PreconditionFailed
from agentflow.infra.idempotency.keys import Idempotency

_ETAG = re.compile(r'(?:W/)?"([^"]*)"')


async def _idempotency(  # async, or FastAPI would call it in a thread
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A value of your own that makes repeating this request safe: the same key and body give the same answer.",
            examples=["4f7a2c1e"],
        ),
    ] = None,
) -> Idempotency | None:
    return None if key is None else Idempotency.of(key, request.method, request.url.path, request.scope.get(BODY, b""))


IdempotencyKey: TypeAlias = Annotated[Idempotency | None, Depends(_idempotency)]
"""What the client sent to make the request repeatable, or None."""


async def _if_match(  # likewise
    value: Annotated[
        str | None,
        Header(alias="If-Match", max_length=1_000, description="The ETag the resource must still have.", examples=['"3"']),
    ] = None,
) -> frozenset[str] | None:
    if value is None or value.strip() == "*":
        return None
    tags = _ETAG.findall(value)
    if not tags:
        raise Malformed('If-Match must hold ETags in quotes, like "3".')
    return frozenset(tags)


IfMatch: TypeAlias = Annotated[frozenset[str] | None, Depends(_if_match)]
"""The ETags a resource may have for the request to go on; None for any."""


def etag(tag: str | int) -> str:
    """Return ``tag`` as an ETag header."""
    return f'"{tag}"'


def require_match(expected: frozenset[str] | None, tag: str | int) -> None:
    """Refuse to go on when the resource is not the one the caller read.

    Raises:
        PreconditionFailed: ``tag`` is not among ``expected``.
    """
    if expected is not None and str(tag) not in expected:
        raise PreconditionFailed("The resource was changed since you read it.", hint="Read it again, then repeat your change.")
