"""JSON in and out: strict, bounded, and typed in its refusals."""

import contextlib
import json as stdlib
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentflow.kit import json

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


@given(documents)
def test_what_is_dumped_loads_equal_and_of_the_same_types(document: Any) -> None:
    """Text and back, key order and number types included."""
    assert repr(json.loads(json.dumps(document))) == repr(document)


@given(st.binary() | st.text())
@example(b"\xff")
@example("\ud800")
@example("")
@example("1e400")
@example("9" * 400)
def test_any_input_gives_a_value_or_the_typed_error(data: bytes | str) -> None:
    """No input reaches the caller as another exception."""
    with contextlib.suppress(json.InvalidJson):
        json.check(json.loads(data))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("NaN", ""),
        ("[Infinity]", ""),
        ('{"a": ["\\u0000"]}', "/a/0"),
        ('{"a/b~": {"x": "\\u0000"}}', "/a~1b~0/x"),
        ('{"\\u0000": 1}', ""),
    ],
)
def test_what_no_database_keeps_is_refused_with_its_place(text: str, path: str) -> None:
    """S81: NaN, infinities and NUL are named by JSON Pointer."""
    with pytest.raises(json.InvalidJson) as caught:
        json.loads(text)
    assert caught.value.path == path


@pytest.mark.parametrize("value", ["\ud800", {"k": ["\udfff"]}, {"\ud800": 1}, float("nan"), [float("inf")]])
def test_python_values_are_checked_too(value: Any) -> None:
    """A value that came by another way than text is held to the same rules."""
    with pytest.raises(json.InvalidJson):
        json.check(value)


odd_texts = st.text(st.sampled_from("a\0é\ud83d\ude00\udc00"), max_size=3)
odd_documents = st.recursive(
    st.none() | st.integers(0, 9) | st.floats() | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=12,
)


def storable(value: Any, depth: int) -> bool:
    """Say by the plain definition whether a value may be stored."""
    match value:
        case str():
            return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
        case float():
            return math.isfinite(value)
        case list():
            return depth > 0 and all(storable(item, depth - 1) for item in value)
        case dict():
            return depth > 0 and all(storable(part, depth - 1) for item in value.items() for part in item)
    return True


@given(odd_documents, st.integers(0, 5))
def test_what_may_not_be_stored_is_refused_and_nothing_else(value: Any, max_depth: int) -> None:
    """S81: surrogates that stand side by side in two texts make no pair, names of fields are texts too, and what is at the bound may stay."""
    if storable(value, max_depth):
        json.check(value, max_depth=max_depth)
    else:
        with pytest.raises(json.InvalidJson):
            json.check(value, max_depth=max_depth)


@given(st.integers(1, 60))
def test_depth_is_counted_exactly(depth: int) -> None:
    """The bound itself is allowed, one more is not."""
    text = "[" * depth + "]" * depth
    json.loads(text, max_depth=depth)
    with pytest.raises(json.InvalidJson, match="nested deeper"):
        json.loads(text, max_depth=depth - 1)


@pytest.mark.parametrize("levels", [900, 100_000])
def test_bottomless_nesting_is_refused_without_recursion(levels: int) -> None:
    """S83: depth cannot exhaust Python's stack, in lists nor in objects."""
    for text in ("[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels):
        with pytest.raises(json.InvalidJson):
            json.loads(text)


@given(st.dictionaries(texts, documents, max_size=5), st.randoms())
def test_canonical_text_does_not_depend_on_the_order_of_keys(document: dict[str, Any], random: Any) -> None:
    """Equal documents have equal canonical bytes, and they parse back to the document."""
    items = list(document.items())
    random.shuffle(items)
    assert json.canonical(dict(items)) == json.canonical(document)
    assert stdlib.loads(json.canonical(document)) == document


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers(0, 99), max_size=4))
def test_pointers_can_be_read_back(parts: list[str | int]) -> None:
    """RFC 6901 escaping loses nothing."""
    read = [part.replace("~1", "/").replace("~0", "~") for part in json.pointer("", *parts).split("/")[1:]]
    assert read == [str(part) for part in parts]


@pytest.mark.parametrize("value", [object(), {1, 2}, {1: "x"}, 2**70, "\ud800"])
def test_what_is_not_json_is_not_dumped(value: Any) -> None:
    """Nothing is turned into something else quietly."""
    for dump in (json.dumps, json.dump_bytes, json.canonical):
        with pytest.raises(json.InvalidJson):
            dump(value)
