"""Who needs a thing that is about to be deleted: the port that slices above fulfil for slices below."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import InUse

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Use:
    """Something that needs the thing.

    Attributes:
        resource: what it is: ``workflow``, ``source``.
        id: its id.
        name: its name.
    """

    resource: str
    id: str
    name: str


Finder: TypeAlias = Callable[[AsyncSession, str, str], Awaitable[Sequence[Use]]]
"""Given a session, a tenant and the name of the thing, returns who needs it."""


async def require_unused(session: AsyncSession, finders: Sequence[Finder], tenant_id: str, what: str, name: str) -> None:
    """Refuse to go on while somebody needs the thing.

    Raises:
        InUse: naming them.
    """
    found = [use for finder in finders for use in await finder(session, tenant_id, name)]
    if not found:
        return
    shown = ", ".join(f"{use.resource} {use.name}" for use in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise InUse(
        f"The {what} {name} is used by {shown}{more}.",
        hint="Change or delete those first.",
        errors=[{"resource": use.resource, "id": use.id, "name": use.name} for use in found],
    )
