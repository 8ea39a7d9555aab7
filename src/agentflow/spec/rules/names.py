"""Suggestions: the nearest name that exists."""

from collections.abc import Iterable

from agentflow.spec.expressions.values import nearest

_SHOWN = 8


def suggestion(name: str, known: Iterable[str], *, prefix: str = "") -> str | None:
    """Return a hint that names what was probably meant, or what there is; None when there is nothing."""
    names = list(known)
    near = nearest(name, names)
    if near:
        return f"Did you mean {prefix}{near}?"
    return f"Known: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}." if names else None
