"""What a tenant has besides its workflows, and validation that knows of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentflow.config.settings import Settings
from agentflow.nodes.registry import NodeRegistry
from agentflow.nodes.source_configs import config_problems
from agentflow.secrets.store import SecretStore
from agentflow.sources.connections.service import ConnectionService, Problem
from agentflow.spec.model import Source
from agentflow.spec.problems import Code
from agentflow.spec.uses import Uses, uses_of
from agentflow.spec.validate import ValidationResult, validate
from agentflow.variables.service import VariableService
from agentflow.workflows.needs import Needs, needs_of

_PLACE = "/sources/0"
_FRAME = {"spec_version": "1", "name": "source", "nodes": [{"id": "begin", "type": "input"}]}
"""The smallest specification: around a source, so that the same rules judge it wherever it stands."""


@dataclass(slots=True)
class Workspace:
    """The secrets, variables and stored sources of each tenant; fulfils ``runtime.runs.making.Workspace``.

    Attributes:
        registry: the node types.
        settings: have the limits.
        secrets: know the names of secrets.
        values: the variables.
        sources: the stored sources; set once they exist, for they use this.
    """

    registry: NodeRegistry
    settings: Settings
    secrets: SecretStore
    values: VariableService
    sources: ConnectionService | None = None

    async def validation(self, tenant_id: str) -> Callable[[Any], ValidationResult]:
        """Return the validation for a tenant, with the names that it has at this moment."""
        assert self.sources is not None  # noqa: S101 - joined before anybody asks
        secrets = await self.secrets.names(tenant_id)
        variables = await self.values.names(tenant_id)
        kinds = await self.sources.kinds(tenant_id)

        def check(document: Any) -> ValidationResult:
            return validate(document, self.registry, self.settings, secrets=secrets, variables=variables, stored_sources=kinds)

        return check

    def structure(self, document: Any) -> ValidationResult:
        """Validate without what any tenant has: names of secrets and variables are taken for good, stored sources are not known."""
        return validate(document, self.registry, self.settings)

    def needs(self, document: Any) -> Needs:
        """Return what a specification would use if it ran."""
        return needs_of(document, self.registry, self.settings)

    async def variables(self, tenant_id: str, wanted: Collection[str] | None) -> Mapping[str, Any]:
        """Return the values of variables; see ``VariableService.values``."""
        return await self.values.values(tenant_id, wanted)

    def uses(self, document: Any) -> Uses:
        """Return what a specification needs that exists outside of it."""
        return uses_of(document, self.registry, self.settings)

    async def examine(self, tenant_id: str, source: Source) -> Sequence[Problem]:
        """Return what is wrong with the config of a source that is to be stored."""
        document = {**_FRAME, "sources": [source.model_dump(mode="json")]}
        result = validate(document, self.registry, self.settings, secrets=await self.secrets.names(tenant_id), variables=())
        found: list[Problem] = [
            {**problem.to_json(), "path": problem.path.removeprefix(_PLACE)} for problem in result.errors if problem.path.startswith(_PLACE)
        ]
        for path, message in config_problems(source.kind, source.config):
            found.append({"code": Code.INVALID_CONFIG.value, "path": f"/config{path}", "message": message, "hint": None})
        return found
