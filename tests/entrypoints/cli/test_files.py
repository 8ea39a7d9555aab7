"""Documents that the user names."""

import pytest

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.files import read_document, read_object


def test_a_missing_file_is_named(tmp_path):
    """The message has the name as typed."""
    with pytest.raises(CliError, match=r"no file .*nothing\.json") as caught:
        read_document(str(tmp_path / "nothing.json"))
    assert caught.value.exit_code is Exit.BAD_USAGE


def test_a_folder_is_not_a_file(tmp_path):
    """A folder is refused as one."""
    with pytest.raises(CliError, match="is a folder"):
        read_document(str(tmp_path))


def test_broken_json_is_refused_with_line_and_column(tmp_path):
    """The place of the fault is in the message, and the exit code is the caller's."""
    path = tmp_path / "spec.json"
    path.write_text('{\n  "name": oops\n}')
    with pytest.raises(CliError, match="line 2 column 11") as caught:
        read_document(str(path), Exit.INVALID_SPEC)
    assert caught.value.exit_code is Exit.INVALID_SPEC


def test_yaml_is_read_by_its_suffix(tmp_path):
    """A .yaml file holds the same document."""
    path = tmp_path / "spec.yaml"
    path.write_text("name: a\nnodes:\n  - id: x\n")
    assert read_document(str(path)) == {"name": "a", "nodes": [{"id": "x"}]}


@pytest.mark.parametrize("text", ["a: [1", "!!python/object/apply:os.getcwd []", "? [1, 2]\n: x", "a: .nan"])
def test_yaml_that_json_cannot_hold_is_refused(tmp_path, text):
    """Broken YAML, tags that would run code, keys that are no text."""
    path = tmp_path / "spec.yml"
    path.write_text(text)
    with pytest.raises(CliError, match="is not valid YAML"):
        read_document(str(path))


def test_a_list_is_not_an_object(tmp_path):
    """Where an object is needed the message says what was found."""
    path = tmp_path / "inputs.json"
    path.write_text("[]")
    with pytest.raises(CliError, match="must hold one object, not a list"):
        read_object(str(path))
