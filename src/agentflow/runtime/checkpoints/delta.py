"""What a checkpoint stores: the change against its parent, and how a full checkpoint is made from a chain of changes; pure.

LangGraph hands over the whole state at every step. Stored as it is, a run of n steps over n channels takes n² space. Here a channel's
value is stored once per version, and so are the versions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import ChannelVersions, Checkpoint

from agentflow.runtime.checkpoints.codec import RefusedBlob, pack, unpack

FULL, CHANGE = 0, 1
_FIELDS = 9
_OWN_KEYS = frozenset({"id", "channel_values", "channel_versions", "versions_seen", "v", "ts", "updated_channels"})


@dataclass(slots=True)
class State:
    """What of a checkpoint its children build upon."""

    versions: ChannelVersions = field(default_factory=dict)
    seen: dict[str, ChannelVersions] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One decoded body."""

    kind: int
    head: list[Any]
    """Format version, time, updated channels, and the keys of a checkpoint that are not ours to know."""
    versions: ChannelVersions
    dropped: list[str]
    values: dict[str, Any]
    seen: dict[str, ChannelVersions]
    unseen: list[str]
    metadata: dict[str, Any]


def encode(checkpoint: Checkpoint, metadata: Mapping[str, Any], renewed: Iterable[str], parent: State | None) -> bytes:
    """Return the body of a checkpoint and bring ``parent`` up to it: full without a parent, else what changed.

    Args:
        checkpoint: the whole checkpoint.
        metadata: its metadata.
        renewed: channels whose values are stored even if their version is the parent's.
        parent: the state of the parent, which becomes the state of ``checkpoint``; None to store everything.

    Raises:
        UnstorableValue: a channel holds something that checkpoints do not.
    """
    state, kind = (State(), FULL) if parent is None else (parent, CHANGE)
    versions, dropped = _difference(checkpoint["channel_versions"], state.versions)
    seen, unseen = _difference(checkpoint["versions_seen"], state.seen)
    seen = {node: dict(channels) for node, channels in seen.items()}
    values, present = {}, checkpoint["channel_values"]
    for channel in {**versions, **dict.fromkeys(renewed)}:
        if channel in present and channel in checkpoint["channel_versions"]:
            values[channel] = present[channel]
    extra = {key: value for key, value in checkpoint.items() if key not in _OWN_KEYS}
    head = [checkpoint["v"], checkpoint["ts"], checkpoint.get("updated_channels"), extra]
    body = pack([kind, head, versions, dropped, values, seen, unseen, dict(metadata), 0])
    _merge(state.versions, versions, dropped)
    _merge(state.seen, seen, unseen)
    return body


def decode(body: bytes) -> Change:
    """Return a stored body.

    Raises:
        RefusedBlob: it was not made by ``encode``, or by a newer format.
    """
    fields = unpack(body)
    if not isinstance(fields, list) or len(fields) != _FIELDS or fields[0] not in {FULL, CHANGE} or fields[-1] != 0:
        raise RefusedBlob("The stored checkpoint has an unknown format.")
    return Change(*fields[:-1])


def rebuild(checkpoint_id: str, chain: Iterable[Change]) -> tuple[Checkpoint, State]:
    """Return the checkpoint at the end of ``chain``, oldest first, and what its children build upon.

    Raises:
        RefusedBlob: the chain does not begin with a full state: rows are missing.
    """
    state, values, change = State(), dict[str, Any](), None
    for position, change in enumerate(chain):
        if change.kind == FULL:
            state, values = State(), {}
        elif position == 0:
            raise RefusedBlob(f"Checkpoint {checkpoint_id} cannot be rebuilt: a checkpoint before it is missing.")
        for channel in (*change.versions, *change.dropped):
            values.pop(channel, None)
        values.update(change.values)
        _merge(state.versions, change.versions, change.dropped)
        _merge(state.seen, change.seen, change.unseen)
    if change is None:
        raise RefusedBlob(f"Checkpoint {checkpoint_id} has no stored state.")
    version, moment, updated, extra = change.head
    checkpoint: Any = {
        "v": version,
        "id": checkpoint_id,
        "ts": moment,
        "channel_values": values,
        "channel_versions": dict(state.versions),
        "versions_seen": {node: dict(channels) for node, channels in state.seen.items()},
        "updated_channels": updated,
        **extra,
    }
    return checkpoint, state


def _difference(after: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what is new or different in ``after``, and the keys that are gone."""
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    if not changed and len(after) == len(before):
        return changed, []
    return changed, [key for key in before if key not in after]


def _merge(target: dict[str, Any], changed: Mapping[str, Any], gone: Iterable[str]) -> None:
    target.update(changed)
    for key in gone:
        target.pop(key, None)
