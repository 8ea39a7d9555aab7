"""The bill of materials (SBOM, CycloneDX): what the product is made of, and whether this environment is just that.

uv writes it from the lock file, with the hash of every file. ``dist/agentflow.cdx.json`` lists what a user installs.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker

from scripts.security import floors

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
FILE = ROOT / "dist" / "agentflow.cdx.json"
EVERYTHING = ("--all-extras", "--all-groups")
INSTALLED = ("--extra", "local", "--extra", "cluster", "--extra", "tracing")
"""What `make setup` installs; the group `dev` is there without being named."""
PRODUCT = ("--all-extras", "--no-default-groups")
OURSELVES = "agentflow"
HERE_ALREADY = frozenset({"setuptools"})
"""What an environment of Python 3.11 may bring along."""


def made_of(*chosen: str) -> Mapping[str, Any]:
    """Return the bill of the packages that are chosen by extras and groups."""
    command: list[str | Path] = [UV, "export", "--quiet", "--frozen", "--format", "cyclonedx1.5", *chosen]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    bill: Mapping[str, Any] = json.loads(done.stdout)
    return bill


def here(bill: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return names and versions of the components that this platform and this Python take."""
    return {(floors.canonical(part["name"]), part["version"]) for part in bill["components"] if _is_for_here(part)}


def _is_for_here(component: Mapping[str, Any]) -> bool:
    markers = [item["value"] for item in component.get("properties", ()) if item["name"] == "uv:package:marker"]
    return all(Marker(marker).evaluate() for marker in markers)


def unnamed(bill: Mapping[str, Any]) -> list[str]:
    """Return components that nobody could look up or compare: without an address of the package, or a file without a hash."""
    wrong = []
    for part in bill["components"]:
        files = [reference for reference in part.get("externalReferences", ()) if reference["type"] == "distribution"]
        if not part.get("purl") or not files or not all(reference.get("hashes") for reference in files):
            wrong.append(f"{part['name']} {part['version']} has no address or no hash in the bill of materials")
    return wrong


def differing(wanted: set[tuple[str, str]], allowed: set[tuple[str, str]], there: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is installed and not on the bill, and the other way round."""
    found = {(name, version) for name, version in there if name != OURSELVES and name not in HERE_ALREADY}
    extra = [f"{name} {version} is installed and not in the lock: make setup takes it away" for name, version in sorted(found - allowed)]
    return extra + [f"{name} {version} is in the lock and not installed: make setup" for name, version in sorted(wanted - found)]


def check() -> list[str]:
    """Write the bill of the product; returns what is wrong with it, or with this environment beside it."""
    product = made_of(*PRODUCT)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(product, indent=1) + "\n")
    everything = made_of(*EVERYTHING)
    return unnamed(everything) + differing(here(made_of(*INSTALLED)), here(everything), floors.installed())
