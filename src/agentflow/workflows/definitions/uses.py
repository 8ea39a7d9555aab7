"""Which stored workflows need a secret, a variable or a source: found by reading their current specifications."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.uses import Finder, Use
from agentflow.spec.uses import Uses
from agentflow.workflows.definitions import repository


def finder(uses_of: Callable[[Any], Uses], needs: Callable[[Uses, str], bool]) -> Finder:
    """Return what finds the workflows that need a thing.

    Args:
        uses_of: returns what a specification uses.
        needs: tells whether the thing of a name is among that.
    """

    async def find(session: AsyncSession, tenant_id: str, name: str) -> Sequence[Use]:
        # The text is a first sieve, in the database; only what holds the name at all is read.
        found = await repository.specs_holding(session, tenant_id, name)
        return [Use("workflow", workflow_id, title) for workflow_id, title, spec in found if needs(uses_of(spec), name)]

    return find


def by_secret(uses: Uses, name: str) -> bool:
    """Tell whether a specification names a secret."""
    return name in uses.secrets


def by_variable(uses: Uses, name: str) -> bool:
    """Tell whether a specification reads a variable; one that reads any of them is not held to need each."""
    return uses.variables is not None and name in uses.variables


def by_source(uses: Uses, name: str) -> bool:
    """Tell whether a node of a specification names a stored source."""
    return name in uses.sources
