"""Database values as JSON: moments as ISO 8601, exact numbers and UUIDs as text, bytes as base64."""

import math
from base64 import b64encode
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_SAFE_INTEGER = 2**63


def to_json(value: Any) -> Any:
    """Return a driver's value as JSON; what JSON cannot hold becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, int):
        return value if -_SAFE_INTEGER <= value < _SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, timedelta):
        return _clock(value)
    if isinstance(value, dict):
        return {str(key): to_json(child) for key, child in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(child) for child in value]
    return str(value)


def _clock(value: timedelta) -> str:
    """Write a span as ``[-]HH:MM:SS[.ffffff]``, as MySQL writes its TIME."""
    micros = abs(value) // timedelta(microseconds=1)
    seconds, fraction = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    sign = "-" if value < timedelta(0) else ""
    return f"{sign}{text}.{fraction:06}" if fraction else sign + text
