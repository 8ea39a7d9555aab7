"""Master keys in a file of the data folder, or in the environment."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from agentflow.infra.crypto import UnreadableKey, fingerprint, key_from_text, new_key, seal, to_text, unseal
from agentflow.infra.keys.errors import MasterKeyMissing, MasterKeyUnreadable, NoNewMasterKey
from agentflow.kit.ids import new_id

MASTER_FILE = "master.key"


class EnvironmentKeys:
    """Master keys that whoever starts the process gives it: the current one, and those that data may still be sealed with.

    Args:
        texts: keys in base64, the current one first.

    Raises:
        MasterKeyUnreadable: one of them is no key.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._keys = _read("AGENTFLOW_MASTER_KEY", texts)

    async def known(self) -> tuple[str, ...]:
        """Return the names of the keys; see ``KeyService.known``."""
        return tuple(self._keys)

    async def begin(self) -> str:
        """Return the name of the current key; see ``KeyService.begin``."""
        return next(iter(self._keys))

    async def wrap(self, master_id: str, key: bytes, place: bytes) -> bytes:
        """Encrypt a data key; see ``KeyService.wrap``."""
        return seal(_find(self._keys, master_id), key, place)

    async def unwrap(self, master_id: str, wrapped: bytes, place: bytes) -> bytes:
        """Decrypt a data key; see ``KeyService.unwrap``."""
        return unseal(_find(self._keys, master_id), wrapped, place)

    async def successor(self, current: str) -> str:
        """Return the key that was given as the current one; see ``KeyService.successor``."""
        newest = next(iter(self._keys))
        if newest == current:
            raise NoNewMasterKey(
                "AGENTFLOW_MASTER_KEY holds the key that is in use.",
                hint="Put a new key there and the present one into AGENTFLOW_MASTER_KEYS_PREVIOUS, restart every process, and repeat this.",
            )
        return newest

    async def keep_only(self, current: str) -> None:
        """Do nothing: the environment belongs to whoever starts the process; see ``KeyService.keep_only``."""


class FileKeys:
    """Master keys in a file that only its owner can read, one a line, the current one first.

    The file is read again when a key is asked for that is not known: another process may have changed it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, bytes] = {}

    async def known(self) -> tuple[str, ...]:
        """Return the names of the keys; see ``KeyService.known``."""
        self._keys = await asyncio.to_thread(self._load)
        return tuple(self._keys)

    async def begin(self) -> str:
        """Make the file, unless it is there; see ``KeyService.begin``."""
        found = await self.known()
        if found:
            return found[0]
        await asyncio.to_thread(self._store, [new_key()], first=True)
        return (await self.known())[0]

    async def wrap(self, master_id: str, key: bytes, place: bytes) -> bytes:
        """Encrypt a data key; see ``KeyService.wrap``."""
        return seal(await self._key(master_id), key, place)

    async def unwrap(self, master_id: str, wrapped: bytes, place: bytes) -> bytes:
        """Decrypt a data key; see ``KeyService.unwrap``."""
        return unseal(await self._key(master_id), wrapped, place)

    async def successor(self, current: str) -> str:
        """Return the key before ``current``, or write a new one there; see ``KeyService.successor``."""
        found = await self.known()
        if not found or found[0] == current:
            await asyncio.to_thread(self._store, [new_key(), *self._keys.values()])
            found = await self.known()
        return found[0]

    async def keep_only(self, current: str) -> None:
        """Write the file with one key; see ``KeyService.keep_only``."""
        if await self.known() != (current,):
            await asyncio.to_thread(self._store, [_find(self._keys, current)])
            self._keys = await asyncio.to_thread(self._load)

    async def _key(self, master_id: str) -> bytes:
        if master_id not in self._keys:
            await self.known()
        return _find(self._keys, master_id, self._path)

    def _load(self) -> dict[str, bytes]:
        try:
            lines = self._path.read_text().split()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise MasterKeyUnreadable(f"The file of master keys cannot be read: {error}.", hint="Look at its owner and mode.") from error
        return _read(str(self._path), lines)

    def _store(self, keys: Sequence[bytes], *, first: bool = False) -> None:
        """Write the whole file, durably: it is the old one or the new one, whenever the process dies.

        With ``first`` a file that another process wrote meanwhile is left alone.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._path.with_suffix(f".{new_id()}.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{to_text(key)}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        try:
            if first:
                self._path.hardlink_to(temporary)
            else:
                temporary.replace(self._path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
        _sync(self._path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(where: str, texts: Sequence[str]) -> dict[str, bytes]:
    keys = {}
    for number, text in enumerate(texts, start=1):
        try:
            key = key_from_text(text)
        except UnreadableKey as error:
            raise MasterKeyUnreadable(
                f"Master key {number} of {where} {error}.", hint="A master key is 32 random bytes in base64: `openssl rand -base64 32`."
            ) from error
        keys[fingerprint(key)] = key
    return keys


def _find(keys: Mapping[str, bytes], master_id: str, where: Path | str = "AGENTFLOW_MASTER_KEY") -> bytes:
    key = keys.get(master_id)
    if key is None:
        raise MasterKeyMissing(
            f"The data are sealed with the master key {master_id}, which {where} does not hold.",
            hint="Bring back the file of master keys, or the variables, that this database was used with.",
        )
    return key
