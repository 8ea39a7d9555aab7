"""Blobs in files: what a crash and a full disk leave."""

import errno
import os
from pathlib import Path

import pytest

from agentflow.errors import StorageFull
from agentflow.infra.objects.base import ObjectStoreUnavailable
from agentflow.infra.objects.files import FileObjects


def _files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def _what(handle: int) -> str:
    return "sync folder" if Path(f"/proc/self/fd/{handle}").is_dir() else "sync file"


def test_a_blob_is_synced_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The content is on disk first, then the name, then the folder."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append(_what(handle)), sync(handle)))
    monkeypatch.setattr(Path, "replace", lambda *names: (done.append("move"), replace(*names)))
    store = FileObjects(tmp_path)
    store.put("t/a", [b"x"])
    done.clear()
    store.put("t/b", [b"x"])
    assert done == ["sync file", "move", "sync folder"]


def test_a_failed_sync_leaves_nothing_and_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a sync that failed nobody knows what is on disk: the blob is thrown away and the caller hears of it."""
    calls: list[int] = []

    def fail(handle: int) -> None:
        calls.append(handle)
        raise OSError(errno.EIO, "Input/output error")

    store = FileObjects(tmp_path)
    store.put("t/a", [b"x"])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(ObjectStoreUnavailable, match="Input/output error"):
            store.put("t/b", [b"y"])
    assert len(calls) == 1
    assert _files(tmp_path) == {"t/a"}


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A blob that does not fit is not half there, and the next one that fits is stored."""
    store = FileObjects(tmp_path)

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(StorageFull, match="no room"):
            store.put("t/a", [b"x"])
    assert _files(tmp_path) == set()
    store.put("t/a", [b"x"])
    assert _files(tmp_path) == {"t/a"}


def test_a_reader_that_breaks_off_leaves_nothing(tmp_path: Path):
    """What is uploaded and ends in the middle is not stored."""

    def pieces():
        yield b"half"
        raise RuntimeError("the client went away")

    store = FileObjects(tmp_path)
    with pytest.raises(RuntimeError, match="went away"):
        store.put("t/a", pieces())
    assert _files(tmp_path) == set()


def test_empty_folders_go_with_their_last_blob(tmp_path: Path):
    """Millions of runs do not leave millions of folders."""
    store = FileObjects(tmp_path)
    store.put("t/runs/1/a", [b"x"])
    store.delete(["t/runs/1/a"])
    assert not (tmp_path / "t").exists()


def test_files_are_closed_to_others(tmp_path: Path):
    """S114: values of users are readable by the server's account only."""
    store = FileObjects(tmp_path / "objects")
    store.put("t/a", [b"x"])
    assert (tmp_path / "objects/t/a").stat().st_mode & 0o077 == 0
    assert (tmp_path / "objects/t").stat().st_mode & 0o077 == 0
