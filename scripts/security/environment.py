"""What runs by itself or can be typed in this environment: only what is known (security/environment.toml).

A package that was taken over adds a ``.pth`` file, which Python executes at every start, or a command; both would show here.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from sysconfig import get_path

from scripts.security.floors import canonical

ROOT = Path(__file__).parents[2]
KNOWN = ROOT / "security" / "environment.toml"
RUN_BY_PYTHON = ("sitecustomize.py", "usercustomize.py")
OF_THE_ENVIRONMENT = ("python", "activate", "Activate", "deactivate", "pydoc.bat")
"""How files begin that an environment has of its own."""


def check() -> list[str]:
    """Return files that nobody knows."""
    known = tomllib.loads(KNOWN.read_text())
    packages, commands = Path(get_path("purelib")), Path(get_path("scripts"))
    return unknown_starters(packages, known["pth"]) + unknown_commands(commands, known["commands"], _owners(commands))


def unknown_starters(packages: Path, known: Mapping[str, str]) -> list[str]:
    """Return what Python would execute at every start, and is not known."""
    found = sorted([path.name for path in packages.glob("*.pth")] + [name for name in RUN_BY_PYTHON if (packages / name).exists()])
    return [
        f"{name} is executed at every start of Python, and security/environment.toml does not know it"
        for name in found
        if name not in known
    ]


def unknown_commands(folder: Path, known: Mapping[str, Sequence[str]], owners: Mapping[str, str]) -> list[str]:
    """Return commands that no package brought, or another one than is known."""
    wrong = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(OF_THE_ENVIRONMENT):
            continue
        owner = owners.get(path.name)
        if owner is None:
            wrong.append(f"the command {path.name} belongs to no installed package")
        elif re.sub(r"3\.\d+$", "3.N", path.name) not in known.get(owner, ()):
            wrong.append(f"{owner} brings the command {path.name}, which security/environment.toml does not know")
    return wrong


def _owners(folder: Path) -> dict[str, str]:
    return {
        Path(file).name: canonical(found.name)
        for found in metadata.distributions()
        for file in _files(found)
        if Path(str(found.locate_file(file))).resolve().parent == folder.resolve()
    }


def _files(found: metadata.Distribution) -> Iterable[metadata.PackagePath]:
    return found.files or ()
