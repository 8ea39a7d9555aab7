"""Artifacts through the front door."""

import hashlib
from pathlib import Path

import httpx
import pytest

from agentflow.artifacts.errors import ArtifactNotFound
from agentflow.bootstrap.container import Container
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.runtime.runs.schemas import Run

HTML = b"<script>alert(1)</script>"


def _blobs(container: Container) -> list[Path]:
    return [path for path in (container.settings.data_dir / "objects").rglob("*") if path.is_file()]


async def _send(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.post("/artifacts", files={"file": ("../evil page.html", HTML, "text/html")}, headers=headers)


async def test_an_artifact_lives_and_dies(client: httpx.AsyncClient, container: Container) -> None:
    """Send, read, list, download and delete, as the contract says; nothing stays behind."""
    made = await _send(client)
    assert made.status_code == 201, made.text
    artifact = made.json()
    assert made.headers["location"] == f"/api/v1/artifacts/{artifact['id']}"
    assert (artifact["size"], artifact["sha256"]) == (len(HTML), hashlib.sha256(HTML).hexdigest())
    assert (await client.get(f"/artifacts/{artifact['id']}")).json() == artifact
    assert (await client.get("/artifacts?count=true")).json() == {"items": [artifact], "next_cursor": None, "total": 1}
    assert (await client.get(f"/artifacts/{artifact['id']}/content")).content == HTML
    assert (await client.delete(f"/artifacts/{artifact['id']}")).status_code == 204
    assert (await client.get(f"/artifacts/{artifact['id']}")).status_code == 404
    assert (await client.delete(f"/artifacts/{artifact['id']}")).status_code == 404
    assert _blobs(container) == []


async def test_a_download_is_saved_and_never_run(client: httpx.AsyncClient) -> None:
    """S56: a page that somebody sent is no page of ours: it is an attachment, sandboxed, and not sniffed."""
    artifact = (await _send(client)).json()
    headers = (await client.get(f"/artifacts/{artifact['id']}/content")).headers
    assert headers["content-disposition"].startswith("attachment;")
    assert "/" not in headers["content-disposition"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-length"] == str(len(HTML))


async def test_a_media_type_that_is_none_becomes_binary(client: httpx.AsyncClient) -> None:
    """What stands in the answer's header is never what somebody made up."""
    sent = await client.post("/artifacts", files={"file": ("a", b"x", "text/html\tx=y evil")})
    assert sent.json()["content_type"] == "application/octet-stream"


async def test_sending_again_with_the_same_key_stores_one_file(client: httpx.AsyncClient, container: Container) -> None:
    """A repeated request gets the first answer, and its blob does not stay."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx\r\n--b--\r\n'
    headers = {"Idempotency-Key": "one", "Content-Type": "multipart/form-data; boundary=b"}
    first = await client.post("/artifacts", content=body, headers=headers)
    second = await client.post("/artifacts", content=body, headers=headers)
    assert first.status_code == 201, first.text
    assert first.json() == second.json()
    assert len(_blobs(container)) == 1


async def test_another_tenant_sees_nothing(client: httpx.AsyncClient, container: Container) -> None:
    """S32: an artifact of another tenant is one that does not exist."""
    artifact = (await _send(client)).json()
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    for attempt in (container.artifacts.get, container.artifacts.content, container.artifacts.delete):
        with pytest.raises(ArtifactNotFound):
            await attempt(stranger, artifact["id"])


async def test_large_values_of_a_run_are_downloaded_by_their_link(client: httpx.AsyncClient, container: Container) -> None:
    """A list of runs carries links; the link gives the JSON text; the value lives and dies with its run."""
    text = "x" * 300_000
    spec = {"name": "big", "start_node": "a", "nodes": [{"id": "a", "type": "transform", "config": {"value": text}}]}
    run = (await client.post("/execute?wait=30", json={"spec": spec})).json()
    assert run["outputs"] == text
    listed = (await client.get("/runs")).json()["items"][0]
    assert listed["outputs"] is None
    link = Run.model_validate(listed).large_values["outputs"]
    content = await client.get(link.href.removeprefix("/api/v1"))
    assert content.json() == text
    assert hashlib.sha256(content.content).hexdigest() == link.sha256
    mine = (await client.get(f"/artifacts?run_id={run['id']}")).json()["items"]
    assert {item["run_id"] for item in mine} == {run["id"]}
    assert (await client.get("/artifacts")).json()["items"] == []
    refused = await client.delete(f"/artifacts/{mine[0]['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "ARTIFACT_OF_RUN")


async def test_a_file_that_is_gone_is_410(client: httpx.AsyncClient, container: Container) -> None:
    """A row without its blob is a typed error, not half an answer."""
    artifact = (await _send(client)).json()
    for path in _blobs(container):
        path.unlink()
    gone = await client.get(f"/artifacts/{artifact['id']}/content")
    assert (gone.status_code, gone.json()["code"]) == (410, "OBJECT_MISSING")


async def test_what_is_no_form_with_a_file_is_refused(client: httpx.AsyncClient) -> None:
    """S57: wrong type 415, no file 400; nothing is stored."""
    assert (await client.post("/artifacts", json={"file": {"filepath": "/etc/passwd"}})).status_code == 415
    assert (await client.post("/artifacts", files={"other": ("a", b"x")})).status_code == 400
    assert (await client.post("/artifacts", data={"file": "text"}, files={})).status_code in (400, 415)
