"""Rules about expressions and templates: syntax, references, types."""

import pytest

from tests.spec.support import chain, check, found, node

QUERY = "/nodes/1/config/query"


def asking(query, **more):
    return chain(node("f", "find"), node("u", "find", {"query": query}), **more)


@pytest.mark.parametrize(
    "text", ["{{ a", "{% if %}", "{{ x | nope }}", "{% macro m() %}{% endmacro %}", "{% include 'x' %}", "{{ range.__class__() }}"]
)
def test_an_unreadable_template_is_refused(text):
    """Broken syntax and everything outside the language is refused when it is saved."""
    assert found(asking(text)) == [("INVALID_TEMPLATE", QUERY)]


@pytest.mark.parametrize("text", ["1 +", "{{ inputs.q }}", "", "nodes.f.total >", "nodes.f.matches.append(1)", "a b"])
def test_an_unreadable_expression_is_refused(text):
    """Conditions, ``when`` and expression fields are bare expressions."""
    document = chain(node("f", "find"), node("u", "find", {"only": text}, when=text))
    document["edges"][0]["condition"] = text
    assert found(document) == [
        ("INVALID_EXPRESSION", "/nodes/1/config/only"),
        ("INVALID_EXPRESSION", "/nodes/1/when"),
        ("INVALID_EXPRESSION", "/edges/0/condition"),
    ]


def test_raw_values_are_left_alone():
    """A field marked raw is neither a template nor an expression."""
    assert found(chain(node("a", "find", {"sql": "{{ broken"}))) == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{{ nodes.ff.total }}", "Did you mean nodes.f?"),
        ("{{ nodes.f.totla }}", "Did you mean total?"),
        ("{{ nodes.f.matches[0].txet }}", "Did you mean text?"),
        ("{% for m in nodes.f.matches %}{{ m.txet }}{% endfor %}", "Did you mean text?"),
        ("{% set ms = nodes.f.matches %}{{ (ms | first).scroe }}", "Did you mean score?"),
        ("{{ nodes.f.matches | map(attribute='txet') | join }}", "Did you mean text?"),
        ("{{ inputs.tag }}", "Did you mean tags?"),
        ("{{ input.q }}", "Did you mean inputs?"),
        ("{{ run.idd }}", "Did you mean id?"),
        ("{{ nodes.f.total.x }}", None),
        ("{{ item }}", "item is only known inside the body of a map."),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(text, hint):
    """References are followed through schemas, loops, set and filters."""
    problems = check(asking(text)).errors
    assert [(problem.code, problem.path) for problem in problems] == [("UNKNOWN_REFERENCE", QUERY)]
    assert hint is None or problems[0].hint == hint


@pytest.mark.parametrize(
    "text",
    [
        "{{ nodes.f.total }} {{ inputs.q }} {{ run.id }} {{ run.started_at }} {{ vars.any }}",
        "{% for m in nodes.f.matches %}{{ loop.index }}{{ m.text }}{% endfor %}",
        "{{ nodes.f.nope | default('') }}{{ nodes.f.nope is defined }}",
        "{% if nodes.f.nope is defined %}{{ nodes.f.nope.deep }}{% endif %}",
        "{{ nodes.f.note }} {{ inputs.tags[0].anything }}",
        "{{ nodes.f.matches | sort(attribute='score') | map(attribute='text') | join(', ') }}",
        "Total: {{ nodes['f'].total }}",
    ],
)
def test_known_names_pass(text):
    """What exists, and what the text copes with missing, is fine."""
    assert found(asking(text)) == []


def test_variables_are_checked_when_their_names_are_known():
    """A workspace variable that does not exist is unknown."""
    assert found(asking("{{ vars.tone }}"), variables={"tone"}) == []
    assert found(asking("{{ vars.tone }}"), variables={"tune"}) == [("UNKNOWN_REFERENCE", QUERY)]


def test_an_input_is_known_by_the_schema():
    """Undeclared inputs are unknown unless the schema leaves them open."""
    assert found(asking("{{ inputs.other }}", inputs={})) == []
    assert found(asking("{{ inputs.other }}", inputs={"properties": {"q": {}}, "additionalProperties": True})) == []
    assert found(asking("{{ inputs.other }}", inputs={"properties": {"q": {}}})) == [("UNKNOWN_REFERENCE", QUERY)]


def test_a_later_node_has_not_run():
    """A node knows those before it, not itself, not those after it or beside it."""
    document = chain(node("a", "find", {"query": "{{ nodes.b.total }} {{ nodes.a.total }}"}), node("b", "find"), node("c", "find"))
    document["nodes"].append(node("d", "find", {"query": "{{ nodes.c.total }} {{ nodes.a.total }}"}))
    document["edges"].append({"from": "a", "to": "d"})
    assert found(document) == [
        ("UNKNOWN_REFERENCE", "/nodes/0/config/query"),
        ("UNKNOWN_REFERENCE", "/nodes/0/config/query"),
        ("UNKNOWN_REFERENCE", "/nodes/3/config/query"),
    ]


def test_inside_a_loop_a_later_node_may_have_run():
    """Through the way back, the begin of a loop knows its end."""
    document = chain(node("a"), node("b", "find", {"query": "{{ nodes.c.note }}"}), node("c", "find"))
    assert [code for code, _ in found(document)] == ["UNKNOWN_REFERENCE"]
    document["edges"].append({"from": "c", "to": "b", "loop": {"max_iterations": 2}})
    assert found(document) == []


def test_a_condition_knows_the_node_it_leaves():
    """An edge's condition sees the output of its own source; ``when`` does not."""
    document = chain(node("a", "find"), node("b"))
    document["edges"][0]["condition"] = "nodes.a.total > 0"
    assert found(document) == []
    document["nodes"][0]["when"] = "nodes.a.total > 0"
    assert found(document) == [("UNKNOWN_REFERENCE", "/nodes/0/when")]


def test_outputs_know_every_node():
    """The result may name any node, and is checked as well."""
    document = chain(node("a", "find"), node("b", "find"), outputs={"x": "{{ nodes.b.total }}", "y": ["{{ nodes.b.tot }}"]})
    assert found(document) == [("UNKNOWN_REFERENCE", "/outputs/y/0")]


def test_an_error_is_known_behind_on_error():
    """``nodes.x.error`` exists for nodes that have an ``on_error``."""
    document = chain(node("a", "find"), node("b", "find", {"query": "{{ nodes.a.error.message }}"}))
    assert found(document) == [("UNKNOWN_REFERENCE", QUERY)]
    document["nodes"][0]["on_error"] = "b"
    assert found(document) == []


def test_a_dash_in_a_name_gets_advice():
    """``nodes.my-node`` is a subtraction; the hint says how to write it."""
    document = chain(node("my-node", "find"), node("u", "find", {"query": "{{ nodes.my-node.total }}"}))
    hints = [problem.hint for problem in check(document).errors]
    assert "A name with a dash is written nodes['my-node']." in hints


def body(config, **more):
    return chain(node("f", "find"), node("m", "each", {"over": [], "body": {"type": "find", "config": config, **more}}))


def test_a_body_knows_item_and_the_nodes_outside():
    """Inside a map ``item`` and ``index`` are known, and so is what ran before the map."""
    assert found(body({"query": "{{ item.x }} {{ index }} {{ nodes.f.total }}"})) == []
    assert found(body({"query": "{{ nodes.m.x }}"})) == [("UNKNOWN_REFERENCE", "/nodes/1/config/body/config/query")]


def test_problems_in_a_body_point_into_it():
    """Pointers lead through the config, for one node and for a graph."""
    assert found(body({"top_k": 0}, extra=1)) == [
        ("INVALID_CONFIG", "/nodes/1/config/body/config/top_k"),
        ("SCHEMA", "/nodes/1/config/body/extra"),
    ]
    graph = {
        "nodes": [node("x"), node("y", "find", {"query": "{{ nodes.z }}"})],
        "edges": [{"from": "x", "to": "q"}],
        "output": "{{ nope }}",
    }
    document = chain(node("m", "each", {"over": [], "body": graph | {"start_node": "x"}}))
    assert [path for _, path in found(document)] == [
        "/nodes/0/config/body/nodes/1",
        "/nodes/0/config/body/nodes/1",
        "/nodes/0/config/body/nodes/1/config/query",
        "/nodes/0/config/body/edges/0/to",
        "/nodes/0/config/body/output",
    ]


def test_bodies_nest():
    """A map inside a map is checked too."""
    inner = {"type": "each", "config": {"over": [], "body": {"type": "find", "config": {"query": "{{ nodes.f.nope }}"}}}}
    document = chain(node("f", "find"), node("m", "each", {"over": [], "body": inner}))
    assert found(document) == [("UNKNOWN_REFERENCE", "/nodes/1/config/body/config/body/config/query")]


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"top_k": "{{ inputs.q }}"}, "top_k"),
        ({"top_k": "{{ nodes.f.matches }}"}, "top_k"),
        ({"top_k": "{{ inputs.n }}0"}, "top_k"),
        ({"query": "{{ nodes.f.matches }}"}, "query"),
        ({"where": "{{ nodes.f.total }}"}, "where"),
        ({"only": "nodes.f.matches"}, "only"),
    ],
)
def test_a_type_that_cannot_fit_is_refused(config, place):
    """A reference whose schema says another type than the setting takes is found before the run."""
    assert found(chain(node("f", "find"), node("u", "find", config))) == [("TYPE_MISMATCH", f"/nodes/1/config/{place}")]


@pytest.mark.parametrize(
    "config",
    [
        {"top_k": "{{ inputs.n }}"},
        {"top_k": "{{ nodes.f.total }}"},
        {"top_k": "{{ nodes.f.matches | length }}"},
        {"top_k": "{{ inputs.tags[0] }}"},
        {"query": "{{ nodes.f.note }}"},
        {"query": "{{ nodes.f.total }} hits"},
        {"only": "nodes.f.total > 3"},
        {"where": {"deep": "{{ nodes.f.matches }}"}},
    ],
)
def test_a_type_that_may_fit_passes(config):
    """Fitting, unknown and nullable types are left to the run."""
    assert found(chain(node("f", "find"), node("u", "find", config))) == []


@pytest.mark.parametrize("condition", ["'yes'", "3", "[1]", "{'a': 1}", "nodes.f.matches[0]"])
def test_a_condition_that_says_nothing_is_refused(condition):
    """A constant, or an object, is no condition."""
    document = chain(node("f", "find"), node("u", when=condition))
    assert found(document) == [("TYPE_MISMATCH", "/nodes/1/when")]


@pytest.mark.parametrize("condition", ["true", "inputs.q", "nodes.f.matches", "nodes.f.total > 1 and not inputs.q", "inputs.tags"])
def test_conditions_that_depend_on_values_pass(condition):
    """Anything whose truth depends on the run is a condition."""
    document = chain(node("f", "find"), node("u", when=condition))
    assert found(document) == []
