"""The differences between two specifications: nodes, edges, sources and queues are matched by id, not by place."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentflow.kit.json import pointer
from agentflow.workflows.definitions.edit import edge_ids

_BY_ID = ("nodes", "sources", "queues")
_MISSING = object()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every difference as ``{"op", "path", "old", "new"}``, in the order of the older document."""
    return list(_walk(_keyed(old), _keyed(new), ""))


def _keyed(spec: Mapping[str, Any]) -> dict[str, Any]:
    keyed = dict(spec)
    for name in _BY_ID:
        keyed[name] = {item["id"]: item for item in spec.get(name, ())}
    edges = spec.get("edges", ())
    keyed["edges"] = dict(zip(edge_ids(edges), edges, strict=True))
    return keyed


def _walk(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _walk(old.get(key, _MISSING), new.get(key, _MISSING), pointer(path, key))
    elif old is _MISSING:
        yield {"op": "add", "path": path, "old": None, "new": new}
    elif new is _MISSING:
        yield {"op": "remove", "path": path, "old": old, "new": None}
    elif old != new or type(old) is not type(new):
        yield {"op": "replace", "path": path, "old": old, "new": new}
