"""UNKNOWN_SOURCE, SOURCE_KIND_MISMATCH and UNUSED_SOURCE: what nodes are connected to."""

from collections.abc import Iterable

from agentflow.spec.draft import Draft
from agentflow.spec.problems import Code, Problem
from agentflow.spec.rules.names import suggestion


def uses(draft: Draft) -> Iterable[Problem]:
    """Check that every node names a source that exists and is of a kind its type can use; one that needs a source names one."""
    kinds: dict[str, str] = {**draft.stored_sources, **{source.id: source.kind for _, source in draft.sources}}
    for item in draft.nodes:
        name, kind, path = item.node.source, item.kind, f"{item.path}/source"
        if kind is None:
            continue
        fitting = [source_id for source_id, source_kind in kinds.items() if source_kind in kind.source_kinds]
        wanted = " or ".join(sorted(kind.source_kinds))
        if name is None:
            if kind.source_required(item.node.config):
                hint = suggestion("", fitting) or f"Add a source of kind {wanted} to `sources` and name it here."
                yield Problem(Code.UNKNOWN_SOURCE, f"A node of type {kind.type} needs a source of kind {wanted}.", path, item.node.id, hint)
        elif not kind.source_kinds:
            message = f"Nodes of type {kind.type} use no source."
            yield Problem(Code.SOURCE_KIND_MISMATCH, message, path, item.node.id, "Remove `source`.")
        elif name not in kinds:
            hint = suggestion(name, fitting) or f"Add a source of kind {wanted} to `sources`."
            yield Problem(Code.UNKNOWN_SOURCE, f"There is no source {name}.", path, item.node.id, hint)
        elif kinds[name] not in kind.source_kinds:
            message = f"The source {name} is of kind {kinds[name]}; a node of type {kind.type} needs {wanted}."
            yield Problem(Code.SOURCE_KIND_MISMATCH, message, path, item.node.id, suggestion("", fitting))


def unused(draft: Draft) -> Iterable[Problem]:
    """Check that every source is used by a node."""
    if not draft.graphs[0].is_whole:
        return
    used = {item.node.source for item in draft.nodes}
    for path, source in draft.sources:
        if source.id not in used:
            yield Problem(Code.UNUSED_SOURCE, f"No node uses the source {source.id}.", path, hint="Remove it, or name it in a node.")
