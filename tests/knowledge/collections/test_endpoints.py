"""Collections through the front door."""

import json
from typing import Any

import httpx
import pytest

NEW = {"name": "papers", "embedding_model": "hashing-384"}
BASE = "/collections"


@pytest.fixture
async def papers(client: httpx.AsyncClient) -> str:
    answer = await client.post(BASE, json=NEW)
    assert answer.status_code == 201
    return f"{BASE}/papers"


async def test_a_collection_lives_and_dies(client: httpx.AsyncClient) -> None:
    """Create, fill, search, list and delete, as the contract says."""
    created = await client.post(BASE, json=NEW)
    assert created.status_code == 201
    assert created.headers["location"] == f"/api/v1{BASE}/{created.json()['id']}"
    added = await client.post(
        f"{BASE}/papers/documents", json={"documents": [{"id": "a/b.md", "text": "# T\n\nAn apple.", "metadata": {"n": 1}}]}
    )
    assert (added.status_code, added.json()["items"][0]["chunk_count"]) == (201, 1)
    found = await client.post(f"{BASE}/papers/search", json={"query": "apple", "where": {"n": 1}})
    assert found.status_code == 200
    match = found.json()["matches"][0]
    assert match["score"] > 0
    assert {**match, "score": None} == {
        "id": "a/b.md#0",
        "text": "An apple.",
        "score": None,
        "metadata": {"n": 1, "heading": "T", "start": 5, "end": 14},
        "document_id": "a/b.md",
    }
    listed = (await client.get(f"{BASE}?count=true&fields=name,document_count")).json()
    assert listed == {"items": [{"name": "papers", "document_count": 1}], "next_cursor": None, "total": 1}
    assert (await client.get(f"{BASE}/papers/documents")).json()["items"][0]["id"] == "a/b.md"
    assert (await client.delete(f"{BASE}/papers/documents/a/b.md")).status_code == 204
    assert (await client.get(f"{BASE}/{created.json()['id']}")).json()["document_count"] == 0
    assert (await client.delete(f"{BASE}/papers")).status_code == 204
    assert (await client.get(f"{BASE}/papers")).status_code == 404


async def test_files_are_uploaded(client: httpx.AsyncClient, papers: str) -> None:
    """A file goes in as multipart, with its metadata as JSON beside it."""
    form = {"metadata": json.dumps({"lang": "en"}), "chunk_size": "500"}
    answer = await client.post(f"{papers}/documents", files={"file": ("guide.md", b"# Guide\n\nHow to begin.", "text/markdown")}, data=form)
    assert answer.status_code == 201
    item = answer.json()["items"][0]
    assert (item["id"], item["content_type"]) == ("guide.md", "text/markdown")
    assert item["metadata"] == {"title": "Guide", "filename": "guide.md", "lang": "en"}


@pytest.mark.parametrize(
    ("form", "file", "status", "code"),
    [
        ({}, None, 400, "MALFORMED"),
        ({"metadata": "{"}, ("a.txt", b"x"), 400, "MALFORMED"),
        ({"metadata": "[1]"}, ("a.txt", b"x"), 422, "INVALID"),
        ({"chunk_size": "5"}, ("a.txt", b"x"), 422, "INVALID"),
        ({"surprise": "1"}, ("a.txt", b"x"), 422, "INVALID"),
        ({}, ("a.pdf", b"%PDF-1.7 broken"), 422, "INVALID_DOCUMENT"),
        ({}, ("a.png", b"x", "image/png"), 415, "UNSUPPORTED_DOCUMENT"),
        ({}, ("a" * 300 + ".txt", b"x"), 422, "INVALID"),
        ({"id": "a\x01"}, ("a.txt", b"x"), 422, "INVALID"),
    ],
)
async def test_bad_uploads_are_problems(
    client: httpx.AsyncClient, papers: str, form: dict[str, str], file: Any, status: int, code: str
) -> None:
    """Every mistake in a form has its status and code, and nothing is stored."""
    files = {"file": file} if file else {"other": ("a.txt", b"x")}
    answer = await client.post(f"{papers}/documents", files=files, data=form)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.get(papers)).json()["document_count"] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", {}, 422, "INVALID"),
        ("", {"name": "has space"}, 422, "INVALID"),
        ("", {"name": "x" * 101}, 422, "INVALID"),
        ("", {"name": "a\n"}, 422, "INVALID"),
        ("", {"name": "ok", "embedding_model": "gpt-9"}, 422, "UNKNOWN_EMBEDDING_MODEL"),
        ("", {"name": "ok", "surprise": 1}, 422, "INVALID"),
        ("", NEW, 409, "COLLECTION_EXISTS"),
        ("/absent/search", {"query": "x"}, 404, "COLLECTION_NOT_FOUND"),
        ("/papers/search", {}, 422, "INVALID"),
        ("/papers/search", {"query": ""}, 422, "INVALID"),
        ("/papers/search", {"query": [1, 2]}, 422, "INVALID_QUERY_VECTOR"),
        ("/papers/search", {"query": "x", "top_k": 101}, 422, "INVALID"),
        ("/papers/search", {"query": "x", "where": {"$near": 1}}, 422, "INVALID_FILTER"),
        ("/papers/documents", {}, 422, "INVALID"),
        ("/papers/documents", {"documents": []}, 422, "INVALID"),
        ("/papers/documents", {"documents": [{"text": 3}]}, 422, "INVALID"),
        ("/papers/documents", {"documents": [{"id": "", "text": "x"}]}, 422, "INVALID"),
        ("/papers/documents", {"documents": [{"text": "x", "metadata": {"a": "y" * 40_000}}]}, 422, "INVALID"),
        ("/papers/documents", {"documents": [{"text": "x", "content_type": "image/png"}]}, 415, "UNSUPPORTED_DOCUMENT"),
        ("/papers/documents", {"documents": [{"text": "x"}] * 1001}, 422, "INVALID"),
    ],
)
async def test_bad_bodies_are_problems(client: httpx.AsyncClient, papers: str, path: str, body: Any, status: int, code: str) -> None:
    """Every mistake in a body has its status and code."""
    answer = await client.post(BASE + path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"3", b'{"documents": [{"text": "\\ud800"}]}', b'{"documents": [{"text": "a\\u0000"}]}', b'{"documents": NaN}'],
)
async def test_what_is_no_json_object_is_a_problem(client: httpx.AsyncClient, papers: str, body: bytes) -> None:
    """Broken JSON, lone surrogates, NUL and values of another shape never become a 500."""
    answer = await client.post(f"{papers}/documents", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_other_body_types_are_unsupported(client: httpx.AsyncClient, papers: str) -> None:
    """Only JSON and multipart forms are read."""
    answer = await client.post(f"{papers}/documents", content=b"x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_credentials_are_needed(anonymous: httpx.AsyncClient) -> None:
    """Without a key nothing is told."""
    base = f"/api/v1{BASE}"
    paths = [
        ("GET", ""),
        ("POST", ""),
        ("GET", "/p"),
        ("DELETE", "/p"),
        ("POST", "/p/search"),
        ("POST", "/p/documents"),
        ("GET", "/p/documents"),
    ]
    for method, path in paths:
        assert (await anonymous.request(method, base + path)).status_code == 401
