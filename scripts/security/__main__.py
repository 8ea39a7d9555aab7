"""``python -m scripts.security`` looks for faults in code, dependencies and security pages, and writes the bill of materials.

With names it makes only those checks: ``python -m scripts.security floors rules``.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scripts import check_asvs
from scripts.security import bill, catalogue, environment, floors, planted, reasons, risks

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CODE = ("src", "scripts", "migrations", "examples")
RULES = ("--config", "security/sgconfig.yml")


def _found_by(*command: str | Path) -> list[str]:
    done = subprocess.run([BIN / command[0], *command[1:]], check=False, capture_output=True, text=True, cwd=ROOT)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]


def rules() -> list[str]:
    """Return where the code does what this project forbids, once the rules have been shown to find it."""
    return _found_by("ast-grep", "test", *RULES, "--skip-snapshot-tests") or _found_by("ast-grep", "scan", *RULES, *CODE)


CHECKS: dict[str, Callable[[], list[str]]] = {
    "floors": floors.check,
    "environment": environment.check,
    "bill": bill.check,
    "rules": rules,
    "risks": lambda: risks.check(CODE),
    "secrets": planted.check,
    "reasons": reasons.check,
    "catalogue": catalogue.check,
    "asvs": check_asvs.check,
}


def main(chosen: list[str]) -> int:
    """Make the checks and print what they find; returns the exit code."""
    wrong = 0
    for name in chosen or CHECKS:
        begin = time.perf_counter()
        faults = CHECKS[name]()
        wrong += len(faults)
        print(f"security: {name}: {len(faults) or 'nothing'} found in {time.perf_counter() - begin:.1f} s")
        for fault in faults:
            print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
