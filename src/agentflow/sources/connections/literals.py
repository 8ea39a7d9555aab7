"""Finding secrets that are written out in the config of a source, where only their names should stand."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from agentflow.kit.json import pointer

_NAMES = frozenset({"password", "token", "api_key", "secret", "client_secret", "access_key", "secret_key", "private_key", "passphrase"})
_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})


def written_out(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the JSON Pointer of every setting that holds a secret as it is."""
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), dict(config))]
    while stack:
        place, value = stack.pop()
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            stack.extend(((*place, key), item) for key, item in items)
        elif isinstance(value, str) and value and "{{" not in value and (_is_named(place) or _has_password(value)):
            yield pointer("", *place)


def _is_named(place: tuple[str | int, ...]) -> bool:
    names = [str(part).lower() for part in place]
    if names[-1] in _NAMES or names[-2:] == ["auth", "value"]:
        return True
    return len(names) > 1 and names[-2] == "headers" and names[-1] in _HEADERS


def _has_password(text: str) -> bool:
    if "://" not in text:
        return False
    try:
        return bool(urlsplit(text).password)
    except ValueError:
        return False
