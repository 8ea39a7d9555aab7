"""What every object store does, in files and over S3."""

import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentflow.config.settings import Settings
from agentflow.infra.objects.base import ObjectMissing
from agentflow.infra.objects.objects import Objects, open_objects
from agentflow.kit.ids import new_id


@pytest.fixture(params=["files", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Objects]:
    url = f"file://{tmp_path}/objects"
    if request.param == "s3":
        server = request.getfixturevalue("s3")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url = f"{server.url}/{new_id()}"
    store = open_objects(Settings(data_dir=tmp_path, object_store_url=url))
    yield store
    await store.close()


async def _keys(objects: Objects, folder: str = "") -> set[str]:
    return {item.key async for page in objects.pages(folder) for item in page}


async def test_what_was_put_is_read(objects: Objects):
    """A blob comes back to the byte; so does the empty one."""
    await objects.put("tenant/runs/1/a", b"\0\xff text")
    await objects.put("tenant/runs/1/b", b"")
    assert await objects.read("tenant/runs/1/a") == b"\0\xff text"
    assert await objects.read("tenant/runs/1/b") == b""


async def test_putting_again_changes_nothing(objects: Objects):
    """A put that is repeated after a doubt leaves one blob."""
    for _ in range(2):
        await objects.put("t/a", b"same")
    assert await objects.read("t/a") == b"same"
    assert await _keys(objects) == {"t/a"}


async def test_large_blobs_go_in_pieces(objects: Objects):
    """A file is sent and read in pieces, never as a whole."""
    content = bytes(range(256)) * 4096 * 7
    await objects.put("t/large", io.BytesIO(content))
    pieces = [piece async for piece in await objects.stream("t/large")]
    assert b"".join(pieces) == content
    assert len(pieces) > 3


async def test_a_missing_blob_is_a_typed_error(objects: Objects):
    """Reading what is not there says so before the first piece."""
    with pytest.raises(ObjectMissing, match="gone"):
        await objects.read("t/absent")
    with pytest.raises(ObjectMissing):
        await objects.stream("t/absent")


async def test_deleting_is_safe_to_repeat(objects: Objects):
    """What is not there counts as deleted, also among others."""
    await objects.put("t/a", b"1")
    await objects.put("t/b", b"2")
    await objects.delete(["t/a", "t/absent"])
    await objects.delete(["t/a"])
    assert await _keys(objects) == {"t/b"}


async def test_a_folder_is_listed_and_deleted_alone(objects: Objects):
    """A folder is a whole part of the key: ``t/1`` is not in ``t/10``."""
    for key in ("t/1/a", "t/1/b/c", "t/10/a", "u/1/a"):
        await objects.put(key, key.encode())
    found = [item async for page in objects.pages("t/1") for item in page]
    assert {item.key: item.size for item in found} == {"t/1/a": 5, "t/1/b/c": 7}
    assert all(abs(item.modified - datetime.now(UTC)) < timedelta(minutes=5) for item in found)
    assert await objects.delete_folder("t/1") == 2
    assert await _keys(objects) == {"t/10/a", "u/1/a"}
    assert await _keys(objects, "t/absent") == set()


async def test_a_store_that_answers_passes_the_check(objects: Objects):
    """The check of health writes nothing that stays."""
    await objects.check()
    assert await _keys(objects) == set()


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "t/../../x", "t//a", "", "t/\0", ".unfinished/x"])
async def test_a_key_cannot_lead_out_of_the_store(objects: Objects, key: str):
    """S56: keys are plain relative paths."""
    with pytest.raises(ValueError, match="no key"):
        await objects.put(key, b"x")
    with pytest.raises(ValueError, match="no key"):
        await objects.read(key)
