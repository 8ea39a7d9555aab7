"""References to large values. They stand in columns of their own that nothing of a user's reaches, so that no data can forge one."""

import hashlib
import uuid
from dataclasses import asdict, dataclass
from typing import Any

_NAMESPACE = uuid.UUID("6f1d9a0e-52b4-5c0e-9c53-9f2d1f0c7a11")


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the JSON text of a value lies.

    Attributes:
        key: its key in the object store: tenant, run and content, so equal values of a run are stored once; of a cached output, what it is
            cached for instead of the run.
        size: bytes.
        sha256: of the text, in hexadecimal; checked whenever it is read.
    """

    key: str
    size: int
    sha256: str

    @property
    def id(self) -> str:
        """Id of the artifact that the value is."""
        return str(uuid.uuid5(_NAMESPACE, self.key))

    def stored(self) -> dict[str, Any]:
        """Return the reference as its column holds it."""
        return asdict(self)


def folder(tenant_id: str, run_id: str) -> str:
    """Return where the large values of a run lie."""
    return f"{tenant_id}/runs/{run_id}"


def cache_folder(tenant_id: str, key: str) -> str:
    """Return where the large outputs lie that are cached under a key: they outlive the run that they come from."""
    return f"{tenant_id}/cache/{key}"


def refer(place: str, text: bytes) -> Reference:
    """Return the reference of a value's JSON text in a folder. Takes a millisecond per megabyte or so; call it in a thread."""
    digest = hashlib.sha256(text).hexdigest()
    return Reference(f"{place}/{digest}", len(text), digest)
