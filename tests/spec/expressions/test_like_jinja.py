"""The language means what Jinja means, for everything both have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agentflow.spec.expressions import ExpressionError, Renderer

RENDERER = Renderer(fuel=100_000, max_output_bytes=1_000_000, max_template_bytes=10_000)
JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
CONTEXT = {
    "n": 7,
    "s": "Hello World",
    "xs": [3, 1, 2],
    "ws": ["b", "a", "C"],
    "os": [{"k": 1, "v": "x"}, {"k": 2, "v": "y"}],
    "d": {"a": 1},
}

TEMPLATES = [
    "{% for x in xs %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in xs if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }};{% else %}-{% endfor %}",
    "{% for x in xs %}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.index0 }}{% endfor %}",
    "{% for a, b in d.items() %}{{ a }}{{ b }}{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% set y = n %}{% if n > 3 %}{% set y = 9 %}{% endif %}{{ y }}",
    "{% set y = 1 %}{% for x in xs %}{% set y = x %}{% endfor %}{{ y }}",
    "{% with y = n * 2 %}{{ y }}{% endwith %}",
    "{% set t %}a{{ n }}{% endset %}{{ t }}{{ t | length }}",
    " {%- for x in xs -%} {{ x }} {%- endfor -%} ",
    "{{ s | upper }}{{ s | lower }}{{ s | title }}{{ s | capitalize }}",
    "{{ s | replace('l', 'L') }}{{ s | replace('l', 'L', 1) }}",
    "{{ s | truncate(8) }}|{{ s | truncate(5, true) }}",
    "{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}",
    "{{ s | wordcount }}{{ s | length }}{{ s | reverse }}",
    "{{ xs | sort | join(',') }}{{ xs | sort(reverse=true) | first }}{{ xs | max }}{{ xs | min }}{{ xs | sum }}",
    "{{ ws | sort | join }}{{ ws | sort(case_sensitive=true) | join }}{{ ws | map('upper') | join('-') }}",
    "{{ os | map(attribute='v') | join }}{{ os | sum(attribute='k') }}{{ os | selectattr('k', 'gt', 1) | map(attribute='v') | first }}",
    "{{ xs | select('odd') | list | length }}{{ xs | reject('odd') | list | length }}",
    "{% for g in xs | batch(2) %}{{ g | join('+') }};{% endfor %}",
    "{% for g, members in os | groupby('k') %}{{ g }}:{{ members | length }};{% endfor %}",
    "{{ [1, 1, 2] | unique | join }}{{ xs | last }}{{ xs | length }}",
    "{{ missing | default('d') }}{{ '' | default('e', true) }}{{ 0 | default(5) }}",
    "{{ '  x ' | trim }}{{ 'xxaxx' | trim('x') }}{{ '<a&\"' | e }}",
    "{{ 3.14159 | round(2) }}{{ -3 | abs }}{{ '42' | int }}{{ '1.5' | float }}{{ 2.5 | round(0, 'ceil') | int }}",
    "{{ 'a b/c?' | urlencode }}{{ {'a': 'b c'} | urlencode }}",
    "{{ 1 if n is odd else 2 }}{{ 1 if n is divisibleby 7 else 2 }}{{ 1 if 'o' in s else 2 }}",
    "{{ s.upper() }}{{ s.split(' ')[0] }}{{ s.find('W') }}{{ s.startswith('He') | string | lower }}",
    "{{ ', '.join(ws) }}{{ d.get('zz', 4) }}{{ d.keys() | list | first }}",
    "{{ xs[0] }}{{ xs[-1] }}{{ xs[1:] | join }}{{ s[::-1] }}{{ s[0:5] }}",
    "{{ n ~ s ~ 1 }}{{ 'a' 'b' }}{{ n // 2 }}{{ n % 4 }}{{ n ** 2 }}{{ n / 2 }}",
    "{% raw %}{{ n }}{% endraw %}{# gone #}\n",
    "line\r\nnext {{ n + 1 }}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_mean_what_jinja_means(template):
    """Ours and Jinja's own engine give the same text."""
    assert RENDERER.render(template + "!", CONTEXT) == JINJA.from_string(template + "!").render(CONTEXT)


NUMBER = st.integers(-20, 20).map(str) | st.sampled_from(["n", "xs[0]", "1.5", "(xs | length)"])
OPERATION = st.sampled_from([" + ", " - ", " * ", " // ", " % ", " < ", " >= ", " == ", " != ", " and ", " or "])
EXPRESSION = st.recursive(
    NUMBER,
    lambda inner: (
        st.tuples(inner, OPERATION, inner).map("".join)
        | st.tuples(st.sampled_from(["({})", "(not {})", "(-({}))"]), inner).map(lambda pair: pair[0].format(pair[1]))
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=1_000)
@given(EXPRESSION)
def test_expressions_mean_what_jinja_means(expression):
    """Precedence, arithmetic and logic agree; where Jinja fails, so do we."""
    try:
        expected = JINJA.compile_expression(expression, undefined_to_none=False)(**CONTEXT)
    except (TemplateError, ArithmeticError, TypeError):
        with pytest.raises(ExpressionError):
            RENDERER.evaluate(expression, CONTEXT)
        return
    assert RENDERER.evaluate(expression, CONTEXT) == expected
