"""Blobs as files: the default, and what ``file:///`` means."""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from agentflow.errors import StorageFull
from agentflow.infra.objects.base import CHUNK_BYTES, ObjectInfo, ObjectMissing, ObjectStoreUnavailable, checked

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNFINISHED = ".unfinished"
_TRIES = 5
"""How often a blob is moved to a folder that a deletion beside it may take away."""


class FileObjects:
    """Keeps each blob in a file below ``root``.

    A blob is written beside its place, synced, then moved there and the folder synced: after a crash it is whole or not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        """Where the blobs are."""
        return f"files in {self._root}"

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Store a blob; see ``ObjectStore.put``."""
        target = self._root / checked(key)
        with _translated("write", target):
            unfinished = self._write(chunks)
            try:
                _move(unfinished, target)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise

    def _write(self, chunks: Iterable[bytes]) -> Path:
        _make_folder(self._root / _UNFINISHED)
        path = self._root / _UNFINISHED / uuid4().hex
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                for chunk in chunks:
                    _write_all(file.fileno(), chunk)
                # A sync that fails is not repeated: the file is thrown away and the caller hears of it.
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def get(self, key: str) -> Iterator[bytes]:
        """Return a blob in pieces; see ``ObjectStore.get``."""
        path = self._root / checked(key)
        with _translated("read", path):
            return _pieces(os.open(path, os.O_RDONLY | os.O_CLOEXEC), path)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs, and folders that become empty; see ``ObjectStore.delete``."""
        for key in keys:
            path = self._root / checked(key)
            with _translated("delete", path):
                path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._root or not _removed(folder):
                    break

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Yield the blobs below a folder; see ``ObjectStore.list``."""
        top = self._root / checked(folder) if folder else self._root
        with _translated("list", top):
            for parent, folders, names in os.walk(top, onerror=_unless_missing):
                if _UNFINISHED in folders:
                    folders.remove(_UNFINISHED)
                for name in names:
                    path = Path(parent, name)
                    with contextlib.suppress(FileNotFoundError):  # deleted while we look
                        facts = path.stat()
                        moment = datetime.fromtimestamp(facts.st_mtime, UTC)
                        yield ObjectInfo(path.relative_to(self._root).as_posix(), facts.st_size, moment)

    def link(self, key: str, life: timedelta) -> str | None:
        """Return None: files have no address of their own."""
        return None

    def check(self) -> None:
        """Look whether files can be made; see ``ObjectStore.check``."""
        with _translated("write", self._root):
            _make_folder(self._root)
            probe = self._root / f".probe-{uuid4().hex}"
            probe.touch(mode=0o600)
            probe.unlink()


def _write_all(handle: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(handle, left) :]


def _pieces(handle: int, path: Path) -> Iterator[bytes]:
    with os.fdopen(handle, "rb", buffering=0) as file:
        while True:
            with _translated("read", path):
                piece = file.read(CHUNK_BYTES)
            if not piece:
                return
            yield piece


def _move(source: Path, target: Path) -> None:
    for attempt in range(_TRIES):
        _make_folder(target.parent)
        try:
            source.replace(target)
        except FileNotFoundError:
            # The last blob of the folder was deleted at this moment, and the folder with it.
            if attempt == _TRIES - 1:
                raise
        else:
            _sync_folder(target.parent)
            return


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it durably: a new name is on disk when the folder that holds it is synced."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False  # not empty, or somebody else was faster
    return True


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


@contextlib.contextmanager
def _translated(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if doing == "read":
            raise ObjectMissing(
                f"The stored value {path.name} is gone.", hint="Was the data folder restored without its objects?"
            ) from error
        raise ObjectStoreUnavailable(f"Objects cannot be kept in files: {error.strerror}.", retry_after_s=2) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(f"There is no room for a value in {path.parent}.", hint="Free some space; nothing was lost.") from error
        raise ObjectStoreUnavailable(f"A stored value cannot be {_DONE[doing]}: {error.strerror}.", retry_after_s=2) from error


_DONE = {"read": "read", "write": "written", "delete": "deleted", "list": "listed"}
