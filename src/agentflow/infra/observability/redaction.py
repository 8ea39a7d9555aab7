"""Keeping secrets out of what is written: a text that holds one, plain or in a usual disguise, gets a mark in its place."""

import base64
import html
import json as ascii_json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from agentflow.kit import json

MARK = "[secret]"
SHORTEST = 4
"""Shorter texts are no secrets that could be kept: they stand everywhere."""
_KEPT = 10_000


@lru_cache(maxsize=4_096)
def disguises(secret: str) -> Sequence[str]:
    """Return how a secret may look in a text: as it is, escaped for JSON, a URL or HTML, in base64 whatever stands around it, in hex."""
    data = secret.encode()
    found = {
        secret,
        json.dumps(secret)[1:-1],
        ascii_json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        html.escape(secret),
        data.hex(),
        data.hex().upper(),
    }
    for lead in range(3):
        found.update(_in_base64(data, lead))
    return tuple(sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True))


def _in_base64(data: bytes, lead: int) -> set[str]:
    """Return the part of base64 that a text always has in it when ``lead`` bytes (of three) stand before; too little tells nothing."""
    whole = base64.b64encode(b"\0" * lead + data)
    begin = -(-lead * 8 // 6)
    end = (lead + len(data)) * 8 // 6
    inside = whole[begin:end].decode()
    return {inside, inside.replace("+", "-").replace("/", "_")} if len(inside) >= 2 * SHORTEST else set()


class Redactor:
    """Knows some secrets and takes them out of texts and JSON values.

    Args:
        most: how many are known at most; those that were added or added again longest ago go first.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self._looks: Sequence[str] | None = ()
        self._most = most

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know further secrets; those that are too short are passed over."""
        for secret in secrets:
            if len(secret) < SHORTEST:
                continue
            if secret in self._secrets:
                self._secrets.move_to_end(secret)
                continue
            self._secrets[secret] = None
            self._looks = None
            if len(self._secrets) > self._most:
                self._secrets.popitem(last=False)

    @property
    def looks(self) -> Sequence[str]:
        """Everything that is looked for, the longest first, so that none leaves a part of another behind."""
        if self._looks is None:
            self._looks = sorted({look for secret in self._secrets for look in disguises(secret)}, key=len, reverse=True)
        return self._looks

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for look in self.looks:
            if look in text:
                text = text.replace(look, MARK)
        return text

    def value(self, value: Any) -> Any:
        """Return a JSON value without the secrets, in its keys too; the value itself where there are none in it."""
        if not self._secrets or value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        # Most values hold none: one look through the encoded whole is far quicker than a walk.
        encoded = json.dumps(value)
        return self._walked(value) if any(look in encoded for look in self.looks) else value

    def _walked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._walked(key): self._walked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._walked(item) for item in value]
        return value

    def stream(self) -> "StreamRedactor":
        """Return a redactor for a text that comes in pieces."""
        return StreamRedactor(self)


class StreamRedactor:
    """Takes secrets out of a text that comes in pieces, wherever the pieces are cut.

    What may be the begin of a secret is held back until more comes.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, piece: str) -> str:
        """Take a piece and return what can be shown by now; may be empty."""
        text = self._redactor.text(self._held + piece)
        keep = max((_overlap(text, look) for look in self._redactor.looks), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        """Return what was held back: nothing more comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, look: str) -> int:
    """Return how many characters at the end of ``text`` are the begin of ``look``."""
    for length in range(min(len(look) - 1, len(text)), 0, -1):
        if text.endswith(look[:length]):
            return length
    return 0


LOGGED = Redactor()
"""The secrets that this process has unsealed: no log line and no span shows them.

Only operators read those. What tenants read is redacted by what their own run has used, so that nobody can find out, by what is taken out
of his texts, what another tenant's secrets are.
"""
