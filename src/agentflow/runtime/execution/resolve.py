"""Turning a node's source into settings with secrets filled in."""

from agentflow.errors import NodeError
from agentflow.infra.observability.redaction import Redactor
from agentflow.nodes.context import ResolvedSource
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.rights import Rights
from agentflow.sources.connections.fill import filled
from agentflow.spec.model import Source, WorkflowSpec
from agentflow.spec.uses import secrets_in


class SourceResolver:
    """The sources of one run: those of its specification, else those that its tenant has stored; each filled in when first used."""

    def __init__(self, tenant_id: str, spec: WorkflowSpec, ports: Ports, rights: Rights) -> None:
        self._rights = rights
        self._tenant_id = tenant_id
        self._sources = {source.id: source for source in spec.sources}
        self._ports = ports
        self._resolved: dict[str, ResolvedSource] = {}
        self._stored: dict[str, str] = {}
        self._named: dict[str, frozenset[str]] = {}
        self.hidden = Redactor()
        """The secrets that the run has used: they must not stand in anything that it leaves behind."""

    async def resolve(self, source_id: str | None) -> ResolvedSource | None:
        """Return the source of this id, or None for None; at each use it is asked whether the run may use it.

        Raises:
            NodeError: ``UNKNOWN_SOURCE``, ``MISSING_SECRET``, ``SECRET_BROKEN``, ``NOT_PERMITTED`` or ``PRINCIPAL_GONE``.
        """
        if source_id is None:
            return None
        source = self._sources.get(source_id) or await self._find(source_id)
        await self._require(source)
        if source_id not in self._resolved:
            config, values = await filled(source.id, source.config, self._tenant_id, self._ports.secrets, self._ports.renderer)
            self.hidden.add(values)
            self._resolved[source_id] = ResolvedSource(source.id, source.kind, config)
        return self._resolved[source_id]

    async def _find(self, name: str) -> Source:
        """Return a stored source, which the run then keeps as it was."""
        found = await self._ports.sources(self._tenant_id, name)
        if found is None:
            raise NodeError(
                f"There is no source {name}.",
                error_code="UNKNOWN_SOURCE",
                hint="Add it to the specification's sources, or store it: `agentflow sources set`.",
            )
        self._stored[name], self._sources[name] = found
        return found[1]

    async def _require(self, source: Source) -> None:
        """Ask for the right to use a source: of a stored one, whose secrets are its own, or of the secrets that the specification names."""
        if source.id in self._stored:
            await self._rights.use_source(self._stored[source.id], source.id)
            return
        if source.id not in self._named:
            self._named[source.id] = secrets_in(source.config)
        if self._named[source.id]:
            await self._rights.use_secrets(self._named[source.id])
