"""The strict codec: what goes in comes out, and nothing stored can choose what is called."""

import contextlib
import os
from datetime import UTC, datetime
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, Interrupt, Send, TimeoutPolicy

from agentflow.runtime.checkpoints.codec import RefusedBlob, StrictSerializer, UnstorableValue, pack, unpack

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    """Every JSON-like value survives the round trip, 1 and 1.0 and True told apart."""
    assert repr(unpack(pack(value))) == repr(value)


@given(st.binary())
def test_any_bytes_are_a_value_or_refused(blob: bytes) -> None:
    """Damaged blobs raise the typed error and nothing else."""
    with contextlib.suppress(RefusedBlob):
        unpack(blob)


@given(st.text(min_size=1, max_size=5), values)
def test_sends_and_interrupts_come_back_equal(node: str, value: Any) -> None:
    """The two control types that appear in state are kept, nested values included."""
    send, interrupt = Send("n" + ascii(node), value), Interrupt(value, id="i", response_schema={"type": "object"})
    back = unpack(pack({"sends": [send], "asked": (interrupt,)}))
    assert repr(back["sends"]) == repr([send])
    assert repr(back["asked"]) == repr([interrupt])


def test_a_send_keeps_its_timeout() -> None:
    """A pushed task's timeout policy is part of it."""
    send = Send("n", 1, timeout=TimeoutPolicy(run_timeout=2.5, refresh_on="heartbeat"))
    assert unpack(pack(send)) == send


@pytest.mark.parametrize("value", [datetime.now(UTC), Command(goto="x"), object(), os.getenv, int, 2**64, {"deep": {1, 2}}, "\ud800"])
def test_other_types_are_refused_when_written(value: Any) -> None:
    """Nothing is turned into something else quietly."""
    with pytest.raises(UnstorableValue):
        pack([value])


def test_why_a_task_failed_is_kept_as_text() -> None:
    """LangGraph writes the exception of a failed task; it becomes text."""
    assert unpack(pack(ValueError("no"))) == "ValueError('no')"


@pytest.mark.parametrize("code", range(8))
def test_a_blob_that_names_a_function_is_refused_and_nothing_is_called(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """S77: a blob in LangGraph's own format that names os.getenv never reaches it."""
    called: list[str] = []
    monkeypatch.setattr(os, "getenv", called.append)
    blob = ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(("os", "getenv", "HOME", "getenv"))))
    with pytest.raises(RefusedBlob, match="allow-list"):
        unpack(blob)
    with pytest.raises(RefusedBlob):
        StrictSerializer().loads_typed(("msgpack", blob))
    assert called == []


def test_the_attack_is_real_against_the_default_serializer(monkeypatch: pytest.MonkeyPatch) -> None:
    """S77: LangGraph's serialiser with every type allowed does call what the blob names, so the test above can fail."""
    called: list[str] = []
    monkeypatch.setattr(os, "getenv", called.append)
    blob = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(("os", "getenv", "HOME"))))
    JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", blob))
    assert called == ["HOME"]


def test_nested_extensions_are_refused_too() -> None:
    """S77: a foreign type hidden inside one of ours is found."""
    hidden = ormsgpack.Ext(40, ormsgpack.packb(["node", ormsgpack.Ext(0, ormsgpack.packb(("os", "getenv", "HOME"))), None]))
    with pytest.raises(RefusedBlob, match="allow-list"):
        unpack(ormsgpack.packb(hidden))
