"""Creating something once: the remembered answer is written in the transaction that creates it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import AgentFlowError, Invalid
from agentflow.infra.crypto import from_text, mac, same, seal, to_text, unseal
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.models import IdempotencyRow
from agentflow.kit.clock import Clock

T = TypeVar("T", bound=BaseModel)
PURPOSE = "idempotency"
"""Purpose of the key that answers with secrets are sealed with."""


class _Sealed(BaseModel):
    """An answer that holds a secret, as it is remembered."""

    sealed: str


class IdempotencyKeyReused(Invalid):
    """The ``Idempotency-Key`` was used before with another request."""

    code, title = "IDEMPOTENCY_KEY_REUSED", "Idempotency key reused"


class Keys(Protocol):
    """Gives keys of tenants."""

    async def key(self, tenant_id: str, purpose: str) -> bytes:
        """Return a tenant's key for one purpose."""
        ...


class Once:
    """Runs creating transactions, each at most once per key and tenant.

    Args:
        database: where answers are remembered.
        clock: the time.
        ttl_s: seconds for which they are.
        keys: seal those that hold secrets; None where there are none.
    """

    def __init__(self, database: Database, clock: Clock, ttl_s: float, keys: Keys | None = None) -> None:
        self._database = database
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)
        self._keys = keys

    async def create(
        self,
        tenant_id: str,
        idempotency: Idempotency | None,
        model: type[T],
        make: Callable[[AsyncSession], Awaitable[T]],
        *,
        beyond: bool = False,
    ) -> T:
        """Run ``make`` in a transaction and return what it made, or what an earlier request with the same key made.

        With ``beyond`` the transaction may also write what belongs to no tenant alone: accounts and organisations.

        Raises:
            IdempotencyKeyReused: the key was used with another request.
        """
        scope = None if beyond else tenant_id
        if idempotency is None:
            async with self._database.transaction(scope) as session:
                return await make(session)
        if (earlier := await self._find(tenant_id, idempotency)) is not None:
            return model.model_validate(earlier)
        try:
            async with self._database.transaction(scope) as session:
                await self._forget_expired(session)
                made = await make(session)
                answer = made.model_dump(mode="json")
                await session.execute(insert(IdempotencyRow).values(self._row(tenant_id, idempotency, answer)))
        except IntegrityError:
            # A twin of this request was faster; if it is not that, the error is the caller's.
            earlier = await self._find(tenant_id, idempotency)
            if earlier is None:
                raise
            return model.model_validate(earlier)
        return made

    async def answer(
        self, tenant_id: str, user_id: str, idempotency: Idempotency | None, model: type[T], call: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what ``call`` answers, whose transaction also remembers that, or what it answered to an earlier request with the same key.

        For what writes accounts and their secrets: the answer is remembered sealed, and for the user alone who asked; of the request no hash
        is kept by which a password could be guessed.

        Raises:
            IdempotencyKeyReused: the key was used with another request.
        """
        if idempotency is None:
            return await call()
        assert self._keys is not None  # noqa: S101 - whoever has such answers gives keys
        key, name = await self._keys.key(tenant_id, PURPOSE), f"{user_id}:{idempotency.key}"
        hidden = Idempotency(name, mac(key, idempotency.body_hash.encode()).hex())
        place = f"idempotency:{tenant_id}:{name}".encode()

        async def make(session: AsyncSession) -> _Sealed:
            with self._database.joined(session):
                made = await call()
            return _Sealed(sealed=to_text(seal(key, made.model_dump_json().encode(), place)))

        try:
            answer = await self.create(tenant_id, hidden, _Sealed, make, beyond=True)
        except AgentFlowError:
            # What is in the way may be what a twin of this request has just made, or what is used up may be what it has just used.
            earlier = await self._find(tenant_id, hidden)
            if earlier is None:
                raise
            answer = _Sealed.model_validate(earlier)
        return model.model_validate_json(unseal(key, from_text(answer.sealed), place))

    def _row(self, tenant_id: str, idempotency: Idempotency, answer: object) -> dict[str, object]:
        return {
            "tenant_id": tenant_id,
            "key": idempotency.key,
            "body_hash": idempotency.body_hash,
            "answer": answer,
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
        if not same(row.body_hash.encode(), idempotency.body_hash.encode()):
            raise IdempotencyKeyReused("This Idempotency-Key was used with another request.", hint="Use a new key for a new request.")
        answer: object = row.answer
        return answer

    async def _forget_expired(self, session: AsyncSession) -> None:
        await session.execute(delete(IdempotencyRow).where(IdempotencyRow.expires_at <= self._clock.now()))
