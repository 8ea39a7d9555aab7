"""The shell blocks of the documentation, executed page by page against a real server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks

PAGES = sorted({block.page for block in blocks("sh")})
DOCUMENTED = "127.0.0.1:8000"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_line_of_a_page_works(page, server, tmp_path):
    """A reader who types a page's commands in order sees each of them succeed."""
    script = "\n".join(block.text for block in blocks("sh") if block.page == page).replace(DOCUMENTED, server.netloc)
    for name in ("examples", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".agentflow").symlink_to(server.data_dir)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def commands(block: Block) -> list[str]:
    return [line.split("#")[0].strip() for line in block.text.splitlines() if line.split("#")[0].strip()]


@pytest.mark.parametrize("block", blocks("shell"), ids=str)
def test_commands_that_are_not_executed_here_exist(block):
    """`make` and `agentflow` commands that a reader types elsewhere name tasks and commands that exist."""
    makefile = (ROOT / "Makefile").read_text()
    for command in commands(block):
        words = command.split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), command
        elif words[0] == "agentflow":
            help_ = subprocess.run([ROOT / ".venv/bin/agentflow", words[1], "--help"], check=False, capture_output=True, text=True)
            assert help_.returncode == 0, command
        else:
            assert words[0] in {"git", "cd", "export"} or shutil.which(words[0]), command


@pytest.mark.parametrize(
    "page",
    sorted(Path(page) for page in {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")}),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page):
    """A relative link names a file that exists."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), target
