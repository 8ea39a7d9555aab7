"""What a specification would use if it ran: shown before a workflow that came from outside may run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from agentflow.config.limits import Limits
from agentflow.kit.json import JsonValue
from agentflow.nodes.registry import NodeRegistry
from agentflow.nodes.source_configs import reached
from agentflow.spec.catalog import ANY, HOSTS, WORKFLOWS
from agentflow.spec.draft import Draft
from agentflow.spec.effects import EffectClass
from agentflow.spec.reading import read
from agentflow.spec.tolerant import TolerantCatalog
from agentflow.spec.uses import uses_of


@dataclass(frozen=True, slots=True)
class Needs:
    """Names of what a specification would use; ``*`` among them stands for any, where only the run will tell.

    Attributes:
        hosts: that its nodes and its own sources call; ``file:…`` for files of the server.
        secrets: that its own sources are filled in with.
        variables: that its expressions read.
        sources: stored ones that its nodes name.
        collections: that its own sources search.
        workflows: that it runs.
        plugins: node types whose code did not come with the product.
        effects: node types that change something outside of the run.
    """

    hosts: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    plugins: frozenset[str] = frozenset()
    effects: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, list[str]]:
        """Return the names by kind, sorted."""
        return {item.name: sorted(getattr(self, item.name)) for item in fields(self)}

    def beyond(self, allowed: "Needs") -> "Needs":
        """Return what of this is not in ``allowed``."""
        left = {}
        for item in fields(self):
            mine, theirs = getattr(self, item.name), getattr(allowed, item.name)
            left[item.name] = frozenset[str]() if ANY in theirs else mine - theirs
        return Needs(**left)

    def also(self, other: "Needs") -> "Needs":
        """Return both together."""
        return Needs(**{item.name: getattr(self, item.name) | getattr(other, item.name) for item in fields(self)})

    def __bool__(self) -> bool:
        """Tell whether anything is used at all."""
        return any(getattr(self, item.name) for item in fields(self))


NeedsOf = Callable[[JsonValue], Needs]
"""Given any JSON value, returns what it would use as a specification."""


def needs_from(stored: Mapping[str, Any] | None) -> Needs:
    """Return what ``to_json`` gave; kinds that are not in it are empty."""
    known = {item.name for item in fields(Needs)}
    return Needs(**{name: frozenset(names) for name, names in (stored or {}).items() if name in known})


def needs_of(document: JsonValue, registry: NodeRegistry, limits: Limits) -> Needs:
    """Return what a document would use; runs nothing and opens nothing. What of it cannot be read uses nothing."""
    if not isinstance(document, dict):
        return Needs()
    draft = Draft(document, limits, TolerantCatalog(registry), None, None, {})
    read(draft)
    uses = uses_of(document, registry, limits)
    hosts = {host for _, source in draft.sources for host in reached(source.kind, source.config)}
    collections = {_collection(source.config) for _, source in draft.sources if source.kind == "vector"}
    workflows: set[str] = set()
    effects: set[str] = set()
    types: set[str] = set()
    for item in draft.nodes:
        types.add(item.node.type)
        if item.kind is None:
            continue
        reaches = item.kind.reaches(item.node.config)
        workflows.update(reaches.get(WORKFLOWS, ()))
        if item.node.source is None:  # a node with a source cannot leave it
            hosts.update(reaches.get(HOSTS, ()))
        if _has_effect(item.kind, item.node.config):
            effects.add(item.node.type)
    return Needs(
        hosts=frozenset(hosts - {""}),
        secrets=uses.secrets,
        variables=frozenset({ANY}) if uses.variables is None else uses.variables,
        sources=uses.sources,
        collections=frozenset(collections),
        workflows=frozenset(workflows),
        plugins=frozenset(name for name in types if registry.is_plugin(name)),
        effects=frozenset(effects),
    )


def _collection(config: Mapping[str, Any]) -> str:
    name = config.get("collection")
    return name if isinstance(name, str) and "{{" not in name else ANY


def _has_effect(kind: Any, config: Mapping[str, Any]) -> bool:
    try:
        return bool(kind.effect(config) is not EffectClass.PURE)
    except Exception:  # noqa: BLE001 - a plugin may fail in any way; then it is held to have one
        return True
