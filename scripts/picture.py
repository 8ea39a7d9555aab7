"""Runs a command on a pseudo-terminal and writes what it shows as an SVG: ``python -m scripts.picture FILE TITLE COMMAND …``."""

import io
import os
import pty
import sys

from rich.console import Console
from rich.text import Text

WIDTH = 110


def record(command: list[str]) -> str:
    """Return what a command writes when it believes to be on a terminal; raises SystemExit when it fails."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
        os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        shown += part
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise SystemExit(status)
    return shown.decode().replace("\r\n", "\n")


def main(arguments: list[str]) -> None:
    """Write the picture."""
    target, title, *command = arguments
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(record(command)))
    console.save_svg(target, title=title)


if __name__ == "__main__":
    main(sys.argv[1:])
