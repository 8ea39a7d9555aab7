"""Which store a setting means, and what a wrong one says."""

import sys
from pathlib import Path

import pytest

from agentflow.config.settings import Settings
from agentflow.infra.objects.base import ObjectStoreMisconfigured, ObjectStoreUnavailable
from agentflow.infra.objects.objects import open_objects


async def test_without_a_setting_blobs_are_in_the_data_folder(tmp_path: Path):
    """Nothing needs to be configured."""
    objects = open_objects(Settings(data_dir=tmp_path))
    await objects.put("t/a", b"x")
    await objects.close()
    assert (tmp_path / "objects/t/a").read_bytes() == b"x"


@pytest.mark.parametrize("url", ["ftp://host/x", "nonsense", "s3://", "file://relative/path", "http://169.254.169.254/", "memory:///", ""])
def test_a_url_of_no_known_store_is_refused_in_one_line(tmp_path: Path, url: str):
    """The message names the setting and the way out."""
    with pytest.raises(ObjectStoreMisconfigured) as refused:
        open_objects(Settings(data_dir=tmp_path, object_store_url=url))
    assert "\n" not in refused.value.message
    assert "s3://bucket/prefix" in (refused.value.hint or "")


def test_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Object stores are an extra."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ObjectStoreMisconfigured) as refused:
        open_objects(Settings(data_dir=tmp_path, object_store_url="s3://bucket/x"))
    assert "agentflow[cluster]" in (refused.value.hint or "")


async def test_a_store_that_does_not_answer_says_so_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Health and doctor show this line."""
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    objects = open_objects(Settings(data_dir=tmp_path, object_store_url="s3://user:secret@bucket/x"))
    with pytest.raises(ObjectStoreUnavailable) as refused:
        await objects.check()
    await objects.close()
    assert "\n" not in refused.value.message
    assert "secret" not in refused.value.message
