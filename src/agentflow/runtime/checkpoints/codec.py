"""Strict serialisation of checkpoints: JSON-like values, bytes, and two control types of LangGraph.

MessagePack with extension codes of our own. A blob never names a class or a function, so nothing in a stored blob can choose what is
called; a blob with any other extension code (LangGraph's own serialiser names modules in such) is refused before anything is built.
"""

from dataclasses import asdict
from typing import Any

import ormsgpack
from langgraph.types import Interrupt, Send, TimeoutPolicy

_SEND, _INTERRUPT = 40, 41

# Without these, ormsgpack would quietly turn dataclasses, dates, enums and subclasses into plain values.
_PACK = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
_UNPACK = ormsgpack.OPT_NON_STR_KEYS


class UnstorableValue(TypeError):
    """A value in the state is of a type that checkpoints do not hold."""


class RefusedBlob(ValueError):
    """A stored blob is damaged or names a type that is not on the allow-list; nothing of it was called."""


def pack(value: Any) -> bytes:
    """Serialise ``value``.

    Raises:
        UnstorableValue: it holds anything but None, bool, int (64 bit), float, str, bytes, list, tuple, dict, Send and Interrupt.
    """
    try:
        return ormsgpack.packb(value, default=_encode, option=_PACK)
    except ormsgpack.MsgpackEncodeError as error:
        raise UnstorableValue(str(error.__cause__ or error)) from error


def unpack(blob: bytes) -> Any:
    """Return the value of a blob that ``pack`` made; tuples come back as lists.

    Raises:
        RefusedBlob: the blob was not made by ``pack``.
    """
    try:
        return ormsgpack.unpackb(blob, ext_hook=_decode, option=_UNPACK)
    except ValueError as error:
        raise RefusedBlob(f"The stored checkpoint is damaged, or names a type that is not on the allow-list: {error}") from error


def _encode(value: Any) -> Any:
    if type(value) is Send:
        return ormsgpack.Ext(_SEND, pack([value.node, value.arg, _timeout(value.timeout)]))
    if type(value) is Interrupt:
        return ormsgpack.Ext(_INTERRUPT, pack([value.value, value.id, value.response_schema]))
    if isinstance(value, BaseException):
        # LangGraph notes why a task failed; it is for readers only and never raised again.
        return repr(value)
    raise UnstorableValue(f"{type(value).__module__}.{type(value).__qualname__} cannot be kept in a checkpoint")


def _decode(code: int, data: bytes) -> Any:
    if code == _SEND:
        node, arg, timeout = unpack(data)
        return Send(node, arg, timeout=None if timeout is None else TimeoutPolicy(**timeout))
    if code == _INTERRUPT:
        value, id_, schema = unpack(data)
        return Interrupt(value, id_, response_schema=schema)
    raise RefusedBlob(f"Extension type {code} is not on the allow-list.")


def _timeout(policy: TimeoutPolicy | None) -> dict[str, Any] | None:
    return None if policy is None else asdict(policy)


class StrictSerializer:
    """The codec as LangGraph's ``SerializerProtocol``."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """Serialise; see ``pack``."""
        return "agentflow", pack(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Deserialise; see ``unpack``."""
        kind, blob = data
        if kind != "agentflow":
            raise RefusedBlob(f"Blobs of the type {kind} are not read.")
        return unpack(blob)
