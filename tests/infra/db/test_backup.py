"""Copies of a SQLite database, and files that are not whole."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agentflow.infra.db.backup import DatabaseDamaged, examine, faults, snapshot

PAGE = 4096


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Give a database of some hundred pages with an index."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, body TEXT)")
        connection.execute("CREATE INDEX i ON t (name)")
        connection.executemany("INSERT INTO t (name, body) VALUES (?, ?)", [(f"n{n}", "x" * 300) for n in range(2_000)])
        connection.commit()
    return path


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


def test_a_whole_file_and_a_missing_one_pass(store: Path, tmp_path: Path):
    """Nothing is wrong with either."""
    examine(store)
    examine(tmp_path / "missing.db")


def test_what_is_only_in_the_log_is_examined_too(store: Path, tmp_path: Path):
    """A copy taken after a crash, with its log and without the shared memory, is whole."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("INSERT INTO t (name) VALUES ('late')")
        connection.commit()
        for suffix in ("", "-wal"):
            shutil.copy(f"{store}{suffix}", tmp_path / f"copy.db{suffix}")
    examine(tmp_path / "copy.db")
    assert count(tmp_path / "copy.db") == 2_001


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(store: Path, share: float):
    """Wherever it ends too early, the error names the file and the way out."""
    data = store.read_bytes()
    store.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DatabaseDamaged, match=r"store\.db") as caught:
        examine(store)
    assert caught.value.hint is not None
    assert "agentflow restore" in caught.value.hint


def test_a_changed_page_head_is_refused(store: Path):
    """The kind of a page, or the number of its cells, cannot change unnoticed."""
    data, chance, missed = store.read_bytes(), random.Random(5), []
    for page in chance.sample(range(1, len(data) // PAGE), 40):
        for place in (0, 4):
            changed = bytearray(data)
            changed[page * PAGE + place] ^= 0xFF
            store.write_bytes(changed)
            if not faults(store):
                missed.append((page, place))
    assert missed == []


def test_any_change_is_found_or_harmless_to_the_structure(store: Path):
    """After any flipped bit the file is refused, or every row of it can still be read."""
    data, chance = store.read_bytes(), random.Random(6)
    for _ in range(100):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        store.write_bytes(changed)
        if not faults(store):
            assert count(store) == 2_000


def test_a_large_file_is_not_examined_at_every_start(store: Path):
    """Beyond the bound a start does not read the whole file."""
    store.write_bytes(store.read_bytes()[: 20 * PAGE])
    examine(store, largest=10 * PAGE)
    with pytest.raises(DatabaseDamaged):
        examine(store, largest=None)


def test_a_copy_is_whole_and_leaves_no_trace(store: Path, tmp_path: Path):
    """It holds every row, only its owner may read it, and nothing else is left in the folder."""
    target = tmp_path / "out" / "copy.db"
    target.parent.mkdir()
    snapshot(store, target)
    assert count(target) == 2_000
    assert target.stat().st_mode & 0o077 == 0
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]


def test_a_damaged_file_is_not_copied(store: Path, tmp_path: Path):
    """A backup of what is not whole is refused, and leaves nothing behind."""
    store.write_bytes(store.read_bytes()[: 20 * PAGE + 7])
    with pytest.raises(DatabaseDamaged):
        snapshot(store, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy.db*"))
