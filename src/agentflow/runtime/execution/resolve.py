"""Turning a node's source into settings with secrets filled in."""

from agentflow.errors import NodeError
from agentflow.nodes.context import ResolvedSource
from agentflow.runtime.execution.ports import Secrets
from agentflow.spec.expressions import ExpressionError, Renderer
from agentflow.spec.model import Source, WorkflowSpec


class SourceResolver:
    """The sources of one run, each rendered once when first used; the only place where secrets meet a config."""

    def __init__(self, spec: WorkflowSpec, secrets: Secrets, renderer: Renderer) -> None:
        self._sources = {source.id: source for source in spec.sources}
        self._secrets = secrets
        self._renderer = renderer
        self._resolved: dict[str, ResolvedSource] = {}

    def resolve(self, source_id: str | None) -> ResolvedSource | None:
        """Return the source of this id, or None for None.

        Raises:
            NodeError: ``UNKNOWN_SOURCE`` or ``MISSING_SECRET``.
        """
        if source_id is None:
            return None
        if source_id not in self._resolved:
            source = self._sources.get(source_id)
            if source is None:
                raise NodeError(
                    f"There is no source {source_id}.", error_code="UNKNOWN_SOURCE", hint="Add it to the specification's sources."
                )
            self._resolved[source_id] = self._render(source)
        return self._resolved[source_id]

    def _render(self, source: Source) -> ResolvedSource:
        values = {name: self._secrets.get(name) for name in self._secrets.names()}
        try:
            config = self._renderer.compile_tree(source.config).render({"secrets": values})
        except ExpressionError as error:
            raise NodeError(
                f"The config of source {source.id} cannot be filled in: {error}",
                error_code="MISSING_SECRET",
                hint="Set the secret: AGENTFLOW_SECRET_<NAME>=… in the server's environment.",
            ) from error
        return ResolvedSource(source.id, source.kind, config)
