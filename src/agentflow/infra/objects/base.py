"""The port of object stores: immutable blobs by key. Implementations block; ``Objects`` calls them in threads."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from agentflow.errors import AgentFlowError, Kind, Unavailable

CHUNK_BYTES = 1024 * 1024
"""Size of the pieces that large blobs are read and written in."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class ObjectMissing(AgentFlowError):
    """There is no blob under the key, although something refers to it."""

    kind, code, title = Kind.GONE, "OBJECT_MISSING", "Stored value missing"


class ObjectStoreUnavailable(Unavailable):
    """The object store does not answer, or refuses us."""

    code, title = "OBJECT_STORE_UNAVAILABLE", "Object store unavailable"


class ObjectStoreMisconfigured(AgentFlowError):
    """``AGENTFLOW_OBJECT_STORE_URL`` names no store that we can use."""

    kind, code, title = Kind.INVALID, "OBJECT_STORE_MISCONFIGURED", "Object store not usable"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One blob of a listing.

    Attributes:
        key: its key.
        size: bytes.
        modified: when it was written, in UTC.
    """

    key: str
    size: int
    modified: datetime


class ObjectStore(Protocol):
    """Keeps blobs. Every method blocks, may be called from any thread, and is safe to repeat."""

    @property
    def place(self) -> str:
        """Where the blobs are, for people; holds no credential."""
        ...

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Store a blob; it is whole and durable when this returns, and never half there.

        Raises:
            ObjectStoreUnavailable: it could not be stored.
            StorageFull: there is no room.
        """
        ...

    def get(self, key: str) -> Iterator[bytes]:
        """Return the blob in pieces.

        Raises:
            ObjectMissing: there is none.
            ObjectStoreUnavailable: it cannot be read now.
        """
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs; those that are not there count as deleted.

        Raises:
            ObjectStoreUnavailable: not all could be deleted.
        """
        ...

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Yield the blobs whose keys begin with ``folder`` and a slash, or all for the empty text.

        Raises:
            ObjectStoreUnavailable: the listing broke off.
        """
        ...

    def link(self, key: str, life: timedelta) -> str | None:
        """Return a URL by which anybody can read a blob for a while, or None where the store answers nobody but us.

        Raises:
            ObjectStoreUnavailable: the store cannot make one now.
        """
        ...

    def check(self) -> None:
        """Look whether the store answers.

        Raises:
            ObjectStoreUnavailable: it does not, or refuses us.
        """
        ...


def checked(key: str) -> str:
    """Return ``key`` when it is a plain relative path.

    Raises:
        ValueError: it could lead out of the store; keys are made by us, so this is a fault of ours.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is no key of an object")
    return key
