"""Metadata filters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.knowledge.vector_stores.filters import InvalidFilter, compile_filter

FACTS = {"lang": "en", "year": 2021, "draft": False, "tags": ["a", "b"], "note": None, "one": 1}


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ({"lang": "en"}, True),
        ({"lang": "de"}, False),
        ({"lang": "en", "year": 2021}, True),
        ({"lang": "en", "year": 2020}, False),
        ({"year": {"$gte": 2021, "$lt": 2022}}, True),
        ({"year": {"$gt": 2021}}, False),
        ({"year": {"$gt": "2000"}}, False),
        ({"lang": {"$gt": "da", "$lte": "en"}}, True),
        ({"draft": {"$lt": 1}}, False),
        ({"one": True}, False),
        ({"draft": 0}, False),
        ({"lang": {"$in": ["de", "en"]}}, True),
        ({"lang": {"$nin": ["de", "en"]}}, False),
        ({"missing": {"$nin": ["de"]}}, True),
        ({"missing": {"$ne": 1}}, True),
        ({"missing": None}, False),
        ({"note": None}, True),
        ({"missing": {"$exists": False}}, True),
        ({"note": {"$exists": True}}, True),
        ({"tags": {"$contains": "a"}}, True),
        ({"tags": {"$contains": "c"}}, False),
        ({"tags": ["a", "b"]}, True),
        ({"lang": {"$contains": "n"}}, True),
        ({"year": {"$contains": 2}}, False),
        ({"$or": [{"lang": "de"}, {"year": 2021}]}, True),
        ({"$and": [{"lang": "en"}, {"year": 2020}]}, False),
        ({"$not": {"lang": "de"}}, True),
        ({}, True),
    ],
)
def test_filters_mean_what_they_say(where: dict[str, object], passes: bool) -> None:
    """Each operator lets exactly the right metadata through."""
    test = compile_filter(where)
    assert (test is None or test(FACTS)) is passes


@pytest.mark.parametrize(
    "where",
    [
        {"$xor": []},
        {"year": {"$near": 3}},
        {"$or": []},
        {"$or": "ab"},
        {"$or": [3]},
        {"$not": 1},
        {"lang": {"$in": "en"}},
        {"year": {"$gt": None}},
        {"year": {"$exists": 1}},
    ],
)
def test_nonsense_is_refused(where: dict[str, object]) -> None:
    """S42: an unknown operator or a wrong operand is a typed error, never a silent miss."""
    with pytest.raises(InvalidFilter):
        compile_filter(where)


def test_depth_is_bounded() -> None:
    """S100: a filter nested beyond the limit is refused instead of exhausting the stack."""
    where: dict[str, object] = {"a": 1}
    for _ in range(50):
        where = {"$not": where}
    with pytest.raises(InvalidFilter):
        compile_filter(where)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "lang", "$eq", "$gt", "$in", "$and", "$or", "$not", "$contains"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    where=st.dictionaries(st.sampled_from(["a", "lang", "$and", "$or", "$not"]), JSON, max_size=3),
    facts=st.dictionaries(st.sampled_from(["a", "lang"]), JSON),
)
def test_any_json_is_answered_or_refused(where: dict[str, object], facts: dict[str, object]) -> None:
    """Whatever JSON a filter is, it either decides or is refused as a filter."""
    try:
        test = compile_filter(where)
    except InvalidFilter:
        return
    assert test is None or test(facts) in (True, False)
