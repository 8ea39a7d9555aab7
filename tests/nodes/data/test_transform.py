"""The transform node, and what its config tells before anything runs."""

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.nodes.data.transform import TransformConfig, TransformNode
from agentflow.nodes.shapes import schema_of
from tests.nodes.context import FakeContext

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
async def test_the_value_is_the_output(value) -> None:
    """Nothing is added or lost."""
    assert await TransformNode().run(FakeContext(), TransformConfig(value=value)) == value


@given(JSON)
def test_every_literal_fits_its_schema(value) -> None:
    """What is derived from a literal is true of it."""
    jsonschema_rs.validate(dict(schema_of(value)), value)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("{{ inputs.a }}", {}),
        (" {{ inputs.a }} ", {}),
        ("{{ a }} and {{ b }}", {}),
        ("Hello {{ inputs.a }}", {"type": "string"}),
        ("{% if a %}x{% endif %}", {"type": "string"}),
        (["{{ a }}", "{{ b }}"], {"type": "array", "items": {}}),
        ([1, "a"], {"type": "array"}),
        ([], {"type": "array"}),
    ],
)
def test_templates_promise_no_more_than_they_keep(value, schema) -> None:
    """A single template may yield anything; text around one makes it text."""
    assert schema_of(value) == schema


def test_fields_of_an_object_are_known() -> None:
    """References to a field that is not built are found when the workflow is saved."""
    schema = TransformNode().output_schema({"value": {"title": "{{ inputs.t }}", "n": 1}})
    assert schema["properties"] == {"title": {}, "n": {"type": "integer"}}
    assert schema["additionalProperties"] is False


def test_a_config_without_value_promises_nothing() -> None:
    """The validator may ask about a broken config."""
    assert TransformNode().output_schema({}) == {}
