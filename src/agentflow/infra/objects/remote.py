"""Blobs in S3, Google Cloud Storage or Azure, through obstore. Its blocking calls are used: they let go of the interpreter lock."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from agentflow.infra.objects.base import (
    CHUNK_BYTES,
    ObjectInfo,
    ObjectMissing,
    ObjectStoreMisconfigured,
    ObjectStoreUnavailable,
    checked,
)

SCHEMES = ("s3", "gs", "az")
_RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
# Plain HTTP only happens where the operator names such an endpoint.
_CLIENT: Any = {"timeout": "60s", "connect_timeout": "5s", "allow_http": True}
_LISTED = 500


class RemoteObjects:
    """Keeps blobs below the path of a URL; credentials and endpoint come from the vendor's usual environment variables."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise ObjectStoreMisconfigured(
                "An object store needs the package obstore.",
                hint="pip install 'agentflow[cluster]', or leave AGENTFLOW_OBJECT_STORE_URL unset.",
            ) from error
        self._url = url
        self._obstore = obstore
        try:
            self._store: Any = from_url(url, retry_config=_RETRIES, client_options=_CLIENT)
        except Exception as error:
            raise ObjectStoreMisconfigured(
                f"The object store {self.place} cannot be used: {_first_line(error)}",
                hint="Write AGENTFLOW_OBJECT_STORE_URL as s3://bucket/prefix, gs://…, az://… or file:///…",
            ) from error

    @property
    def place(self) -> str:
        """Where the blobs are, without what a URL may hold of credentials."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Store a blob; see ``ObjectStore.put``."""
        with self._translated(key, missing_ok=False):
            self._obstore.put(self._store, checked(key), iter(chunks))

    def get(self, key: str) -> Iterator[bytes]:
        """Return a blob in pieces; see ``ObjectStore.get``."""
        with self._translated(key):
            found = self._obstore.get(self._store, checked(key))
        return self._pieces(key, found)

    def _pieces(self, key: str, found: Any) -> Iterator[bytes]:
        with self._translated(key):
            for piece in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(piece)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs; see ``ObjectStore.delete``."""
        for key in keys:
            checked(key)
        if not keys:
            return
        with self._translated("the deletion"):
            try:
                self._obstore.delete(self._store, list(keys))
            except FileNotFoundError:
                # Some stores stop at the first blob that is not there.
                for key in keys:
                    self._delete_one(key)

    def _delete_one(self, key: str) -> None:
        try:
            self._obstore.delete(self._store, key)
        except FileNotFoundError:
            return

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        """Yield the blobs below a folder; see ``ObjectStore.list``."""
        prefix = checked(folder) if folder else None
        with self._translated(folder or "everything", missing_ok=False):
            for batch in self._obstore.list(self._store, prefix, chunk_size=_LISTED):
                for found in batch:
                    yield ObjectInfo(found["path"], found["size"], found["last_modified"])

    def link(self, key: str, life: timedelta) -> str | None:
        """Return a presigned URL; see ``ObjectStore.link``."""
        with self._translated("a link", missing_ok=False):
            return str(self._obstore.sign(self._store, "GET", checked(key), life))

    def check(self) -> None:
        """Look whether the store answers; see ``ObjectStore.check``."""
        with self._translated("a listing", missing_ok=False):
            next(iter(self._obstore.list(self._store, "health", chunk_size=1)), None)

    @contextmanager
    def _translated(self, what: str, *, missing_ok: bool = True) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if missing_ok:
                raise ObjectMissing(f"The stored value {what.rpartition('/')[2]} is gone from {self.place}.") from error
            raise ObjectStoreUnavailable(
                f"There is no bucket for {self.place}.", hint="Make it, or correct the URL.", retry_after_s=5
            ) from error
        except (BaseError, OSError) as error:
            raise ObjectStoreUnavailable(
                f"The object store {self.place} does not serve us: {_first_line(error)}",
                hint="Look at its address and credentials (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL).",
                retry_after_s=5,
            ) from error


def _first_line(error: BaseException) -> str:
    # What follows the first line is a dump of the client's inside.
    return str(error).partition("\n")[0][:300]
