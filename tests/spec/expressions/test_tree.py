"""Whole configs: which strings render, which are expressions, which stay."""

from agentflow.spec.expressions import Renderer

RENDERER = Renderer(fuel=100_000, max_output_bytes=1_000_000, max_template_bytes=1_000)
NAMES = {"inputs": {"n": 3, "q": "x"}}


def test_a_tree_without_templates_is_the_value_itself():
    """Nothing is copied when nothing renders."""
    value = {"a": [1, {"b": "text"}], "c": None}
    tree = RENDERER.compile_tree(value)
    assert tree.is_static
    assert tree.render({}) is value


def test_templates_render_wherever_they_stand():
    """Strings at any depth are templates; everything else stays."""
    value = {"a": ["{{ inputs.n }}", {"b": "n={{ inputs.n }}"}], "c": 1, "{{ key }}": True}
    tree = RENDERER.compile_tree(value)
    assert not tree.is_static
    assert tree.render(NAMES) == {"a": [3, {"b": "n=3"}], "c": 1, "{{ key }}": True}


def test_a_bare_template_is_a_tree_too():
    """The value may be one string."""
    assert RENDERER.compile_tree("{{ inputs.n }}").render(NAMES) == 3


def test_expressions_are_replaced_by_their_results():
    """At an expression path strings are evaluated; other values stay."""
    value = {"routes": [{"when": "inputs.n > 2", "to": "inputs.n"}, {"when": True}]}
    tree = RENDERER.compile_tree(value, expressions=[("routes", "*", "when")])
    assert tree.render(NAMES) == {"routes": [{"when": True, "to": "inputs.n"}, {"when": True}]}


def test_everything_below_an_expression_path_is_an_expression():
    """A marked object holds expressions only."""
    tree = RENDERER.compile_tree({"x": {"a": "inputs.n + 1", "b": ["inputs.q"]}}, expressions=[("x",)])
    assert tree.render(NAMES) == {"x": {"a": 4, "b": ["x"]}}


def test_raw_values_are_not_touched():
    """At and below a raw path nothing renders."""
    value = {"sql": "{{ inputs.n }}", "deep": {"x": ["{{ broken"]}, "q": "{{ inputs.q }}"}
    tree = RENDERER.compile_tree(value, raw=[("sql",), ("deep", "x")])
    assert tree.render(NAMES) == {"sql": "{{ inputs.n }}", "deep": {"x": ["{{ broken"]}, "q": "x"}


def test_the_compiled_value_is_not_changed():
    """Rendering twice with other names gives other results from the same tree."""
    value = {"a": ["{{ inputs.n }}"]}
    tree = RENDERER.compile_tree(value)
    assert [tree.render({"inputs": {"n": n}}) for n in (1, 2)] == [{"a": [1]}, {"a": [2]}]
    assert value == {"a": ["{{ inputs.n }}"]}
