"""Filling the secrets into the config of a source: the only place where they meet."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from agentflow.errors import NodeError
from agentflow.infra.crypto import SealBroken
from agentflow.spec.expressions import ExpressionError, Renderer
from agentflow.spec.uses import secrets_in


class Secrets(Protocol):
    """Where the values of ``{{ secrets.NAME }}`` come from."""

    async def names(self, tenant_id: str) -> frozenset[str]:
        """Return the names of all secrets that a tenant may use."""
        ...

    async def values(self, tenant_id: str, wanted: Collection[str]) -> Mapping[str, str]:
        """Return the values of those secrets that there are."""
        ...


async def filled(
    source_id: str, config: Mapping[str, Any], tenant_id: str, secrets: Secrets, renderer: Renderer
) -> tuple[dict[str, Any], Collection[str]]:
    """Return a config with its secrets filled in, and their values, which whoever gets it has to keep out of everything else.

    Raises:
        NodeError: ``MISSING_SECRET``.
    """
    try:
        values = await secrets.values(tenant_id, secrets_in(dict(config)))
        rendered = renderer.compile_tree(dict(config)).render({"secrets": values})
    except ExpressionError as error:
        raise NodeError(
            f"The config of source {source_id} cannot be filled in: {error}",
            error_code="MISSING_SECRET",
            hint="Store the secret: `agentflow secrets set NAME`.",
        ) from error
    except SealBroken as error:
        raise NodeError(
            f"A secret of source {source_id} was changed in the database, and does not open any more.",
            error_code="SECRET_BROKEN",
            hint="Store its value again: `agentflow secrets set NAME`.",
        ) from error
    return rendered, tuple(values.values())
