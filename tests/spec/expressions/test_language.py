"""What the language says: values, names, text, statements."""

import pytest

from agentflow.spec.expressions import ExpressionError, Renderer

RENDERER = Renderer(fuel=100_000, max_output_bytes=10_000_000, max_template_bytes=65_536)

HITS = [{"text": "A", "score": 0.5}, {"text": "b", "score": 0.9}]
CONTEXT = {
    "inputs": {"q": "hello", "n": 3, "none": None, "yes": True},
    "nodes": {"search": {"matches": HITS, "total": 2}, "my-node": {"x": 1.0}},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.n + 1", 4),
        ("inputs.n / 2", 1.5),
        ("inputs.n // 2", 1),
        ("2 ** 10", 1024),
        ("-inputs.n", -3),
        ("inputs.q ~ inputs.n ~ none ~ true", "hello3nulltrue"),
        ("'ab' * 3", "ababab"),
        ("[1] + [2]", [1, 2]),
        ("1 < inputs.n <= 3", True),
        ("'ell' in inputs.q and not (4 in [1, 2])", True),
        ("inputs.q if inputs.yes else 1", "hello"),
        ("{'a': [1, 'x'], 'b': none}", {"a": [1, "x"], "b": None}),
        ("nodes['my-node'].x", 1.0),
        ("nodes.search.matches[-1].text", "b"),
        ("inputs.q[1:3]", "el"),
        ("nodes.search.matches | map(attribute='text') | join(', ')", "A, b"),
        ("nodes.search.matches | selectattr('score', 'gt', 0.6) | list | length", 1),
        ("nodes.search.matches | rejectattr('nope', 'defined') | list | length", 2),
        ("nodes.search.matches | sort(attribute='score', reverse=true) | first", HITS[1]),
        ("[3, 1, 2] | sort", [1, 2, 3]),
        ("['b', 'a', 'B'] | unique | list", ["b", "a"]),
        ("[1, 2, 3, 4, 5] | batch(2)", [[1, 2], [3, 4], [5]]),
        ("nodes.search.matches | groupby('text') | length", 2),
        ("{'b': 1, 'a': 2} | dictsort", [["a", 2], ["b", 1]]),
        ("{'b': 1}.items()", [["b", 1]]),
        ("[1, 2, 3] | select('odd') | sum", 4),
        ("[1, 2] | map('string') | join('-')", "1-2"),
        ("[2, 9, 4] | max", 9),
        ("'a b'.split()", ["a", "b"]),
        ("' x '.strip().upper()", "X"),
        ("'a-b' | replace('-', '+')", "a+b"),
        ("'3.5' | float + 1", 4.5),
        ("'7' | int", 7),
        ("'x' | int(default=0)", 0),
        ("3.567 | round(2)", 3.57),
        ("{'a': 'ü'} | tojson", '{"a":"ü"}'),
        ("'a b&c' | urlencode", "a%20b%26c"),
        ("'<b>' | e", "&lt;b&gt;"),
        ("range(2, 8, 3)", [2, 5]),
        ("inputs.none is none and inputs.n is number and inputs.q is string", True),
        ("inputs.zz is defined", False),
        ("inputs.zz.deep | default('d')", "d"),
        ("inputs.none | default('d', true)", "d"),
        ("inputs.none.deep is defined", False),
    ],
)
def test_an_expression_has_a_typed_value(expression, value):
    """Operators, filters, tests and methods give JSON values of their own types."""
    result = RENDERER.evaluate(expression, CONTEXT)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ inputs.none }}/{{ inputs.yes }}/{{ nodes['my-node'].x }}", "null/true/1.0"),
        ("a {{ [1, 'x', none] }}", 'a [1,"x",null]'),
        ("{% for m in nodes.search.matches %}[{{ loop.index }}] {{ m.text }}\n{% endfor %}", "[1] A\n[2] b\n"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        ("{% for i in [1, 2, 3] if i != 2 %}{{ i }}{% if not loop.last %},{% endif %}{% endfor %}", "1,3"),
        ("{% for i in [] %}x{% else %}none{% endfor %}", "none"),
        ("{% for i in [1, 2] %}{% for j in [1] %}{{ loop.length }}{% endfor %}{{ loop.index }}{% endfor %}", "1112"),
        ("{% if inputs.n > 5 %}a{% elif inputs.n > 2 %}b{% else %}c{% endif %}", "b"),
        ("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}", "21"),
        ("{% set q %}<{{ inputs.q }}>{% endset %}{{ q }}{{ q }}", "<hello><hello>"),
        ("{% set q | upper | trim %} {{ inputs.q }} {% endset %}{{ q }}", "HELLO"),
        ("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "3"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a{# comment #}b", "ab"),
        ("a {%- if true %} b {%- endif %}\n", "a b\n"),
        ("no template at all\n", "no template at all\n"),
    ],
)
def test_a_template_gives_text(template, text):
    """Values stand in text as JSON writes them; statements work as in Jinja."""
    assert RENDERER.render(template, CONTEXT) == text


def test_one_expression_keeps_its_type_and_identity():
    """A value that is exactly one ``{{ … }}`` is the very object, not a copy."""
    assert RENDERER.render("{{ nodes.search.matches }}", CONTEXT) is HITS
    assert RENDERER.render("{{ inputs.n }}", CONTEXT) == 3
    assert RENDERER.render("{{ inputs.n }} ", CONTEXT) == "3 "


def test_substituted_values_are_not_rendered_again():
    """S50: text that looks like a template stays as it is."""
    context = {"inputs": {"q": "{{ nodes.secret }}{% if %}"}}
    assert RENDERER.render("<{{ inputs.q }}>", context) == "<{{ nodes.secret }}{% if %}>"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("nodes.serach.matches", "nodes.serach is unknown; did you mean search?"),
        ("inputs.zz", "inputs.zz is unknown"),
        ("inputs.zz + 1", "inputs.zz is unknown"),
        ("[inputs.zz]", "inputs.zz is unknown"),
        ("nope", "nope is unknown"),
        ("nodes.search.matches[5].text", "nodes.search.matches[5] is unknown: there are 2 items"),
        ("inputs.n.x", "inputs.n.x is unknown: a number has no fields"),
        ("inputs.none.x", "inputs.none.x is unknown: null has no fields"),
        ("[] | first", "there is no first item"),
        ("1 if false", "the condition is false and there is no else"),
        ("nodes.search.matches | map(attribute='nope') | list", "nope is unknown"),
    ],
)
def test_a_missing_name_is_an_error_that_names_it(expression, words):
    """Absence never becomes empty text, also not of a last attribute."""
    for run in (RENDERER.evaluate, lambda text, context: RENDERER.render("x{{ " + text + " }}", context)):
        with pytest.raises(ExpressionError) as caught:
            run(expression, CONTEXT)
        assert caught.value.kind == "unknown_name"
        assert words in caught.value.message


@pytest.mark.parametrize(
    "expression",
    [
        "1 / 0",
        "'a' + 1",
        "'a' < 1",
        "[1] * 2",
        "2 ** 63 * 2 ** 10",
        "9 ** 9 ** 9",
        "1e308 * 10",
        "(-1) ** 0.5",
        "-'a'",
        "1 in 2",
        "{1: 2}",
        "'a' | int",
        "[1, 'a'] | sort",
        "[[1]] | sort",
        "1 | length",
        "'x' | round",
        "5 | items",
        "'a'.index('a')",
        "(1).upper()",
        "loop",
    ],
)
def test_what_does_not_fit_is_an_error(expression):
    """Operations refuse values they are not for, instead of guessing."""
    with pytest.raises(ExpressionError):
        RENDERER.evaluate(expression, CONTEXT)


@pytest.mark.parametrize(
    "expression",
    [
        "a +",
        "a b",
        "{{ a }}",
        "",
        "a | nope",
        "a is nope",
        "nope()",
        "a.nope()",
        "a.b.append(1)",
        "(a)()",
        "a | length(1)",
        "a | map(b)",
        "a | map('nope')",
        "f(*a)",
        "range(**a)",
        "debug()",
        "namespace()",
        "lipsum()",
        "cycler()",
        "a | attr('x')",
        "a | format(1)",
        "a.__class__.mro()",
        "9" * 5_000,
        "(" * 300,
        "a" + ".b" * 300,
        "a is divisibleby()",
        "1e999",
        "a.items(x=1)",
    ],
)
def test_what_is_not_in_the_language_is_refused_before_it_runs(expression):
    """S47, S49: only what is listed exists; the error is one of syntax."""
    with pytest.raises(ExpressionError) as caught:
        RENDERER.evaluate(expression, {})
    assert caught.value.kind == "syntax"


@pytest.mark.parametrize(
    "template",
    [
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set n.x = 1 %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% for i in [1] recursive %}{% endfor %}",
        "{% if %}",
        "{{ ",
        "{% do x %}",
        "{# ",
    ],
)
def test_statements_outside_the_language_are_refused(template):
    """S47: there are no macros, includes, namespaces or recursive loops."""
    with pytest.raises(ExpressionError) as caught:
        RENDERER.compile_tree({"a": template})
    assert caught.value.kind == "syntax"


@pytest.mark.parametrize("attribute", ["__class__", "__init__", "append", "keys", "format", "_x"])
def test_attributes_are_fields_and_nothing_else(attribute):
    """S47, S49: Python's attributes do not exist; a field of that name does."""
    with pytest.raises(ExpressionError):
        RENDERER.evaluate(f"inputs.{attribute}", CONTEXT)
    assert RENDERER.evaluate(f"inputs.{attribute}", {"inputs": {attribute: 1}}) == 1


def test_a_message_shows_the_text_and_the_place():
    """An error of a config says where in it."""
    with pytest.raises(ExpressionError) as caught:
        RENDERER.render({"a": [1, "{{ nope }}"]}, {})
    assert (caught.value.at, str(caught.value)) == ("/a/1", "/a/1: nope is unknown (in {{ nope }})")


def test_a_condition_is_true_as_in_python():
    """Null, false, 0 and everything empty do not hold."""
    assert RENDERER.test("nodes.search.matches", CONTEXT)
    assert not any(RENDERER.test(text, CONTEXT) for text in ("inputs.none", "''", "0", "[]", "{}", "false"))
