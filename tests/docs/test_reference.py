"""The reference is what the code says, and the code says it of everything."""

import pytest

from agentflow.config.settings import Settings
from agentflow.identity.permissions import Permission
from agentflow.nodes.builtin import builtin_registry
from agentflow.runtime.states import EventType
from agentflow.spec.problems import Code
from scripts.reference.__main__ import FOLDER, stale
from scripts.reference.cli import commands
from scripts.reference.errors import node_errors, request_errors


def test_the_reference_is_current():
    """`make docs` would change nothing."""
    assert stale() == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings.md", [f"AGENTFLOW_{name.upper()}" for name in Settings.model_fields]),
        ("node-types.md", builtin_registry().names()),
        ("errors.md", [*(error.code for error in request_errors()), *node_errors(), *Code]),
        ("permissions.md", list(Permission)),
        ("events.md", list(EventType)),
    ],
)
def test_everything_is_documented(page, names):
    """No setting, node type, error, permission or event is missing."""
    text = (FOLDER / page).read_text()
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_setting_says_what_it_is_for():
    """A setting without a description would be a row without a meaning."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_command_and_option_says_what_it_is_for():
    """Help is part of a command."""
    text = (FOLDER / "cli.md").read_text()
    for name, command in commands():
        assert f"## {name}\n" in text
        assert command.help, name
        assert [parameter.name for parameter in command.params if not parameter.help] == [], name


@pytest.mark.parametrize("node_type", builtin_registry().all(), ids=lambda node_type: node_type.type)
def test_every_field_of_a_node_type_says_what_it_is_for(node_type):
    """Every field of a config has a description and an example."""
    fields = node_type.config_schema.get("properties", {})
    assert [name for name, part in fields.items() if not (part.get("description") and part.get("examples"))] == []
