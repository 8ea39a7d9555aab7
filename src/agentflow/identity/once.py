"""Requests that make accounts, organisations and what belongs to them, or share things, done once however often they are sent."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel

from agentflow.identity.subject import Subject
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once

T = TypeVar("T", bound=BaseModel)


async def once(request: Request, subject: Subject, idempotency: Idempotency | None, model: type[T], call: Callable[[], Awaitable[T]]) -> T:
    """Return what ``call`` makes, or what it made when the request was sent before with the same ``Idempotency-Key``.

    Raises:
        IdempotencyKeyReused: the key was used with another request.
    """
    store: Once = request.app.state.container.once
    return await store.answer(subject.tenant_id, subject.user_id, idempotency, model, call)
