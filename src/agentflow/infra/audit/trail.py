"""Writing records: one for each change, in the transaction of the change.

Writing takes no lock that two changes could wait for one another at: a record is a row of its own, with a proof of who wrote it. The chain
over a tenant's records is made by ``sealer``, moments later.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.audit.chain import record_mac
from agentflow.infra.audit.models import AuditRow
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.ring import KeyRing
from agentflow.infra.observability.context import origin
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

MAC_PURPOSE = "audit-record"
"""Purpose of the key that records are proven with."""
DONE, DENIED = "done", "denied"
"""Outcomes of what a record is about."""
PROGRAM = "agentflow"
"""Name of the actor, who then has no id, where the program itself does something: the first start, cleaning up."""
Also: TypeAlias = Callable[[AsyncSession], Awaitable[None]]
"""What else is written in a transaction, given its session."""
_NOTHING: Mapping[str, Any] = {}
_ADDRESS: ContextVar[str | None] = ContextVar("agentflow_address", default=None)


class Actor(Protocol):
    """Who did something: a subject of identity, which stands above this."""

    @property
    def tenant_id(self) -> str:
        """The tenant whose log it is."""
        ...

    @property
    def user_id(self) -> str:
        """The acting user."""
        ...

    @property
    def username(self) -> str:
        """The acting user's name; may be empty."""
        ...


@dataclass(frozen=True, slots=True)
class Doer:
    """Somebody who is no subject: who signs in, registers, or is not known at all; or the program itself.

    Attributes:
        tenant_id: the tenant whose log it is.
        user_id: the account; empty where there is none.
        username: its name; empty where it is not known, ``PROGRAM`` for the program.
    """

    tenant_id: str
    user_id: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done.

    Attributes:
        action: ``resource.verb``, in the past where it is done: ``workflow.created``, ``secret.deleted``, ``access.denied``.
        resource_id: id or name of what it was done to; None where there is no one thing.
        details: facts about it, as JSON; never a value of a secret, an input, a prompt or a document: their hashes at most.
    """

    action: str
    resource_id: str | None = None
    details: Mapping[str, Any] | None = None

    @property
    def resource(self) -> str:
        """What sort of thing it was done to."""
        return self.action.partition(".")[0]


def enter_address(address: str | None) -> None:
    """Note from where the request under way comes; it is part of every record written in its task."""
    _ADDRESS.set(address)


def address_of_request() -> str | None:
    """Return from where the request under way comes; None where it was not noted."""
    return _ADDRESS.get()


class Trail:
    """Writes the records of every tenant."""

    def __init__(self, database: Database, ring: KeyRing, clock: Clock) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock

    async def add(self, session: AsyncSession, actor: Actor, deed: Deed) -> None:
        """Write a record inside the transaction of what it is about: both become durable, or neither."""
        key = await self._ring.key_within(session, actor.tenant_id, MAC_PURPOSE)
        await session.execute(insert(AuditRow).values(self._row(key, actor, deed, DONE)))

    def also(self, actor: Actor, deed: Deed) -> Also:
        """Return what writes a record inside a transaction that somebody else opens."""
        return partial(self.add, actor=actor, deed=deed)

    async def row(self, actor: Actor, deed: Deed) -> dict[str, Any]:
        """Return a record as the parameters of an insert, for a change that is written in bulk; not to be called inside a transaction."""
        return self._row(await self._ring.key(actor.tenant_id, MAC_PURPOSE), actor, deed, DONE)

    async def put(self, facts: Sequence[Mapping[str, Any]]) -> None:
        """Write records of what ``facts_of`` noted, in a transaction of their own; those that are there already stay as they are."""
        rows = [proven(await self._ring.key(each["tenant_id"], MAC_PURPOSE), each) for each in facts]
        dialect = sqlite if self._database.is_sqlite else postgresql
        async with self._database.transaction() as session:
            await session.execute(dialect.insert(AuditRow).on_conflict_do_nothing(), rows)

    def facts_of(self, actor: Actor, deed: Deed, outcome: str) -> dict[str, Any]:
        """Return what a record says, as of now and of the request under way; it touches no database."""
        return {
            "id": new_id(),
            "tenant_id": actor.tenant_id,
            "at": self._clock.now(),
            "actor_id": actor.user_id or None,
            "actor": actor.username,
            "action": deed.action,
            "outcome": outcome,
            "resource": deed.resource,
            "resource_id": deed.resource_id,
            "request_id": origin()[0],
            "address": address_of_request(),
            "details": dict(deed.details or _NOTHING),
        }

    def _row(self, key: bytes, actor: Actor, deed: Deed, outcome: str) -> dict[str, Any]:
        return proven(key, self.facts_of(actor, deed, outcome))


def proven(key: bytes, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``facts_of`` noted with its proof, as the parameters of an insert."""
    return {**facts, "mac": record_mac(key, facts), "seq": None, "hash": None}
