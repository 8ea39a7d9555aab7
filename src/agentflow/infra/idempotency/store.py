"""Creating something once: the remembered answer is written in the transaction that creates it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Invalid
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.models import IdempotencyRow
from agentflow.kit.clock import Clock

T = TypeVar("T", bound=BaseModel)


class IdempotencyKeyReused(Invalid):
    """The ``Idempotency-Key`` was used before with another request."""

    code, title = "IDEMPOTENCY_KEY_REUSED", "Idempotency key reused"


class Once:
    """Runs creating transactions, each at most once per key and tenant."""

    def __init__(self, database: Database, clock: Clock, ttl_s: float) -> None:
        self._database = database
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)

    async def create(
        self, tenant_id: str, idempotency: Idempotency | None, model: type[T], make: Callable[[AsyncSession], Awaitable[T]]
    ) -> T:
        """Run ``make`` in a transaction and return what it made, or what an earlier request with the same key made.

        Raises:
            IdempotencyKeyReused: the key was used with another request.
        """
        if idempotency is None:
            async with self._database.transaction(tenant_id) as session:
                return await make(session)
        if (earlier := await self._find(tenant_id, idempotency)) is not None:
            return model.model_validate(earlier)
        try:
            async with self._database.transaction(tenant_id) as session:
                await self._forget_expired(session)
                made = await make(session)
                await session.execute(insert(IdempotencyRow).values(self._row(tenant_id, idempotency, made)))
        except IntegrityError:
            # A twin of this request was faster; if it is not that, the error is the caller's.
            earlier = await self._find(tenant_id, idempotency)
            if earlier is None:
                raise
            return model.model_validate(earlier)
        return made

    def _row(self, tenant_id: str, idempotency: Idempotency, made: BaseModel) -> dict[str, object]:
        return {
            "tenant_id": tenant_id,
            "key": idempotency.key,
            "body_hash": idempotency.body_hash,
            "answer": made.model_dump(mode="json"),
            "expires_at": self._clock.now() + self._ttl,
        }

    async def _find(self, tenant_id: str, idempotency: Idempotency) -> object | None:
        query = select(IdempotencyRow).where(
            IdempotencyRow.tenant_id == tenant_id, IdempotencyRow.key == idempotency.key, IdempotencyRow.expires_at > self._clock.now()
        )
        async with self._database.reading(tenant_id) as session:
            row = (await session.execute(query)).scalar_one_or_none()
        if row is None:
            return None
        if row.body_hash != idempotency.body_hash:
            raise IdempotencyKeyReused("This Idempotency-Key was used with another request.", hint="Use a new key for a new request.")
        answer: object = row.answer
        return answer

    async def _forget_expired(self, session: AsyncSession) -> None:
        await session.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= self._clock.now()))
