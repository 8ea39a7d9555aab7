"""SCHEMA, LIMIT_EXCEEDED and DUPLICATE_ID: the document as such."""

import pytest

from agentflow.config.limits import Limits
from agentflow.spec.validate import parse_and_validate
from tests.spec.support import CATALOG, chain, check, found, node


def test_a_chain_is_valid_and_gives_its_specification():
    """A valid document comes back as a specification."""
    result = check(chain(node("a"), node("b", "find")))
    assert result.valid
    assert result.spec is not None
    assert [item.id for item in result.spec.nodes] == ["a", "b"]
    assert result.to_json() == {"valid": True, "errors": [], "warnings": []}


@pytest.mark.parametrize("document", [None, 3, "x", [], [{}]])
def test_what_is_no_object_is_no_specification(document):
    """Any JSON value but an object is refused at the root."""
    assert found(document) == [("SCHEMA", "")]


def test_missing_fields_are_named_where_they_belong():
    """Required fields that are missing are pointed to."""
    assert found({}) == [("SCHEMA", "/name"), ("SCHEMA", "/nodes")]


def test_an_unknown_field_is_named_with_the_nearest_one():
    """A misspelt field gets a suggestion."""
    problem = check(chain(node("a", cofig={}))).errors[0]
    assert (problem.code, problem.path, problem.node_id) == ("SCHEMA", "/nodes/0/cofig", "a")
    assert problem.hint == "Did you mean `config`?"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"retry": {"max_attempts": "3"}}, "/nodes/0/retry/max_attempts"),
        ({"retry": {"max_attempts": 0}}, "/nodes/0/retry/max_attempts"),
        ({"timeout_s": True}, "/nodes/0/timeout_s"),
        ({"when": 3}, "/nodes/0/when"),
        ({"effect": "magic"}, "/nodes/0/effect"),
        ({"id": "Bad Id"}, "/nodes/0/id"),
    ],
)
def test_a_wrong_value_is_pointed_to(change, path):
    """Types are strict and bounds hold; the pointer leads to the value."""
    document = chain(node("a"))
    document["nodes"][0] |= change
    assert ("SCHEMA", path) in found(document)


def test_an_edge_target_of_the_wrong_type_is_one_problem():
    """A union of types complains once about one value."""
    document = chain(node("a")) | {"edges": [{"from": "a", "to": 5}]}
    assert found(document) == [("SCHEMA", "/edges/0/to")]


def test_schema_errors_do_not_hide_graph_errors():
    """A misspelt field in one node leaves the cycle among the others visible."""
    document = chain(node("a", nmae="x"), node("b"), node("c"))
    document["edges"].append({"from": "c", "to": "b"})
    assert found(document) == [("SCHEMA", "/nodes/0/nmae"), ("CYCLE", "/edges/2/to")]


def test_an_unreadable_node_makes_no_further_noise():
    """Edges to a node that cannot be read, and references to it, are not reported as well."""
    document = chain(node("a"), node("b", "find", {"query": "{{ nodes.c.x }}"}))
    document["nodes"].append({"id": "c"})
    document["edges"].append({"from": "c", "to": "b"})
    assert found(document) == [("SCHEMA", "/nodes/2/type")]


@pytest.mark.parametrize(
    ("text", "path"), [('{"name": "a\\u0000"}', "/name"), ('{"name": "\\ud800"}', ""), ("{", ""), ("NaN", ""), (b"\xff", "")]
)
def test_text_that_is_not_json_is_a_schema_problem(text, path):
    """Broken JSON, NUL, lone surrogates and broken UTF-8 are refused, never raised."""
    result = parse_and_validate(text, CATALOG, Limits())
    assert [(problem.code, problem.path) for problem in result.errors] == [("SCHEMA", path)]


def test_values_json_cannot_hold_are_refused():
    """NaN, lone surrogates, huge integers and Python objects in a value are schema problems."""
    for value in (float("nan"), "\ud800", 10**30, {1, 2}):
        assert [code for code, _ in found({"name": "x", "nodes": [], "metadata": {"v": value}})] == ["SCHEMA"]


def test_problems_come_in_document_order():
    """The order is that of the document, whatever rule found them."""
    document = chain(node("a", "nope"), node("b", "find", {"top_k": 0}), node("c", when="1 +"))
    document["edges"].append({"from": "c", "to": "gone"})
    assert found(document) == [
        ("UNKNOWN_NODE_TYPE", "/nodes/0/type"),
        ("INVALID_CONFIG", "/nodes/1/config/top_k"),
        ("INVALID_EXPRESSION", "/nodes/2/when"),
        ("DANGLING_EDGE", "/edges/2/to"),
    ]


@pytest.mark.parametrize(
    ("limits", "document", "path"),
    [
        (Limits(max_spec_nodes=1), chain(node("a"), node("b")), "/nodes"),
        (Limits(max_spec_edges=1), chain(node("a"), node("b"), node("c")), "/edges"),
        (Limits(max_spec_bytes=1_000), chain(node("a"), description="x" * 1_000), ""),
        (Limits(max_spec_depth=5), chain(node("a", "find", {"where": {"a": {"b": {"c": 1}}}})), "/nodes/0/config/where/a"),
        (Limits(max_template_bytes=100), chain(node("a", "find", {"query": "{{ inputs.q }}" * 10})), "/nodes/0/config/query"),
    ],
)
def test_a_document_over_a_limit_is_told_which(limits, document, path):
    """Size, nodes, edges, depth and template length are bounded; the message names the setting."""
    result = check(document, limits)
    assert [(problem.code, problem.path) for problem in result.errors] == [("LIMIT_EXCEEDED", path)]
    changed = next(name for name in Limits.model_fields if getattr(limits, name) != getattr(Limits(), name))
    assert changed in result.errors[0].message
    assert check(document).valid


def test_a_loop_over_the_limit_is_refused():
    """S90: the declared bound of a loop is bounded itself."""
    document = chain(node("a"), node("b"))
    document["edges"].append({"from": "b", "to": "a", "loop": {"max_iterations": 5}})
    assert found(document) == []
    assert found(document, Limits(max_loop_iterations=4)) == [("LIMIT_EXCEEDED", "/edges/1/loop/max_iterations")]


def test_nodes_in_bodies_count_towards_the_limit():
    """A body does not smuggle nodes past the limit."""
    body = {"nodes": [node(f"b{index}") for index in range(3)], "edges": [{"from": "b0", "to": "b1"}, {"from": "b1", "to": "b2"}]}
    document = chain(node("a", "each", {"over": [], "body": body}))
    assert found(document) == []
    assert found(document, Limits(max_spec_nodes=3)) == [("LIMIT_EXCEEDED", "/nodes")]


def test_duplicate_ids_are_found_in_every_list():
    """Nodes, edges, sources, queues and lanes each have unique ids."""
    document = chain(node("a"), node("b"), node("a"))
    document["edges"] = [{"id": "e", "from": "a", "to": "b"}, {"id": "e", "from": "b", "to": "end"}]
    document["sources"] = [{"id": "s", "kind": "llm"}, {"id": "s", "kind": "db"}]
    document["queues"] = [{"id": "q", "from": "a", "to": "b", "sub_queues": [{"id": "l", "weight": 0.5}] * 2}] * 2
    assert [path for code, path in found(document) if code == "DUPLICATE_ID"] == [
        "/nodes/2/id",
        "/edges/1/id",
        "/sources/1/id",
        "/queues/0/sub_queues/1/id",
        "/queues/1/id",
        "/queues/1/sub_queues/1/id",
    ]


def test_end_is_reserved():
    """No node can be called end."""
    assert ("SCHEMA", "/nodes/0/id") in found(chain(node("end")))


def test_inputs_must_be_a_json_schema():
    """A malformed schema, or one that refers elsewhere, is refused without fetching anything."""
    assert found(chain(node("a"), inputs={"type": "strnig"})) == [("SCHEMA", "/inputs/type")]
    assert found(chain(node("a"), inputs={"$ref": "http://127.0.0.1:9/x.json"})) == [("SCHEMA", "/inputs")]
    assert found(chain(node("a"), inputs={"$defs": {"t": {"type": "string"}}, "properties": {"q": {"$ref": "#/$defs/t"}}})) == []
