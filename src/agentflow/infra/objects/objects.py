"""Object stores for asynchronous callers: every call happens in one of a few threads."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from prometheus_client import Histogram

from agentflow.config.settings import Settings
from agentflow.infra.objects.base import CHUNK_BYTES, ObjectInfo, ObjectStore, ObjectStoreMisconfigured
from agentflow.infra.objects.files import FileObjects
from agentflow.infra.objects.remote import SCHEMES, RemoteObjects

T = TypeVar("T")

_SECONDS = Histogram(
    "agentflow_object_store_seconds",
    "Time that one call to the object store took.",
    ["operation"],
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1, 5, 20, 60),
)
_THREADS = 4
_PAGE = 500
"""Blobs of a listing that are handed over at a time."""


class Objects:
    """What the rest of the program uses. See ``ObjectStore`` for what each call means and raises."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")

    @property
    def place(self) -> str:
        """Where the blobs are, for people."""
        return self._store.place

    async def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Store a blob."""
        await self._call("put", lambda: self._store.put(key, _cut(data)))

    async def read(self, key: str) -> bytes:
        """Return a whole blob."""
        return await self._call("get", lambda: b"".join(self._store.get(key)))

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Return a blob in pieces; a missing one is noticed before this returns."""
        pieces = await self._call("get", lambda: self._store.get(key))
        return self._each(pieces)

    async def _each(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (piece := await self._call("get", lambda: next(pieces, None))) is not None:
            yield piece

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs."""
        if keys:
            await self._call("delete", lambda: self._store.delete(keys))

    async def delete_folder(self, folder: str) -> int:
        """Delete the blobs below a folder and return how many there were."""
        count = 0
        async for page in self.pages(folder):
            await self.delete([item.key for item in page])
            count += len(page)
        return count

    async def pages(self, folder: str = "") -> AsyncIterator[list[ObjectInfo]]:
        """Yield the blobs below a folder, some hundred at a time."""
        found = self._store.list(folder)
        while page := await self._call("list", lambda: list(islice(found, _PAGE))):
            yield page

    async def link(self, key: str, life: timedelta) -> str | None:
        """Return a URL by which anybody can read a blob for a while, or None."""
        return await self._call("link", lambda: self._store.link(key, life))

    async def check(self) -> None:
        """Look whether the store answers."""
        await self._call("check", self._store.check)

    async def _call(self, operation: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            _SECONDS.labels(operation).observe(time.perf_counter() - started)

    async def close(self) -> None:
        """Let calls under way end, and stop the threads."""
        await asyncio.to_thread(self._threads.shutdown)


def _cut(data: bytes | BinaryIO) -> Iterable[bytes]:
    if isinstance(data, bytes):
        view = memoryview(data)
        return (bytes(view[start : start + CHUNK_BYTES]) for start in range(0, len(view), CHUNK_BYTES))
    return iter(lambda: data.read(CHUNK_BYTES), b"")


def open_objects(settings: Settings) -> Objects:
    """Return the store that the settings name; nothing is connected yet.

    Raises:
        ObjectStoreMisconfigured: the URL names none that we can use, or the package for it is missing.
    """
    url = settings.object_store_url
    if url is None:
        return Objects(FileObjects(settings.data_dir / "objects"))
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return Objects(FileObjects(Path(unquote(parts.path))))
    if parts.scheme in SCHEMES and parts.netloc:
        return Objects(RemoteObjects(url))
    raise ObjectStoreMisconfigured(
        f"AGENTFLOW_OBJECT_STORE_URL begins with {parts.scheme or 'no scheme'}: such a store is not known.",
        hint="Write s3://bucket/prefix, gs://…, az://… or file:///absolute/path.",
    )
