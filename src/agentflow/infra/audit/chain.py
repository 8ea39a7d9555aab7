"""The arithmetic of the chain, pure: digests of records, links, signed anchors, and finding the first record that is not as it was.

A link is the SHA-256 of the link before it, the number, and the digest of the record; the first follows 32 zero bytes. An anchor is the
number and link of a record, signed with the tenant's Ed25519 key. Where old records were deleted the chain begins behind the last of them,
whose number and link are signed likewise, under another name: the *floor*.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agentflow.infra.crypto import mac, same
from agentflow.kit import json
from agentflow.kit.clock import iso

START = bytes(32)
"""What the first record of a chain follows."""
FIELDS = ("id", "tenant_id", "at", "actor_id", "actor", "action", "outcome", "resource", "resource_id", "request_id", "address", "details")
"""What the digest of a record covers: all it says."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a chain was at some moment.

    Attributes:
        seq: number of its last record.
        hash: link of that record.
        at: when.
        signature: of all that, with the tenant's key.
    """

    tenant_id: str
    seq: int
    hash: bytes
    at: datetime
    signature: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place at which a chain is not as it was.

    Attributes:
        seq: number of the record that is changed, missing, or not where it was; None of one that is not in the chain.
        record_id: its id, where it is there.
        reason: what is wrong, for people.
    """

    seq: int | None
    record_id: str | None
    reason: str


def digest(record: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of what a record says."""
    said = {name: record[name] for name in FIELDS}
    said["at"] = iso(record["at"])
    return hashlib.sha256(json.canonical(said)).digest()


def record_mac(key: bytes, record: Mapping[str, Any]) -> bytes:
    """Return the proof that this program wrote a record."""
    return mac(key, digest(record))


def link(before: bytes, seq: int, of_record: bytes) -> bytes:
    """Return the link of a record."""
    return hashlib.sha256(before + seq.to_bytes(8, "big") + of_record).digest()


_ANCHOR, _FLOOR = "agentflow audit anchor", "agentflow audit floor"


def _signed(what: str, tenant_id: str, seq: int, hash_: bytes, at: datetime) -> bytes:
    return json.canonical([what, tenant_id, seq, hash_.hex(), iso(at)])


def anchor(key: bytes, tenant_id: str, seq: int, hash_: bytes, at: datetime) -> Anchor:
    """Sign the end of a chain; ``key`` is an Ed25519 seed."""
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(_signed(_ANCHOR, tenant_id, seq, hash_, at))
    return Anchor(tenant_id, seq, hash_, at, signature)


def floor(key: bytes, tenant_id: str, seq: int, hash_: bytes, at: datetime) -> Anchor:
    """Sign that a chain may begin behind this record; ``key`` as for ``anchor``. No anchor can be taken for it, nor it for one."""
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(_signed(_FLOOR, tenant_id, seq, hash_, at))
    return Anchor(tenant_id, seq, hash_, at, signature)


def public_key(key: bytes) -> bytes:
    """Return the key that anchors are checked with."""
    return Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()


def is_genuine(public: bytes, claimed: Anchor, *, is_floor: bool = False) -> bool:
    """Tell whether the owner of the key signed an anchor, or a floor."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            claimed.signature, _signed(_FLOOR if is_floor else _ANCHOR, claimed.tenant_id, claimed.seq, claimed.hash, claimed.at)
        )
    except InvalidSignature:
        return False
    return True


class Verifier:
    """Follows a chain from its begin, or its floor, record by record, and holds it against anchors.

    Args:
        mac_key: the tenant's key for records; None where only the links can be checked, as of an exported file.
        anchors: genuine anchors of the chain; one that is not on it is a fault. Those below the floor are of records that are gone.
        begin: the genuine floor of the chain; None where nothing was deleted.
    """

    def __init__(self, mac_key: bytes | None, anchors: list[Anchor], begin: Anchor | None = None) -> None:
        self._mac_key = mac_key
        self._anchors: dict[int, set[bytes]] = {}
        for each in anchors:
            self._anchors.setdefault(each.seq, set()).add(each.hash)
        self.seq, self.hash = (0, START) if begin is None else (begin.seq, begin.hash)
        self.records = 0
        """How many were in order."""
        # What was signed of the last record deleted has to be what the floor says of it.
        self._begin = self.seq
        self._is_odd = any(not same(known, self.hash) for known in self._anchors.get(self.seq, ()))

    def next(self, record: Mapping[str, Any]) -> Fault | None:
        """Take the record with the next number; returns what is wrong with it, or None."""
        seq, record_id = record["seq"], record["id"]
        if seq != self.seq + 1:
            return Fault(self.seq + 1, None, f"Record {self.seq + 1} is missing.")
        of_record = digest(record)
        if self._mac_key is not None and not same(mac(self._mac_key, of_record), bytes(record["mac"])):
            return Fault(seq, record_id, f"Record {seq} was changed, or was not written by this program.")
        link_ = link(self.hash, seq, of_record)
        if not same(link_, bytes(record["hash"] or b"")):
            return Fault(seq, record_id, f"Record {seq} was changed, or is not where it was.")
        if any(not same(known, link_) for known in self._anchors.get(seq, ())):
            return Fault(seq, record_id, f"The chain up to record {seq} is not the one that was signed.")
        self.seq, self.hash = seq, link_
        self.records += 1
        return None

    def end(self) -> Fault | None:
        """Say that there are no more records; returns what is wrong with that, or None."""
        if self._is_odd:
            return Fault(
                self._begin, None, f"The chain up to record {self._begin}, behind which it begins, is not the one that was signed."
            )
        last = max(self._anchors, default=0)
        if last > self.seq:
            return Fault(self.seq + 1, None, f"The records from {self.seq + 1} on are missing; {last} were signed.")
        return None
