"""Validation as a whole: it answers for any JSON, quickly, and knows the built-in node types."""

import copy
import gc

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentflow.config.limits import Limits
from agentflow.nodes.builtin import builtin_registry
from agentflow.spec.problems import Code
from agentflow.spec.validate import parse_and_validate, validate
from tests.spec.support import CATALOG, chain, check, node
from tests.support.effort import effort

REGISTRY = builtin_registry()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["{{ nodes.a.x }}", "{% if", "a", "b", "end"])
)
KEYS = st.sampled_from(
    ["nodes", "edges", "id", "type", "config", "from", "to", "sources", "inputs", "outputs", "body", "routes"]
) | st.text(max_size=5)
ANY_JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=30)

VALID = chain(
    node("a", "find", {"query": "{{ inputs.q }}", "only": "inputs.n > 1"}, retry={"max_attempts": 2}, on_error="d"),
    node("b", "choose", {"routes": [{"when": "nodes.a.total > 1", "to": "c"}], "default": "d"}, when="inputs.n > 0"),
    node("c", "each", {"over": "{{ nodes.a.matches }}", "body": {"type": "find", "config": {"query": "{{ item.text }}"}}}),
    node("d", "ask", {"prompt": "{{ nodes.a.total }} hits"}, source="chat"),
    sources=[{"id": "chat", "kind": "llm", "config": {"key": "{{ secrets.K }}"}}],
    queues=[{"id": "lane", "from": "c", "to": "d"}],
    outputs={"x": "{{ nodes.a.matches }}"},
    limits={"timeout_s": 5},
    tags=["t"],
)


def _answer_is_sound(result):
    assert result.valid == (not result.errors)
    assert (result.spec is not None) == result.valid
    for problem in (*result.errors, *result.warnings):
        assert isinstance(problem.code, Code)
        assert problem.message
        assert problem.path == "" or problem.path.startswith("/")


@settings(max_examples=300, deadline=None)
@given(ANY_JSON)
def test_any_json_gets_an_answer(document):
    """Whatever the value, validation answers and never raises."""
    _answer_is_sound(check(document))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_text_gets_an_answer(text):
    """Text that is not JSON is a schema problem."""
    _answer_is_sound(parse_and_validate(text, CATALOG, Limits()))


def _places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(child, (*path, key))


PLACES = [path for path in _places(VALID) if path]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY_JSON, st.booleans()), min_size=1, max_size=3))
def test_any_mutation_of_a_valid_document_gets_an_answer(changes):
    """Replacing or removing parts of a valid document never makes validation raise."""
    document = copy.deepcopy(VALID)
    for path, value, remove in changes:
        target = document
        try:
            for part in path[:-1]:
                target = target[part]
            if remove:
                del target[path[-1]]
            else:
                target[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    _answer_is_sound(check(document, secrets=["K"], variables=[]))


def test_the_valid_document_is_valid():
    """What the mutations start from has no problem at all."""
    result = check(VALID, secrets=["K"], variables=[])
    assert result.errors == ()
    assert result.warnings == ()


def test_deep_documents_get_an_answer():
    """Nesting beyond any limit is a LIMIT_EXCEEDED, whether as a value or as text."""
    deep = {"name": "x", "nodes": []}
    value = deep["metadata"] = {}
    for _ in range(50_000):
        value["a"] = {}
        value = value["a"]
    assert [problem.code for problem in check(deep).errors] == [Code.LIMIT_EXCEEDED]
    for text in ("[" * 900 + "]" * 900, "[" * 100_000):
        assert not parse_and_validate(text, CATALOG, Limits()).valid
    while value := deep.pop("metadata", None) or deep.pop("a", None):
        deep = value


def test_a_specification_bomb_is_refused_at_once():
    """S90: too many nodes or edges are refused before anything looks at them."""
    bomb = {"name": "x", "nodes": [{"id": "a", "type": "x"}] * 10_000, "edges": [{"from": "a", "to": ["a"] * 100}] * 10_001}
    with effort() as cost:
        errors = check(bomb, Limits(max_spec_bytes=100_000_000)).errors
    assert [(problem.code, problem.path) for problem in errors] == [(Code.LIMIT_EXCEEDED, "/nodes"), (Code.LIMIT_EXCEEDED, "/edges")]
    assert cost.units < 20


def test_a_wide_fan_out_counts_as_edges():
    """S90: an edge to a million nodes is a million edges."""
    document = chain(node("a"), node("b")) | {"edges": [{"from": "a", "to": ["b"] * 20_000}]}
    assert Code.LIMIT_EXCEEDED in [problem.code for problem in check(document).errors]


def test_an_answer_has_a_bounded_number_of_problems():
    """Thousands of problems are cut, and the last one says so."""
    document = chain(*(node(f"n{index}", "nope", {}) for index in range(1_500)))
    result = check(document)
    assert len(result.errors) == 1_000
    assert "501 more" in result.errors[-1].message


def _steps(count, config):
    nodes = [node(f"n{index}", "transform", config(index)) for index in range(count)]
    return chain(*nodes)


def test_a_thousand_nodes_validate_quickly():
    """A chain of 1,000 nodes with new templates, every fourth more than a path; ``benchmarks/validation.py`` has the milliseconds."""

    def template(index, mark):
        name = f"nodes.n{index - 1}.t" if index else "inputs.q"
        return f"{{{{ {name}{' | upper' if index % 4 == 0 else ''} }}}} {mark}"

    def units(mark):
        document = _steps(1_000, lambda index: {"value": {"t": template(index, mark)}})
        gc.collect()
        with effort() as cost:
            assert validate(document, REGISTRY, Limits()).valid
        return cost.units

    assert min(units(mark) for mark in range(4)) < 4


def test_references_between_all_nodes_stay_quick():
    """Dense graphs with many references do not blow up."""
    count = 150
    nodes = [
        node(f"n{index}", "transform", {"value": {"t": "".join(f"{{{{ nodes.n{other}.t }}}}" for other in range(index))}})
        for index in range(count)
    ]
    edges = [{"from": f"n{index}", "to": [f"n{other}" for other in range(index + 1, count)]} for index in range(count - 1)]
    with effort() as cost:
        result = validate({"name": "dense", "start_node": "n0", "nodes": nodes, "edges": edges}, REGISTRY, Limits(max_spec_edges=20_000))
    assert result.valid
    assert cost.units < 30


def test_built_in_nodes_are_checked_across_their_outputs():
    """Router, map and transform tell the validator what they give and where they lead."""
    document = {
        "name": "real",
        "inputs": {"type": "object", "properties": {"urls": {"type": "array", "items": {"type": "string"}}}},
        "start_node": "in",
        "nodes": [
            {"id": "in", "type": "input"},
            {
                "id": "each",
                "type": "map",
                "config": {"items": "{{ nodes.in.urls }}", "node": {"type": "http", "config": {"url": "{{ item }}"}}},
            },
            {
                "id": "any",
                "type": "router",
                "config": {"routes": [{"when": "nodes.each.results | length > 0", "to": "yes"}], "default": "no"},
            },
            {"id": "yes", "type": "transform", "config": {"value": {"first": "{{ nodes.each.results[0] }}"}}},
            {"id": "no", "type": "transform", "config": {"value": {"text": "none"}}},
        ],
        "edges": [{"from": "in", "to": "each"}, {"from": "each", "to": "any"}],
        "outputs": {"found": "{{ nodes.yes.first | default(nodes.no.text) }}"},
    }
    assert validate(document, REGISTRY, Limits()).errors == ()
    document["nodes"][1]["config"]["items"] = "{{ nodes.in.url }}"
    document["nodes"][2]["config"]["routes"][0] = {"when": "nodes.each.result", "to": "yess"}
    document["nodes"][1]["config"]["node"]["config"]["methd"] = "GET"
    assert [(problem.code.value, problem.path) for problem in validate(document, REGISTRY, Limits()).errors] == [
        ("UNKNOWN_REFERENCE", "/nodes/1/config/items"),
        ("INVALID_CONFIG", "/nodes/1/config/node/config/methd"),
        ("UNKNOWN_REFERENCE", "/nodes/2/config/routes/0/when"),
        ("DANGLING_EDGE", "/nodes/2/config/routes/0/to"),
        ("UNREACHABLE_NODE", "/nodes/3"),
        ("DISCONNECTED_GRAPH", "/nodes/3"),
    ]
