"""Checkpoints as changes: any history comes back as LangGraph's own in-memory saver gives it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base import Checkpoint
from langgraph.checkpoint.memory import InMemorySaver

from agentflow.runtime.checkpoints.codec import RefusedBlob, pack
from agentflow.runtime.checkpoints.delta import State, decode, encode, rebuild

names = st.sampled_from(["@a", "@b", "branch:to:c", "loop:1"])
steps = st.lists(
    st.fixed_dictionaries(
        {
            "parent": st.integers(0, 100),
            "writes": st.dictionaries(names, st.none() | st.integers(-3, 3) | st.lists(st.integers(0, 3), max_size=2), max_size=4),
            "emptied": st.sets(names),
            "removed": st.sets(names),
            "seen": st.dictionaries(names, st.sets(names)),
            "unseen": st.sets(names),
        }
    ),
    min_size=1,
    max_size=8,
)


def history(plan: list[dict[str, Any]]) -> list[tuple[Checkpoint, int | None, dict[str, int]]]:
    """Make checkpoints as Pregel makes them, forks included: (checkpoint, index of the parent, new versions)."""
    made: list[tuple[Checkpoint, int | None, dict[str, int]]] = []
    version = 0
    for number, step in enumerate(plan):
        parent = step["parent"] % number if number else None
        before: Any = made[parent][0] if parent is not None else {"channel_values": {}, "channel_versions": {}, "versions_seen": {}}
        values, versions = dict(before["channel_values"]), dict(before["channel_versions"])
        seen = {node: dict(channels) for node, channels in before["versions_seen"].items()}
        new: dict[str, int] = {}
        for name in step["removed"]:
            values.pop(name, None)
            versions.pop(name, None)
        for name in {*step["writes"], *step["emptied"]}:
            version += 1
            new[name] = versions[name] = version
            values.pop(name, None)
        values.update({name: value for name, value in step["writes"].items() if name not in step["emptied"]})
        for node in step["unseen"]:
            seen.pop(node, None)
        for node, channels in step["seen"].items():
            seen.setdefault(node, {}).update({name: versions[name] for name in channels if name in versions})
        checkpoint: Any = {
            "v": 4,
            "id": f"{number:032x}",
            "ts": f"t{number}",
            "channel_values": values,
            "channel_versions": versions,
            "versions_seen": seen,
            "updated_channels": sorted(new),
        }
        made.append((checkpoint, parent, new))
    return made


@given(steps)
def test_every_checkpoint_of_a_history_is_rebuilt_as_the_reference_saver_does(plan: list[dict[str, Any]]) -> None:
    """Differential test: forks, emptied and removed channels, and forgotten nodes included."""
    reference, made = InMemorySaver(), history(plan)
    bodies: list[bytes] = []
    for number, (checkpoint, parent, new) in enumerate(made):
        configurable = {"thread_id": "t", "checkpoint_ns": ""} | ({} if parent is None else {"checkpoint_id": made[parent][0]["id"]})
        reference.put({"configurable": configurable}, checkpoint, {"step": number}, new)
        state = None if parent is None else rebuild("", [decode(bodies[at]) for at in chain(made, parent)])[1]
        bodies.append(encode(checkpoint, {"step": number}, new, state))
    for number, (checkpoint, _, _) in enumerate(made):
        expected = reference.get_tuple({"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": checkpoint["id"]}})
        assert expected is not None
        rebuilt, state = rebuild(checkpoint["id"], [decode(bodies[at]) for at in chain(made, number)])
        assert rebuilt == expected.checkpoint == checkpoint
        assert (state.versions, state.seen) == (checkpoint["channel_versions"], checkpoint["versions_seen"])


def chain(made: list[tuple[Checkpoint, int | None, dict[str, int]]], number: int | None) -> list[int]:
    """Return the indices from the root to a checkpoint."""
    found: list[int] = []
    while number is not None:
        found.insert(0, number)
        number = made[number][1]
    return found


@given(steps)
def test_the_state_that_a_run_keeps_is_the_one_that_a_reader_rebuilds(plan: list[dict[str, Any]]) -> None:
    """A straight run encodes against what it remembers; a reader that knows only the rows comes to the same."""
    made, remembered, bodies = history([{**step, "parent": number - 1} for number, step in enumerate(plan)]), State(), list[bytes]()
    for number, (checkpoint, _, new) in enumerate(made):
        if number == 0:
            bodies.append(encode(checkpoint, {}, new, None))
            remembered = State(dict(checkpoint["channel_versions"]), {k: dict(v) for k, v in checkpoint["versions_seen"].items()})
        else:
            bodies.append(encode(checkpoint, {}, new, remembered))
    assert rebuild(made[-1][0]["id"], map(decode, bodies))[0] == made[-1][0]


def test_a_chain_without_its_beginning_is_refused() -> None:
    """A missing ancestor is an error, never a half state."""
    first, second = history([{"parent": 0, "writes": {"@a": 1}, "emptied": set(), "removed": set(), "seen": {}, "unseen": set()}] * 2)
    state = State(dict(first[0]["channel_versions"]))
    with pytest.raises(RefusedBlob, match="missing"):
        rebuild("x", [decode(encode(second[0], {}, second[2], state))])


@pytest.mark.parametrize("fields", [[], {}, 1, [2] + [None] * 8, [0] + [None] * 7 + [1], [0] * 8])
def test_an_unknown_format_is_refused(fields: Any) -> None:
    """A body of another format version or shape is not interpreted."""
    with pytest.raises(RefusedBlob):
        decode(pack(fields))
