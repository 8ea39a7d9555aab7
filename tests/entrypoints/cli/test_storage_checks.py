"""What doctor says of storage."""

import shutil
from pathlib import Path

import pytest

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli import storage_checks
from agentflow.entrypoints.cli.diagnosis import Verdict


async def test_a_working_object_store_is_named(settings: Settings):
    """The place is shown."""
    found = await storage_checks.object_store(settings)
    assert (found.verdict, found.message) == (Verdict.OK, f"files in {settings.data_dir}/objects")


async def test_looking_makes_no_folder(tmp_path: Path):
    """Doctor looks, and the first start makes."""
    found = await storage_checks.object_store(Settings(data_dir=tmp_path / "none"))
    assert found.verdict is Verdict.OK
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://bucket/x"])
async def test_a_wrong_or_silent_object_store_is_one_line_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str):
    """A wrong scheme, an address that does not answer."""
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    found = await storage_checks.object_store(Settings(data_dir=tmp_path, object_store_url=url))
    assert found.verdict is Verdict.FAILED
    assert "\n" not in found.message
    assert found.hint


def test_a_nearly_full_disk_is_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """With what can be done about it."""
    assert "the database has" in storage_checks.disk(settings).message
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    found = storage_checks.disk(settings)
    assert found.verdict is Verdict.WARNING
    assert "runs prune" in (found.hint or "")
