"""Mail written to the terminal, for a server that has no mail server: its operator passes messages on."""

import sys
from typing import TextIO

from agentflow.infra.mailer.base import Mail


class ConsoleMailer:
    """Fulfils ``Mailer`` on a stream; not in the log, which travels further than a terminal and must hold no secret link.

    Args:
        out: the stream; None for standard error.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, mail: Mail) -> None:
        """Write a message."""
        lines = [f"mail to {mail.to}: {mail.subject}", *mail.text.splitlines()]
        print("\n  ".join(_printable(line) for line in lines), file=self._out or sys.stderr, flush=True)


def _printable(line: str) -> str:
    return "".join(character for character in line if character.isprintable())
