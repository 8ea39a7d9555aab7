"""Effect classes: what recovery does with a node whose outcome is unknown after a crash."""

from enum import StrEnum


class EffectClass(StrEnum):
    """What a node does to the world outside the run."""

    PURE = "pure"
    """No effect outside: run again."""
    KEYED = "keyed"
    """The effect carries a stable idempotency key: run again with the same key."""
    TRANSACTIONAL = "transactional"
    """The effect and its record commit in one transaction: exactly once."""
    ONCE = "once"
    """An effect that cannot be keyed: never run again blindly; the run waits for a person."""
