"""Verifying an exported audit log by itself: its links, and anchors that were kept elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from agentflow.audit.schemas import AuditAnchor, AuditRecord
from agentflow.entrypoints.cli.exits import CliError
from agentflow.infra.audit.chain import Anchor, Fault, Verifier, is_genuine


def verify_export(records: Sequence[Any], anchors: Sequence[Any], public_key: str | None) -> dict[str, Any]:
    """Return what verifying came to, in the shape that the API gives.

    Raises:
        CliError: a line is no record or no anchor, or an anchor was not signed with the key.
    """
    kept = [_anchor(line, number, public_key) for number, line in enumerate(anchors, start=1)]
    read = [_record(*line) for line in enumerate(records, start=1)]
    # A log from which old records were deleted begins behind one of which an anchor was kept.
    begin = next((each for each in kept if read and each.seq == read[0]["seq"] - 1), None)
    verifier = Verifier(None, kept, begin)
    fault = next((found for record in read if (found := verifier.next(record))), None) or verifier.end()
    return {"intact": fault is None, "records": verifier.records, "anchors": len(kept), "fault": _shown(fault)}


def _record(number: int, line: Any) -> Mapping[str, Any]:
    try:
        record = AuditRecord.model_validate(line)
    except ValidationError as error:
        raise CliError(f"Line {number} of the log is no audit record.") from error
    return {**record.model_dump(), "hash": bytes.fromhex(record.hash or "")}


def _anchor(line: Any, number: int, public_key: str | None) -> Anchor:
    try:
        anchor = AuditAnchor.model_validate(line).plain()
        genuine = public_key is None or is_genuine(bytes.fromhex(public_key), anchor)
    except ValueError as error:
        raise CliError(f"Anchor {number}, or the key, cannot be read.") from error
    if not genuine:
        raise CliError(f"Anchor {number} was not signed with this key.")
    return anchor


def _shown(fault: Fault | None) -> dict[str, Any] | None:
    return None if fault is None else {"seq": fault.seq, "record_id": fault.record_id, "reason": fault.reason}
