"""YAML as another way to write JSON: the core schema of YAML 1.2, nothing else that the language can do.

Aliases are refused (nine of them can stand for billions of values), and so are tags and several documents; ``yes``, ``no``, dates and
numbers with a leading zero are text, as YAML 1.2 has it.
"""

import re
from typing import Any

import yaml

from agentflow.kit import json
from agentflow.kit.json import JsonValue


class InvalidYaml(ValueError):
    """The text is not YAML that stands for JSON."""


class _Loader(yaml.CSafeLoader):
    """The safe loader with YAML 1.2's idea of what is not text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library fills it per class


_CORE = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
)


def loads(data: bytes, *, max_depth: int = 100) -> JsonValue:
    """Parse one YAML document.

    Raises:
        InvalidYaml: it is malformed, uses aliases or tags, is nested deeper than ``max_depth``, or holds what JSON cannot.
    """
    try:
        _refuse_tricks(data, max_depth)
        value = yaml.load(data, _Loader)  # noqa: S506 - a subclass of the safe loader
        # Through JSON and back: a key that is no text, or a number beyond 64 bits, ends here.
        return json.loads(json.dump_bytes(value), max_depth=max_depth)
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidYaml(" ".join(str(error).split())) from error


def _refuse_tricks(data: bytes, max_depth: int) -> None:
    depth = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidYaml(f"aliases are not understood ({_line(event)})")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) not in (None, "!"):
            raise InvalidYaml(f"tags are not understood ({_line(event)})")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > max_depth:
            raise InvalidYaml(f"nested deeper than {max_depth} levels")


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "line unknown"


def dumps(value: JsonValue) -> str:
    """Return ``value`` as YAML that ``loads`` reads back the same; keys keep their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if not text.isprintable():
        style = "|" if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)
# The writer also quotes what YAML 1.1 would not take for text, so that other programs read the same.
for _tag, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
