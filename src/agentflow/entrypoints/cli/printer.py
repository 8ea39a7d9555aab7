"""Words on the terminal: colours only where somebody sees them, plain lines everywhere else."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from agentflow.entrypoints.cli.exits import CliError
from agentflow.kit import json

if TYPE_CHECKING:
    from rich.console import Console


class Printer:
    """Writes for a person: results to one stream, progress to another (by default standard output and standard error).

    Attributes:
        console: rich's, when the result stream is a terminal; None otherwise, and then nothing but plain text is written.
    """

    def __init__(self, out: TextIO | None = None, progress: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._progress = progress or sys.stderr
        self.console = _console(self._out)
        self._progress_console = _console(self._progress)

    def line(self, text: str = "", style: str = "") -> None:
        """Write one line of the result."""
        _write(self._out, self.console, text, style)

    def step(self, text: str, style: str = "") -> None:
        """Write one line of progress."""
        _write(self._progress, self._progress_console, text, style)

    def stream(self, text: str) -> None:
        """Write part of a line of progress at once."""
        self._progress.write(_printable(text))
        self._progress.flush()

    def value(self, value: Any) -> None:
        """Write a JSON value as a person reads it: text as it is, all else indented."""
        if isinstance(value, str):
            self.line(value)
        else:
            self.line(pretty(value))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write a table; without a terminal, columns parted by tabs, which other programs can cut."""
        if self.console is None:
            self.line("\t".join(columns))
            for row in rows:
                self.line("\t".join(_cell(value) for value in row))
            return
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_escape(_cell(value)) for value in row))
        self.console.print(table)

    def problems(self, problems: Iterable[Mapping[str, Any]]) -> None:
        """Write the problems of a specification, one a line: place, code, message and hint."""
        for problem in problems:
            hint = f" ({problem['hint']})" if problem.get("hint") else ""
            place = problem.get("path") or problem.get("pointer") or "/"
            self.step(f"{place}  {problem.get('code', 'INVALID')}  {problem.get('message') or problem.get('detail', '')}{hint}", "red")


def report(error: CliError, progress: TextIO | None = None) -> None:
    """Write an error to standard error: what is wrong, the single problems, the way out."""
    printer = Printer(progress=progress)
    printer.step(f"agentflow: {error.message}", "bold red")
    printer.problems(error.problems)
    if error.hint:
        printer.step(f"hint: {error.hint}")


def emit_json(value: Any) -> None:
    """Write a value as one JSON document to standard output."""
    sys.stdout.write(pretty(value) + "\n")


def pretty(value: Any) -> str:
    """Return a JSON value indented."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _console(stream: TextIO) -> "Console | None":
    if not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False, soft_wrap=True)


def _write(stream: TextIO, console: "Console | None", text: str, style: str) -> None:
    if console is None:
        stream.write(_printable(text) + "\n")
        stream.flush()
    else:
        console.print(_escape(text), style=style or None)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(_printable(text))


def _printable(text: str) -> str:
    """Take out what could steer a terminal: what nodes and models write is not ours."""
    return "".join(character for character in text if character in "\n\t" or character.isprintable())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.split())
