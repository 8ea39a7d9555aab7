"""``python -m scripts.reference`` writes docs/reference and the page of attacks; ``--check`` says whether the reference is current."""

import sys
from pathlib import Path

from scripts.reference import cli, errors, events, expressions, http, metrics, node_types, permissions, settings, spec
from scripts.security import catalogue

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {
    "cli.md": cli.render,
    "errors.md": errors.render,
    "events.md": events.render,
    "expressions.md": expressions.render,
    "http.md": http.render,
    "metrics.md": metrics.render,
    "node-types.md": node_types.render,
    "permissions.md": permissions.render,
    "settings.md": settings.render,
    "spec.md": spec.render,
}


def stale() -> list[str]:
    """Return the names of pages that are not what the code says now, and of files that no code makes."""
    differing = [name for name, render in PAGES.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != render()]
    return differing + [path.name for path in FOLDER.glob("*") if path.name not in PAGES]


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; returns the exit code."""
    if arguments == ["--check"]:
        for name in (behind := stale()):
            print(f"docs/reference/{name} is not what the code says: run `make docs`", file=sys.stderr)
        return 1 if behind else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render())
    catalogue.write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
