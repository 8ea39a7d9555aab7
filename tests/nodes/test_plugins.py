"""Node types of installed packages."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin-sentiment"
BROKEN = {
    "missing": "raise ImportError('its library is missing')",
    "unfinished": "class Thing: pass",
    "twin": "from agentflow.nodes.control.input import InputNode as Thing",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Give a folder with the example plugin, built and installed by pip, beside packages whose node types cannot be used."""
    source, target = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)
    for name, code in BROKEN.items():
        (target / f"plugin_{name}.py").write_text(code)
        information = target / f"plugin_{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[agentflow.nodes]\n{name} = plugin_{name}:Thing\n")
    return target


def python(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
    environment["PYTHONPATH"] = str(site)
    return subprocess.run([sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


LIST = """
import json
from agentflow.nodes.builtin import builtin_registry
from agentflow.nodes.registry import load_plugins
registry = builtin_registry()
load_plugins(registry)
print(json.dumps(registry.names()))
"""


def test_an_installed_plugin_is_listed_and_broken_ones_are_left_out(site: Path, tmp_path: Path) -> None:
    """The entry point is all it takes; a plugin that cannot be used is named in the log and stops nothing."""
    done = python(site, "-c", LIST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    assert "sentiment" in names
    assert "http" in names
    assert all(f"plugin_{name}" in done.stdout + done.stderr for name in BROKEN)


JUDGE = """
import asyncio, json, sys
from agentflow_sentiment.node import SentimentConfig, SentimentNode
from tests.nodes.context import FakeContext
texts = json.loads(sys.argv[1])
outputs = [asyncio.run(SentimentNode().run(FakeContext(), SentimentConfig(text=text))) for text in texts]
print(json.dumps([[output.label, output.score] for output in outputs]))
"""


def test_the_example_judges_texts(site: Path) -> None:
    """The example does what it says."""
    texts = ["Great support, thanks!", "It was not good and the screen is broken.", "It is a table.", "good, but slow", ""]
    done = python(site, "-c", JUDGE, json.dumps(texts), cwd=ROOT)
    assert json.loads(done.stdout) == [["positive", 1.0], ["negative", -1.0], ["neutral", 0.0], ["neutral", 0.0], ["neutral", 0.0]], (
        done.stderr
    )


def test_a_workflow_can_use_an_installed_plugin(site: Path, tmp_path: Path) -> None:
    """The example's workflow runs from the command line, as its README says."""
    arguments = ["run", str(EXAMPLE / "workflow.json"), "--input", "text=The support was great, thank you!", "--json"]
    done = python(site, "-m", "agentflow.entrypoints.cli.main", *arguments, "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outputs"] == {"label": "positive", "score": 1.0}
