"""Documents that the user names on the command line: read, decoded, and refused with the place of the fault."""

import sys
from pathlib import Path
from typing import Any

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.kit import json

STDIN = "-"
_YAML = frozenset({".yaml", ".yml"})


def read_bytes(name: str) -> bytes:
    """Return the bytes of a file, or of standard input for ``-``.

    Raises:
        CliError: there is no such file, or it cannot be read.
    """
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        raise CliError(f"There is no file {name}.") from error
    except IsADirectoryError as error:
        raise CliError(f"{name} is a folder; a file is needed.") from error
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror}.") from error


def read_document(name: str, exit_code: Exit = Exit.BAD_USAGE) -> Any:
    """Return the value of a JSON file, or of a YAML file when its name ends so.

    Raises:
        CliError: the file cannot be read, or is not what its name says; the message has line and column.
    """
    data = read_bytes(name)
    try:
        if Path(name).suffix.lower() in _YAML:
            return _parse_yaml(data)
        return json.loads(data)
    except ValueError as error:
        raise CliError(f"{name} is not valid {_kind(name)}: {error}", exit_code) from error


def read_object(name: str, exit_code: Exit = Exit.BAD_USAGE) -> dict[str, Any]:
    """Return the object in a file; see ``read_document``.

    Raises:
        CliError: as ``read_document``, and when the document is not an object.
    """
    value = read_document(name, exit_code)
    if not isinstance(value, dict):
        raise CliError(f"{name} must hold one object, not {_type_name(value)}.", exit_code)
    return value


def _kind(name: str) -> str:
    return "YAML" if Path(name).suffix.lower() in _YAML else "JSON"


def _type_name(value: Any) -> str:
    return {list: "a list", str: "text", type(None): "null", bool: "true or false"}.get(type(value), "a number")


def _parse_yaml(data: bytes) -> Any:
    import yaml

    try:
        value = yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    # Through JSON and back: dates become text, and keys that are no text are refused.
    text = json.dumps(value)
    json.check(value)
    return json.loads(text)
