"""The checks of code and dependencies find what they are for: each is shown a fault."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from scripts.security import bill, environment, floors, planted, reasons, risks

ROOT = Path(__file__).parents[2]
RULES = ROOT / "security" / "rules"
SAMPLES = ROOT / "security" / "rule-tests"
AST_GREP = Path(sys.executable).with_name("ast-grep")


def test_every_rule_fires_on_its_samples():
    """S55, S79, S143, S169: each rule has code on which it fires and code on which it does not, and does so."""
    names = {path.stem for path in RULES.glob("*.yml")}
    samples = {path.stem.removesuffix("-test"): yaml.safe_load(path.read_text()) for path in SAMPLES.glob("*.yml")}
    assert set(samples) == names
    assert all(sample["valid"] and sample["invalid"] for sample in samples.values())
    done = subprocess.run(
        [AST_GREP, "test", "--config", "security/sgconfig.yml", "--skip-snapshot-tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(names)} passed; 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("x = eval(y)  # noqa: S307", False),
        ("x = eval(y)  # noqa: S307 - a constant", True),
        ("x = y  # noqa: E501", True),
        ("x = y  # nosec", False),
        ("x = y  # nosec B105", False),
        ("x = y  # nosec B105 - a name", True),
        ("# ast-grep-ignore: no-eval", False),
        ("# ast-grep-ignore", False),
        ("# A constant.\n# ast-grep-ignore: no-eval", True),
        ("key = 'x'  # pragma: allowlist secret", False),
        ("key = 'x'  # pragma: allowlist secret - made up", True),
    ],
)
def test_s143_an_exception_without_a_reason_is_found(line, is_fine):
    """Whoever silences a rule says which and why."""
    assert (list(reasons.without_reason("a.py", line)) == []) is is_fine


def test_s143_what_bandit_finds_is_excused_by_its_line_or_its_file_only():
    """Another rule's exception is none."""
    found = {"filename": "src/a.py", "line_number": 1, "line_range": [1, 2], "test_id": "B608", "issue_text": "SQL"}
    assert risks.unexplained([found], {}, {"src/a.py": ["x", "y  # noqa: S608 - our own name"]}) == []
    assert risks.unexplained([found], {"src/**": ["S"]}, {"src/a.py": ["x", "y"]}) == []
    for lines in (["x", "y"], ["x", "y  # noqa: S105 - a name"]):
        assert len(risks.unexplained([found], {"scripts/**": ["S608"]}, {"src/a.py": lines})) == 1


@pytest.mark.parametrize("name", ["src/a.py", "tests/test_a.py", "docs/a.md"])
def test_a_planted_secret_is_found(tmp_path, monkeypatch, name):
    """S143: a key that is known by its form is found anywhere; the list of what is none names values, not places."""
    monkeypatch.setattr(planted, "ROOT", tmp_path)
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("key = '" + "ghp_" + "a1B2" * 9 + "'\n")
    assert [kind for *_, kind, _ in planted.found_in([name])] == ["GitHub Token"]


def test_a_password_in_the_code_is_found(tmp_path, monkeypatch):
    """S143: under a telling name, or in an address."""
    monkeypatch.setattr(planted, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text("password = 'correct horse'\nurl = 'https://ada:lovelace@example.com'\n")
    assert {line for _, line, *_ in planted.found_in(["a.py"])} == {1, 2}


def test_s142_nothing_is_below_the_floors():
    """Neither in the lock nor in this environment; a version below one is named with its fault."""
    assert floors.check() == []
    old = floors.below({"jinja2": {"version": "3.1.6", "advisory": "CVE-2025-27516"}}, [("jinja2", "3.1.5"), ("rich", "1")], "in uv.lock")
    assert old == ["jinja2 3.1.5 in uv.lock is below 3.1.6 (CVE-2025-27516)"]


def test_s141_the_bill_of_materials_is_this_environment():
    """One to one, each with an address and a hash; whatever else is installed, or is missing, is named."""
    assert bill.check() == []
    product = {part["name"] for part in bill.made_of(*bill.PRODUCT)["components"]}
    assert {"fastapi", "langgraph", "celery"} <= product
    assert not {"pytest", "bandit", "ruff"} & product
    assert bill.differing({("a", "1")}, {("a", "1"), ("b", "1")}, [("a", "1"), ("b", "1")]) == []
    wrong = bill.differing({("a", "1")}, {("a", "1")}, [("a", "2")])
    assert [line.split(" is ")[1].split(":")[0] for line in wrong] == ["installed and not in the lock", "in the lock and not installed"]
    assert len(bill.unnamed({"components": [{"name": "a", "version": "1", "purl": "pkg:pypi/a@1"}]})) == 1


def test_s141_young_releases_are_not_taken():
    """The lock itself says that it was made so."""
    assert 'exclude-newer-span = "P7D"' in (ROOT / "uv.lock").read_text()


def test_s140_a_file_that_runs_by_itself_is_found(tmp_path):
    """A .pth file or sitecustomize that nobody knows fails the check, which `make check` makes of its environment."""
    for name in ("litellm_init.pth", "sitecustomize.py", "known.pth"):
        (tmp_path / name).write_text("import os")
    found = environment.unknown_starters(tmp_path, {"known.pth": "ours"})
    assert [line.split()[0] for line in found] == ["litellm_init.pth", "sitecustomize.py"]


def test_s140_a_command_that_nobody_knows_is_found(tmp_path):
    """Also one of another name by a known package, and one that belongs to no package."""
    for name in ("python3", "pytest", "pip3.12", "curl", "steal"):
        (tmp_path / name).touch()
    known = {"pytest": ["pytest"], "pip": ["pip3.N"]}
    owners = {"pytest": "pytest", "pip3.12": "pip", "steal": "pytest"}
    found = environment.unknown_commands(tmp_path, known, owners)
    assert ["curl" in line or "steal" in line for line in found] == [True, True]


def _wheel(folder: Path, text: str) -> None:
    """Put the package into an index, which tells the hash of just this file."""
    path = folder / "victim-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("victim.py", text)
        wheel.writestr("victim-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: victim\nVersion: 1.0\n")
        wheel.writestr("victim-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("victim-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "index.html").write_text(f'<a href="{path.name}#sha256={digest}">{path.name}</a>')


@pytest.fixture
def checkout(tmp_path):
    """Give a checkout with the real set-up, which depends on one package of a local index."""
    index = tmp_path / "index" / "victim"
    index.mkdir(parents=True)
    _wheel(index, "x = 1\n")
    place = tmp_path / "checkout"
    (place / "scripts").mkdir(parents=True)
    (place / "src").mkdir()
    for name in ("scripts/setup.sh", "scripts/uv.txt"):
        shutil.copy(ROOT / name, place / name)
    (place / ".tools").symlink_to(ROOT / ".tools")
    (place / "pyproject.toml").write_text(
        '[project]\nname = "small"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["victim"]\n'
        "[project.optional-dependencies]\nlocal = []\ncluster = []\ntracing = []\n"
        f'[[tool.uv.index]]\nurl = "{index.parent.as_uri()}"\ndefault = true\n'
    )
    uv = [ROOT / ".tools" / "bin" / "uv", "--quiet", "--cache-dir", tmp_path / "cache"]
    subprocess.run([*uv, "lock", "--python", sys.executable], cwd=place, check=True)
    return place, index


def _set_up(place: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHON": sys.executable,
        "UV_CACHE_DIR": str(place.parent / "fresh"),
        "HOME": str(place.parent),
    }
    return subprocess.run(["bash", "scripts/setup.sh"], cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_s139_set_up_installs_what_is_locked(checkout):
    """The way of every day, so that the next test can fail for one reason only."""
    place, _ = checkout
    done = _set_up(place)
    assert done.returncode == 0, done.stderr
    assert list(place.glob(".venv/lib/python3*/site-packages/victim.py"))


def test_s139_an_altered_wheel_is_not_installed(checkout):
    """The index has another file under the same name and version: set-up stops and says that the hash is wrong."""
    place, index = checkout
    _wheel(index, "import os\n")
    done = _set_up(place)
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
    assert not list(place.glob(".venv/lib/python3*/site-packages/victim.py"))


def test_s139_nothing_is_built_from_source(checkout):
    """A package of which the lock has no wheel is not built: what stands in its setup would be executed."""
    place, _ = checkout
    lock = place / "uv.lock"
    lock.write_text(lock.read_text().replace("victim-1.0-py3-none-any.whl", "victim-1.0.tar.gz").replace("wheels = [", "sdist_ = ["))
    done = _set_up(place)
    assert done.returncode != 0
    assert not list(place.glob(".venv/lib/python3*/site-packages/victim.py"))


def test_s139_uv_itself_is_locked_by_hash():
    """What pip installs before there is a lock to hold to is the uv of the lock, by its hashes."""
    command = [
        ROOT / ".tools" / "bin" / "uv",
        "export",
        "--frozen",
        "--quiet",
        "--only-group",
        "setup",
        "--no-emit-project",
        "--no-annotate",
        "--no-header",
    ]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "scripts" / "uv.txt").read_text() == made
    assert "--hash=sha256:" in made
    assert "--require-hashes" in (ROOT / "scripts" / "setup.sh").read_text()
