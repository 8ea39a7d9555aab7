"""What a text names and gives, found without running it."""

import pytest

from agentflow.spec.expressions import Reference, analyse, references


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("plain", []),
        ("{{ nodes.a.text }}", [("nodes", "a", "text")]),
        ("{{ nodes['my-node'][0]['x'] }}", [("nodes", "my-node", 0, "x")]),
        ("x {{ inputs.q }} {{ inputs.q }} y", [("inputs", "q")]),
        ("{% for m in nodes.s.ms %}{{ m.text }}{{ loop.index }}{% endfor %}", [("nodes", "s", "ms"), ("nodes", "s", "ms", None, "text")]),
        ("{% set m = nodes.a %}{{ m.x }}", [("nodes", "a"), ("nodes", "a", "x")]),
        (
            "{% if inputs.y %}{% set m = nodes.a %}{% else %}{% set m = nodes.b %}{% endif %}{{ m.x }}",
            [("inputs", "y"), ("nodes", "a"), ("nodes", "b")],
        ),
        ("{% with m = nodes.a %}{{ m.x }}{% endwith %}{{ m }}", [("nodes", "a"), ("nodes", "a", "x"), ("m",)]),
        ("{{ (nodes.s.ms | sort | first).text }}", [("nodes", "s", "ms"), ("nodes", "s", "ms", None, "text")]),
        ("{{ nodes.s.ms | map(attribute='a.b') | list }}", [("nodes", "s", "ms"), ("nodes", "s", "ms", None, "a", "b")]),
        ("{{ nodes.a.x[inputs.i].y }}", [("inputs", "i"), ("nodes", "a", "x", None, "y")]),
        ("{{ nodes.a.x[1:inputs.n] }}", [("inputs", "n"), ("nodes", "a", "x")]),
        ("{{ nodes.a.d.items() | length + range(inputs.n) | sum }}", [("nodes", "a", "d"), ("inputs", "n")]),
        ("{% for k, v in nodes.a.d | items %}{{ v.x }}{% endfor %}", [("nodes", "a", "d")]),
        ("{% set t %}{{ inputs.q }}{% endset %}{{ t.x }}", [("inputs", "q")]),
    ],
)
def test_references_are_followed_to_their_roots(text, paths):
    """Loop variables, ``set``, ``with`` and filters lead back to what they stand for."""
    assert [reference.path for reference in references(text)] == paths


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nodes.a.x is defined", [Reference(("nodes", "a", "x"), True)]),
        ("nodes.a.x | default(inputs.y)", [Reference(("nodes", "a", "x"), True), Reference(("inputs", "y"))]),
        ("nodes.a.x is defined and nodes.a.x.y > 1", [Reference(("nodes", "a", "x"), True), Reference(("nodes", "a", "x", "y"), True)]),
        ("nodes.a.x > 1", [Reference(("nodes", "a", "x"))]),
    ],
)
def test_names_that_may_be_missing_are_marked(expression, expected):
    """What a text asks for before it uses it is optional."""
    assert references(expression, is_expression=True) == expected


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("a > 1", {"boolean"}),
        ("not a", {"boolean"}),
        ("a is defined", {"boolean"}),
        ("a ~ b", {"string"}),
        ("a | length", {"integer"}),
        ("a | join(',')", {"string"}),
        ("[a]", {"array"}),
        ("{'a': b}", {"object"}),
        ("1", {"integer"}),
        ("none", {"null"}),
        ("a + b", None),
        ("a if b else c", None),
        ("a.b", None),
    ],
)
def test_the_type_of_a_result_is_known_where_syntax_says_it(text, types):
    """Comparisons are booleans, lengths integers; what depends on values stays open."""
    assert analyse(text, is_expression=True).types == (None if types is None else frozenset(types))


def test_a_plain_path_and_a_constant_are_told_apart():
    """Schemas can be asked about a path, and a constant decides nothing."""
    assert analyse("{{ nodes.a.b }}", is_expression=False).path == ("nodes", "a", "b")
    assert analyse("x{{ nodes.a.b }}", is_expression=False).types == {"string"}
    assert analyse("'x'", is_expression=True).is_constant
    assert not analyse("x", is_expression=True).is_constant
