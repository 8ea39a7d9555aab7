"""Every exception from a security rule says why."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOOKED_AT = ("src", "scripts", "migrations", "examples")
OF_THE_LINTER = re.compile(r"# noqa: (?P<codes>[A-Z0-9, ]+?)(?P<reason> - \S.*)?$")
OF_BANDIT = re.compile(r"# nosec\b(?P<codes>[ :]*B\d+(?:, ?B\d+)*)?(?P<reason> - \S.*)?")
OF_RULES = re.compile(r"^\s*# ast-grep-ignore(?P<codes>: [a-z-]+)?\s*$")
OF_SECRETS = re.compile(r"pragma: allowlist (?:nextline )?secret(?P<reason> - \S.*)?")


def without_reason(name: str, text: str) -> Iterator[str]:
    """Yield the exceptions of a file that name no rule, or no reason."""
    above = ""
    for number, line in enumerate(text.splitlines(), 1):
        if (found := OF_THE_LINTER.search(line)) and re.search(r"\bS\d", found["codes"]) and not found["reason"]:
            yield f"{name}:{number}: `noqa` of a security rule without ` - reason`"
        if (found := OF_BANDIT.search(line)) and not (found["codes"] and found["reason"]):
            yield f"{name}:{number}: `nosec` without its rule and ` - reason`"
        if (found := OF_RULES.match(line)) and not (found["codes"] and above.lstrip().startswith("# ")):
            yield f"{name}:{number}: `ast-grep-ignore` without its rule, or without a comment above that says why"
        if (found := OF_SECRETS.search(line)) and not found["reason"]:
            yield f"{name}:{number}: `pragma: allowlist secret` without ` - reason`"
        above = line


def check() -> list[str]:
    """Return the exceptions without a reason."""
    listed = subprocess.run(["git", "ls-files", "--", *LOOKED_AT], check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    ours = [name for name in listed if name.endswith(".py") and name != "scripts/security/reasons.py"]
    return [fault for name in ours for fault in without_reason(name, (ROOT / name).read_text())]
