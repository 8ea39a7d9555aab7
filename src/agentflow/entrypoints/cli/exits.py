"""How the command line ends: exit codes, and the one error that every command may raise."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    OK = 0
    RUN_FAILED = 1
    BAD_USAGE = 2
    INVALID_SPEC = 3
    UNREACHABLE = 4
    WAITING = 5
    """The run waits for somebody; it goes on once it is answered."""


class CliError(Exception):
    """Ends the command with words for a person on standard error.

    Attributes:
        message: what is wrong, naming the thing.
        exit_code: what the process returns.
        hint: the way out, or None.
        problems: the single problems of a specification or request, each a JSON object.
    """

    def __init__(
        self, message: str, exit_code: Exit = Exit.BAD_USAGE, *, hint: str | None = None, problems: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.hint = hint
        self.problems = tuple(problems)
