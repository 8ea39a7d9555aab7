"""docs/reference/expressions.md."""

import inspect
from collections.abc import Mapping

from agentflow.spec.expressions.calls import ALL_TESTS
from agentflow.spec.expressions.library import FILTERS, FUNCTIONS, LIST_METHODS, OBJECT_METHODS, TEXT_METHODS, Function
from scripts.reference.text import code, page, table

_NAMES = (
    ("inputs.*", "everywhere", "the run's inputs"),
    ("nodes.<id>.*", "everywhere", "what a node that ran before put out; `nodes.<id>.error` when it has an `on_error`"),
    ("run.id, run.started_at", "everywhere", "the run itself"),
    ("item, index", "in the body of a map", "the item, and its place from 0"),
    ("secrets.*", "in a source's config", "secrets, by name"),
    ("loop.*", "in a `for`", "`index`, `index0`, `first`, `last`, `length`, `revindex`, `revindex0`, `previtem`, `nextitem`"),
)
_SPECIAL = (
    (
        "default(default_value='', boolean=false)",
        "Return the fallback when the value is missing; with `boolean` also when it is empty. Also `d`.",
    ),
    ("map(filter, …) or map(attribute=…, default=…)", "Return every item through a filter, or one field of every item."),
    ("select(test, …), reject(test, …)", "Return the items that pass a test, or do not; without a test those that are true."),
    ("selectattr(field, test, …), rejectattr(field, test, …)", "Likewise, by one field of every item."),
)
_STATEMENTS = (
    "`{{ expression }}`, `{% if %}` with `elif` and `else`, `{% for x in list if condition %}` with `else`, `{% set name = … %}`, "
    "`{% set name %}…{% endset %}`, `{% with name = … %}`, `{% raw %}` and `{# comments #}`."
)
_OPERATORS = "`+ - * / // % **`, `~` (joins anything as text), `== != < <= > >=`, `in`, `and or not`, `a if b else c`, `x.y`, `x['y']`, `x[0]`, `x[1:3]`."


def render() -> str:
    """Return the page."""
    return page(
        "Expressions and templates",
        "One language with Jinja's syntax over plain JSON. Conditions and fields marked *expression* are bare expressions; every other string of a "
        "config is a template. A value that is exactly one `{{ … }}` keeps its type. An unknown name is an error. Steps, and the size of what is "
        "touched and made, are bounded by `AGENTFLOW_EXPRESSION_FUEL`, `AGENTFLOW_MAX_VALUE_BYTES` and `AGENTFLOW_MAX_TEMPLATE_BYTES`.",
        "## Names\n\n" + table(("name", "where", "is"), ((code(name), where, what) for name, where, what in _NAMES)),
        f"## Syntax\n\nOperators: {_OPERATORS}\n\nStatements: {_STATEMENTS}",
        "## Filters\n\nWritten `value | name(…)`.\n\n"
        + table(("filter", "gives"), [*_rows(FILTERS), *((code(a), b) for a, b in _SPECIAL)]),
        "## Tests\n\nWritten `value is name`: " + ", ".join(map(code, sorted(ALL_TESTS))) + ".",
        "## Functions\n\n" + table(("function", "gives"), _rows(FUNCTIONS, skip=1)),
        "## Methods\n\nWritten `value.name(…)`.",
        "### Of text\n\n" + table(("method", "gives"), _rows(TEXT_METHODS)),
        "### Of lists\n\n" + table(("method", "gives"), _rows(LIST_METHODS)),
        "### Of objects\n\n" + table(("method", "gives"), _rows(OBJECT_METHODS)),
    )


def _rows(functions: Mapping[str, Function], skip: int = 2) -> list[tuple[str, str]]:
    """Return name with arguments and meaning; ``skip`` are the parameters a user does not write: the budget, and the value itself."""
    rows = []
    for name, function in functions.items():
        parameters = [str(p).split(":")[0] + (f"={p.default!r}" if p.default is not p.empty else "") for p in _parameters(function)[skip:]]
        rows.append(
            (
                code(f"{name}({', '.join(parameters)})" if parameters else name),
                (inspect.getdoc(function) or "").splitlines()[0].replace("``", "`"),
            )
        )
    return rows


def _parameters(function: Function) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())
