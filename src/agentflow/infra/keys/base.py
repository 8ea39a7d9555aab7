"""The port of key services: who keeps the master keys, and wraps data keys with them."""

from typing import Protocol


class KeyService(Protocol):
    """Keeps master keys; they never leave it.

    A key has a name (``master_id``) that tells nothing about it. ``place`` is bound into a wrapped key: it opens only there.
    """

    async def known(self) -> tuple[str, ...]:
        """Return the names of the master keys there are, the one for new data first; empty before the first start.

        Raises:
            MasterKeyUnreadable: what is there cannot be read.
        """
        ...

    async def begin(self) -> str:
        """Make the very first master key and return its name.

        Raises:
            MasterKeyMissing: this service is given its keys by somebody else, and has none.
        """
        ...

    async def wrap(self, master_id: str, key: bytes, place: bytes) -> bytes:
        """Encrypt a data key.

        Raises:
            MasterKeyMissing: there is no such master key.
        """
        ...

    async def unwrap(self, master_id: str, wrapped: bytes, place: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            MasterKeyMissing: there is no such master key.
            SealBroken: it was changed, or belongs to another place.
        """
        ...

    async def successor(self, current: str) -> str:
        """Return the name of the master key that follows ``current``, making it if need be; both are kept. Repeating it changes nothing.

        Raises:
            NoNewMasterKey: this service is given its keys by somebody else, who has not given a new one.
        """
        ...

    async def keep_only(self, current: str) -> None:
        """Forget every other master key; nothing is wrapped with them any more."""
        ...
