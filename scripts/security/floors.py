"""Versions below the floors of security/floors.toml."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[2]
FLOORS = ROOT / "security" / "floors.toml"
LOCK = ROOT / "uv.lock"


def canonical(name: str) -> str:
    """Return a package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> list[tuple[str, str]]:
    """Return names and versions of the lock file."""
    return [(package["name"], package["version"]) for package in tomllib.loads(LOCK.read_text())["package"]]


def installed() -> list[tuple[str, str]]:
    """Return names and versions of this environment."""
    return [(canonical(found.name), found.version) for found in metadata.distributions()]


def below(floors: Mapping[str, Mapping[str, str]], packages: Iterable[tuple[str, str]], where: str) -> list[str]:
    """Return which packages are older than they may be."""
    return [
        f"{name} {version} {where} is below {floors[name]['version']} ({floors[name]['advisory']})"
        for name, version in sorted(set(packages))
        if name in floors and Version(version) < Version(floors[name]["version"])
    ]


def check() -> list[str]:
    """Return what is too old in the lock file and in this environment."""
    floors = tomllib.loads(FLOORS.read_text())
    return below(floors, locked(), "in uv.lock") + below(floors, installed(), "as installed")
