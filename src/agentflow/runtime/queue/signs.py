"""What a worker says about itself where others can read it while it lives: its version, and how far its clock is from the database's."""

import re
from dataclasses import dataclass

from agentflow import __version__

_SIGN = re.compile(r"agentflow (?P<kind>worker|server) (?P<version>\S{1,30})(?: clock (?P<skew>[+-]\d+\.\d))?")


@dataclass(frozen=True, slots=True)
class WorkerSign:
    """One living worker.

    Attributes:
        version: of its program; None when it does not say, as those before 0.2 did not.
        skew_s: seconds that its clock is ahead of the database's; None when it does not say.
    """

    version: str | None = None
    skew_s: float | None = None
    drives: bool = True
    """Whether it drives runs; a server beside which workers run only accepts them."""


def sign(skew_s: float | None = None, *, drives: bool = True) -> str:
    """Return what this worker says."""
    # Adding zero makes a positive zero of a negative one: the sign is said anew when it changes.
    return f"agentflow {'worker' if drives else 'server'} {__version__}" + (
        "" if skew_s is None else f" clock {round(skew_s, 1) + 0.0:+.1f}"
    )


def read_sign(text: str) -> WorkerSign:
    """Return what a worker said."""
    found = _SIGN.fullmatch(text.strip())
    if found is None:
        return WorkerSign()
    return WorkerSign(found["version"], None if found["skew"] is None else float(found["skew"]), found["kind"] == "worker")
