"""Asking for a password: never in an argument, where every other program of the machine can read it."""

import sys

from agentflow.entrypoints.cli.exits import CliError


def ask_present(prompt: str = "Present password (empty when there is none yet): ") -> str | None:
    """Return the present password, or the next line of standard input; None where there is none yet."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n") or None
    import getpass

    return getpass.getpass(prompt) or None


def ask_password(what: str) -> str:
    """Return a password: typed twice without being shown, or the first line of standard input where nobody types.

    Raises:
        CliError: the two differ, or there is none.
    """
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        import getpass

        password = getpass.getpass(f"{what}: ")
        # Both were typed just now, by the same person.
        # ast-grep-ignore: no-comparing-secrets
        if getpass.getpass(f"{what}, again: ") != password:
            raise CliError("The two passwords differ.")
    if not password:
        raise CliError("There is no password.", hint="Type one, or send it to standard input.")
    return password
