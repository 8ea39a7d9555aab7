"""Values that must not stand on the command line, where every user of the machine and the shell's history can read them."""

import getpass
import sys

from agentflow.entrypoints.cli.exits import CliError


def read_secret(name: str) -> str:
    """Return a secret, from standard input, or asked for without showing it where a person sits there.

    Raises:
        CliError: nothing came, or it is no text.
    """
    value = getpass.getpass(f"Value of {name}: ") if sys.stdin.isatty() else _piped()
    if not value:
        raise CliError(f"No value for {name} was given.", hint=f"Pipe it in: agentflow secrets set {name} < FILE")
    return value


def read_value(name: str) -> str:
    """Return a value from standard input, or asked for where a person sits there."""
    if sys.stdin.isatty():
        sys.stderr.write(f"Value of {name}: ")
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\n")
    return _piped()


def _piped() -> str:
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise CliError("Standard input is not UTF-8 text.") from error
    # `echo` and editors end a file with a line break that is not meant.
    return text.removesuffix("\n").removesuffix("\r")
