"""docs/reference/cli.md."""

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from agentflow.entrypoints.cli.main import app
from scripts.reference.text import code, page, table

EXITS = (
    ("0", "all is well"),
    ("1", "the run did not succeed; `doctor`: something is broken"),
    ("2", "bad usage: an unknown option, a missing file, an input that does not fit"),
    ("3", "the specification is invalid"),
    ("4", "the server cannot be reached, or answered that it is out of order"),
)


def commands() -> Iterator[tuple[str, object]]:
    """Yield every command that does something, by its full name."""
    pending = [("agentflow", get_command(app))]
    while pending:
        name, command = pending.pop(0)
        children = getattr(command, "commands", None)
        if children:
            pending[:0] = [(f"{name} {child}", found) for child, found in children.items()]
        else:
            yield name, command


def render() -> str:
    """Return the page."""
    return page(
        "Command line",
        "Without `--server` a command works on the data folder inside its own process; with it, on a server, with the key from "
        "`AGENTFLOW_API_KEY` or `<data folder>/owner.key`. Results go to standard output, progress and errors to standard error.",
        "## Exit codes\n\n" + table(("code", "means"), EXITS),
        *(_section(name, command) for name, command in commands()),
    )


def _section(name: str, command: Any) -> str:
    arguments, options = list[Any](), list[Any]()
    for parameter in command.params:
        (options if parameter.param_type_name == "option" else arguments).append(parameter)
    names = [argument.metavar or argument.name.upper() for argument in arguments]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *names])
    rows = [[code(shown), argument.help or ""] for shown, argument in zip(names, arguments, strict=True)]
    rows += [[" ".join(code(text) for text in option.opts), _help(option)] for option in options if not option.hidden]
    about = inspect.cleandoc(command.help or "")
    return f"## {name}\n\n{about}\n\n```text\n{usage}\n```" + ("\n\n" + table(("argument or option", "meaning"), rows) if rows else "")


def _help(option: Any) -> str:
    variable = option.envvar
    text: str = option.help or ""
    return f"{text} Also `{variable}`." if variable else text
