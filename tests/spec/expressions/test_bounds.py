"""Whatever a text says and whatever it is given, it ends soon, in little memory, and changes nothing."""

import contextlib
import copy
import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.spec.expressions import ExpressionError, Renderer, references
from tests.support.effort import effort

RENDERER = Renderer(fuel=100_000, max_output_bytes=10_000_000, max_template_bytes=65_536)
TEXT = "x" * 9_000_000
ROWS = [{"t": "y" * 100, "k": index} for index in range(100_000)]
CONTEXT = {"a": {"text": TEXT, "other": TEXT[1:] + "z", "rows": ROWS, "rows2": [dict(row) for row in ROWS]}}
GROWING_LIST = "{% set a = [1, 2, 3] %}" + "{% set a = [a, a, a, a, a, a, a, a] %}" * 30

HOSTILE = {
    "output of a loop": "{% set a = 'x' * 1000 %}{% set b = a * 1000 %}{% for i in range(10000) %}{{ b }}{% endfor %}",
    "concatenation": "{% for i in range(8000) %}{% if a.text ~ 'z' == 'y' %}{% endif %}{% endfor %}",
    "doubling text": "{% set a = 'x' * 1000 %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "growing list as text": GROWING_LIST + "{{ a }}",
    "growing list as JSON": GROWING_LIST + "{{ a | tojson }}",
    "growing list compared": GROWING_LIST + "{{ a == a }}",
    "growing list, unique": GROWING_LIST + "{{ [a] | unique }}",
    "comparing text": "{% for i in range(8000) %}{% if a.text == a.other %}{% endif %}{% endfor %}",
    "comparing lists": "{% for i in range(2000) %}{% if a.rows == a.rows2 %}{% endif %}{% endfor %}",
    "searching text": "{% for i in range(8000) %}{% if ('x' * 1000 ~ 'z') in a.text %}{% endif %}{% endfor %}",
    "searching lists": "{{ a.rows | select('in', a.rows) | list }}",
    "slices": "{% for i in range(8000) %}{% set q = a.text[1:] %}{% endfor %}",
    "filters": "{% for i in range(8000) %}{% set q = a.text | upper %}{% endfor %}",
    "nested loops": "{% for i in range(300) %}{% for j in range(300) %}{% for k in range(300) %}{% endfor %}{% endfor %}{% endfor %}",
    "long range": "{{ range(10 ** 15) | length }}",
    "long join": "{{ range(90000) | map('string') | join(a.text) }}",
    "replace": "{{ a.text | replace('x', 'yyyyyyyy') }}",
    "indent": "{{ ('\n' * 1000000) | indent(200) }}",
    "urlencode": "{{ a.text | urlencode }}",
    "escape": "{{ ('<' * 5000000) | e }}",
    "split": "{{ ('a ' * 4000000).split() }}",
    "split by letter": "{{ a.text.split('x') }}",
    "lines": "{{ ('a\n' * 4000000) | lines }}",
    "letters": "{{ a.text | list }}",
    "power": "{{ 9 ** 9 ** 9 }}",
    "multiplication": "{{ a.text * 1000 }}",
    "sorting": "{{ a.rows | sort(attribute='t') | sort(attribute='k') | sort(attribute='t') }}",
    "block set": "{% set x %}{% for i in range(9000) %}{{ a.text[:9000] }}{% endfor %}{% endset %}{{ x | length }}",
    "many expressions": "{{ a.text == a.other }}" * 1_800,
    "deep statements": "{% if 1 %}" * 2_000,
    "deep expression": "{{ " + "(" * 20_000 + " }}",
    "long chain": "{{ 1" + " + 1" * 15_000 + " }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_end_soon(name):
    """S48, S100: each is refused, or done, within the work of a second."""
    with effort() as cost, pytest.raises(ExpressionError):
        RENDERER.render(HOSTILE[name], CONTEXT)
    assert cost.units < 20


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in {"long chain", "deep expression"}])
def test_hostile_templates_stay_small(name):
    """S48: none takes 200 MB on its way."""
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            RENDERER.render(HOSTILE[name], CONTEXT)
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("expression", "length"), [("[a.rows, a.rows, a.rows]", None), ("[" + "a.text," * 100 + "]", None), ("a.rows[:1000]", 1_000)]
)
def test_a_result_is_bounded_like_any_value(expression, length):
    """A value may not be larger than the limit, however often it names the same list."""
    if length is not None:
        assert len(RENDERER.evaluate(expression, CONTEXT)) == length
        return
    with pytest.raises(ExpressionError) as caught:
        RENDERER.evaluate(expression, CONTEXT)
    assert caught.value.kind == "budget"


def test_a_large_value_passes_through_untouched():
    """Naming a value costs nothing, whatever its size."""
    assert RENDERER.render("{{ a.rows }}", CONTEXT) is ROWS


def test_a_text_over_the_length_limit_is_refused():
    """The limit counts bytes, not letters."""
    small = Renderer(fuel=1_000, max_output_bytes=1_000, max_template_bytes=100)
    assert small.evaluate("'" + "x" * 98 + "'", {}) == "x" * 98
    with pytest.raises(ExpressionError) as caught:
        small.evaluate("'" + "ü" * 60 + "'", {})
    assert caught.value.kind == "budget"


def test_the_message_names_the_limit():
    """Who runs into a bound learns which setting it is."""
    small = Renderer(fuel=1_000, max_output_bytes=1_000, max_template_bytes=1_000)
    with pytest.raises(ExpressionError, match="expression_fuel"):
        small.evaluate("range(2000) | list", {})
    with pytest.raises(ExpressionError, match="max_value_bytes"):
        small.render("{{ x }}{{ x }}", {"x": "y" * 600})


WORDS = re.findall(
    r"\S+",
    """
    a b.c d 1 2.5 'x' true none + - * / // % ** ~ == != < >= and or not in is if else ( ) [ ] { } , : . |
    length first last list map select sort sum join upper replace default tojson items int round unique reverse batch groupby
    defined none number odd range dict get split attribute= loop {{ }} {%if %} {%endif%} {%for in%} {%endfor%} {%set x=%} {# #}
    """,
)
SOUP = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "d", "items"]), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=400, deadline=1_000)
@given(text=SOUP | st.text(max_size=40), value=JSON)
def test_any_text_evaluates_or_fails_as_promised(text, value):
    """Whatever the text, the only exception is ExpressionError, and the values given are not changed."""
    context = {"a": value, "b": {"c": value}, "d": [value, value]}
    before = copy.deepcopy(context)
    for run in (RENDERER.evaluate, RENDERER.render, RENDERER.test):
        with contextlib.suppress(ExpressionError):
            run(text, context)
    assert context == before


@settings(max_examples=200, deadline=1_000)
@given(text=SOUP | st.text(max_size=40))
def test_references_are_found_in_whatever_compiles(text):
    """Finding references fails exactly when compiling does."""
    try:
        RENDERER.compile_tree([text])
    except ExpressionError:
        with pytest.raises(ExpressionError):
            references(text)
    else:
        assert all(reference.path for reference in references(text))
