"""The chain of the audit log: whatever is done to it afterwards is found, and found at the right record."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentflow.infra.audit.chain import START, Anchor, Fault, Verifier, anchor, digest, is_genuine, link, public_key, record_mac
from agentflow.infra.crypto import new_key
from agentflow.kit.ids import new_id

TENANT = new_id()
MAC_KEY, SIGN_KEY = new_key(), new_key()
BEGIN = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
TAMPERINGS = 10_000


def record(number: int) -> dict[str, Any]:
    """Return a record as it is written."""
    said = {
        "id": new_id(),
        "tenant_id": TENANT,
        "at": BEGIN + timedelta(seconds=number, microseconds=number),
        "actor_id": new_id(),
        "actor": "owner",
        "action": "secret.created",
        "outcome": "done",
        "resource": "secret",
        "resource_id": new_id(),
        "request_id": None,
        "address": "127.0.0.1",
        "details": {"name": f"S{number}"},
    }
    return {**said, "mac": record_mac(MAC_KEY, said)}


def chain(length: int) -> list[dict[str, Any]]:
    """Return a sealed chain."""
    before, found = START, []
    for seq in range(1, length + 1):
        said = record(seq)
        before = link(before, seq, digest(said))
        found.append({**said, "seq": seq, "hash": before})
    return found


def verified(records: list[dict[str, Any]], anchors: list[Anchor], key: bytes | None = MAC_KEY) -> Fault | None:
    """Return the first fault."""
    verifier = Verifier(key, anchors)
    return next((fault for each in records if (fault := verifier.next(each))), None) or verifier.end()


def relinked(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records with numbers and links made anew, as somebody does who can write to the database and knows this program."""
    before, found = START, []
    for seq, each in enumerate(records, start=1):
        before = link(before, seq, digest(each))
        found.append({**each, "seq": seq, "hash": before})
    return found


def tampered(records: list[dict[str, Any]], dice: random.Random) -> tuple[list[dict[str, Any]], int]:
    """Alter a chain at random; return it with the number of the first record that is not as it was."""
    at = dice.randrange(len(records))
    changed = [dict(each) for each in records]
    kind = dice.choice(["edit", "delete", "insert", "swap", "edit and relink", "delete and relink", "cut off"])
    if kind in ("edit", "edit and relink"):
        field = dice.choice(["actor", "action", "outcome", "resource_id", "details", "at", "address"])
        new = {"at": BEGIN, "details": {"name": "another"}}.get(field, f"x{dice.random()}")
        changed[at][field] = new
    elif kind in ("delete", "delete and relink"):
        del changed[at]
    elif kind == "insert":
        changed.insert(at, {**record(999), "seq": at + 1, "hash": bytes(32)})
    elif kind == "swap":
        other = (at + 1 + dice.randrange(len(records) - 1)) % len(records)
        first, second = sorted((at, other))
        changed[first], changed[second] = (
            {**changed[second], "seq": changed[first]["seq"], "hash": changed[first]["hash"]},
            {**changed[first], "seq": changed[second]["seq"], "hash": changed[second]["hash"]},
        )
        at = first
    else:
        changed = changed[:at]
    return (relinked(changed) if kind.endswith("relink") else changed), at + 1


def test_s109_every_tampering_is_found():
    """S109: of 10,000 random edits, deletions, insertions, swaps, cuts and rewritten chains each is found.

    Where the links were not made anew the first altered record is named; where they were, the record or the next anchor behind it.
    """
    records, dice = chain(15), random.Random(4711)
    anchors = [anchor(SIGN_KEY, TENANT, seq, records[seq - 1]["hash"], BEGIN) for seq in (5, 10, 15)]
    assert verified(records, anchors) is None
    for _ in range(TAMPERINGS):
        altered, first = tampered(records, dice)
        fault = verified(altered, anchors)
        assert fault is not None
        assert fault.seq is not None
        next_anchor = next(each.seq for each in anchors if each.seq >= first)
        assert first <= fault.seq <= next_anchor, (first, fault)


def test_s109_the_plain_ones_are_named_exactly():
    """S109: an edit, a deletion, an insertion and a swap are named by the number of the first record concerned, without any anchor."""
    records = chain(9)
    edited = [{**each, "actor": "mallory"} if each["seq"] == 5 else each for each in records]
    deleted = [each for each in records if each["seq"] != 5]
    inserted = [*records[:4], {**record(5), "seq": 5, "hash": records[4]["hash"]}, *records[5:]]
    for altered in (edited, deleted, inserted):
        fault = verified(altered, [])
        assert fault is not None
        assert fault.seq == 5


def test_s109_a_cut_tail_is_found_by_an_anchor_alone():
    """S109: what is left is a chain in order; only who kept an anchor knows that there was more."""
    records = chain(9)
    assert verified(records[:6], []) is None
    kept = anchor(SIGN_KEY, TENANT, 9, records[8]["hash"], BEGIN)
    fault = verified(records[:6], [kept])
    assert fault is not None
    assert fault.seq == 7
    regrown = relinked([*records[:6], *(record(number) for number in range(20, 26))])
    fault = verified(regrown, [kept])
    assert fault is not None
    assert fault.seq == 9


def test_an_exported_chain_is_verified_without_the_key():
    """Its links are enough to find an edit; who rewrites them all needs the anchors' key to stay unseen."""
    records = chain(5)
    assert verified(records, [], key=None) is None
    assert verified([*records[:2], {**records[2], "actor": "x"}, *records[3:]], [], key=None) is not None


@pytest.mark.parametrize("field", ["tenant_id", "seq", "hash", "at", "signature"])
def test_an_anchor_is_genuine_only_as_it_was_signed(field: str):
    """Nothing of it can be changed."""
    good = anchor(SIGN_KEY, TENANT, 3, bytes(range(32)), BEGIN)
    public = public_key(SIGN_KEY)
    assert is_genuine(public, good)
    changed = {"tenant_id": new_id(), "seq": 4, "hash": bytes(32), "at": BEGIN + timedelta(1), "signature": bytes(64)}
    values = {name: getattr(good, name) for name in changed} | {field: changed[field]}
    assert not is_genuine(public, Anchor(**values))
    assert not is_genuine(public_key(new_key()), good)
