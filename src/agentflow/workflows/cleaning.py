"""Taking secrets out of a specification before it leaves: where one stands written out, its name is left."""

import re
from collections.abc import Mapping
from typing import Any

from agentflow.sources.connections.literals import written_out

HIDDEN = "[secret]"
"""Stands where a node had a secret written out: nodes have no names for secrets, sources do."""
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/?#@:]*):[^/?#]*(?=@)")


def without_secrets(spec: Any) -> Any:
    """Return a specification in which no secret is written out.

    In its sources the name of a secret takes the place of each, as ``{{ secrets.SHOP_TOKEN }}`` for the token of the source ``shop``.
    """
    for place in written_out(spec):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]]
        is_source = parts[0] == "sources" and len(parts) > 1
        spec = _with(spec, parts, _Hidden(spec["sources"][int(parts[1])], parts[-1]) if is_source else _Hidden())
    return spec


class _Hidden:
    """What takes the place of a secret: its name in a source, which has an id and the setting; elsewhere a word."""

    def __init__(self, source: Any = None, setting: str = "") -> None:
        self._words = f"{source.get('id', 'source')}_" if isinstance(source, Mapping) else None
        self._setting = setting

    def instead_of(self, text: str) -> str:
        # Of a URL the password goes alone: where it leads is no secret.
        hidden, count = _PASSWORD.subn(lambda found: f"{found['user']}:{self._shown('password')}", text)
        return hidden if count else self._shown(self._setting)

    def _shown(self, setting: str) -> str:
        if self._words is None:
            return HIDDEN
        return f"{{{{ secrets.{re.sub(r'[^A-Za-z0-9]+', '_', self._words + setting).strip('_').upper()} }}}}"


def _with(value: Any, parts: list[str], hidden: _Hidden) -> Any:
    """Return a value with the secret at a place hidden; everything else is shared with the original."""
    if not parts:
        return hidden.instead_of(str(value))
    key, rest = parts[0], parts[1:]
    if isinstance(value, list):
        return [_with(item, rest, hidden) if str(index) == key else item for index, item in enumerate(value)]
    return {field: _with(item, rest, hidden) if field == key else item for field, item in value.items()}
