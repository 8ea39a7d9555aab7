"""What a specification needs that exists outside of it: secrets, variables, stored sources."""

from dataclasses import dataclass

from agentflow.config.limits import Limits
from agentflow.kit.json import JsonValue
from agentflow.spec.catalog import NodeCatalog
from agentflow.spec.draft import Draft
from agentflow.spec.expressions import ExpressionError, analyse
from agentflow.spec.expressions.tree import walk_texts
from agentflow.spec.reading import read
from agentflow.spec.tolerant import TolerantCatalog


@dataclass(frozen=True, slots=True)
class Uses:
    """The names that a document uses.

    Attributes:
        secrets: named in the configs of its sources.
        variables: read by its expressions; None when a name is only known while running, so that it may be any.
        sources: named by its nodes, and not among its own.
    """

    secrets: frozenset[str]
    variables: frozenset[str] | None
    sources: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether the document needs nothing besides itself."""
        return not self.secrets and not self.sources and self.variables == frozenset()


def uses_of(document: JsonValue, catalog: NodeCatalog, limits: Limits) -> Uses:
    """Return what a document uses; what of it cannot be read uses nothing."""
    if not isinstance(document, dict):
        return Uses(frozenset(), frozenset(), frozenset())
    draft = Draft(document, limits, TolerantCatalog(catalog), None, None, {})
    read(draft)
    variables: set[str] = set()
    any_variable = False
    for text in draft.texts:
        names = _names(text.text, "vars", is_expression=text.is_expression) if text.graph is not None else set()
        variables.update(name for name in names if name is not None)
        any_variable = any_variable or None in names
    own = {source.id for _, source in draft.sources}
    named = {item.node.source for item in draft.nodes if item.node.source is not None}
    secrets = {name for _, source in draft.sources for name in secrets_in(source.config)}
    return Uses(frozenset(secrets), None if any_variable else frozenset(variables), frozenset(named - own))


def secrets_in(config: JsonValue) -> frozenset[str]:
    """Return the secrets that the config of a source names, as ``secrets.NAME`` or ``secrets['NAME']``."""
    found = {name for _, text, _ in walk_texts(config) for name in _names(text, "secrets", is_expression=False)}
    return frozenset(name for name in found if name is not None)


def _names(text: str, root: str, *, is_expression: bool) -> set[str | None]:
    """Return what a text names below ``root``; None stands for a name that is only known while running."""
    if root not in text:
        return set()
    try:
        references = analyse(text, is_expression=is_expression).references
    except ExpressionError:
        return set()
    paths = [reference.path for reference in references if reference.path[0] == root]
    return {path[1] if len(path) > 1 and isinstance(path[1], str) else None for path in paths}
