"""Requests that no client should send: each is answered by a typed problem, and nothing of it is stored."""

import pytest

JSON = {"Content-Type": "application/json"}


def assert_problem(answer, status, code):
    body = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:agentflow:error:{code}"
    assert body["instance"] == answer.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"spec": NaN}', "JSON"),
        (b'{"spec": {"x": 1e999}}', "JSON"),
        (b'{"spec": "\\ud800"}', "surrogate"),
        (b'{"spec": "\xff"}', "JSON"),
        (b'{"spec": {"a\\u0000b": 1}}', "NUL"),
        (b'{"spec": ["\\u0000"]}', "NUL"),
        (b"[" * 900 + b"]" * 900, "nested deeper than 100"),
    ],
)
async def test_a_body_that_cannot_be_kept_is_malformed(client, body, reason):
    """S81, S82, S83: broken JSON, NaN, infinity, lone surrogates, NUL and great depth are refused before anything looks at them."""
    answer = await client.post("/workflows", content=body, headers=JSON)
    if body:
        assert reason in assert_problem(answer, 400, "MALFORMED")["detail"]
    else:
        assert_problem(answer, 422, "INVALID")
    assert (await client.get("/workflows?count=true")).json()["total"] == 0


@pytest.mark.parametrize("path", ["/workflows", "/execute", "/workflows/validate", "/workflows/fork"])
async def test_unknown_and_mistyped_fields_are_named(client, path):
    """Every field that is unknown, missing or of a wrong type has an entry with its place."""
    body = assert_problem(await client.post(path, json={"spce": {}, "tags": 3, "workflow_id": 3, "name": 4}), 422, "INVALID")
    assert "/spce" in {error["path"] for error in body["errors"]}
    assert all(error["in"] == "body" and error["message"] for error in body["errors"])


async def test_a_million_unknown_fields_cost_one_answer(client):
    """A body whose object has more fields than any request is refused as a whole."""
    body = b"{" + b",".join(b'"f%d":1' % number for number in range(500_000)) + b"}"
    assert len(assert_problem(await client.post("/execute", content=body, headers=JSON), 422, "INVALID")["errors"]) == 0


async def test_another_media_type_is_refused(client):
    """What is not JSON is not read as JSON."""
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
        assert_problem(await client.post("/execute", content=b"{}", headers={"Content-Type": kind}), 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_of_fifty_megabytes_is_too_large(client):
    """S87: a body over the limit is refused, whether its length is told or it comes in chunks."""

    async def chunks():
        for _ in range(50):
            yield b"x" * 1_000_000

    told = await client.post("/execute", content=b"x" * 50_000_000, headers=JSON)
    assert "max_body_bytes" in assert_problem(told, 413, "TOO_LARGE")["detail"]
    assert_problem(await client.post("/execute", content=chunks(), headers=JSON), 413, "TOO_LARGE")


async def test_nul_in_an_address_is_malformed(client):
    """S81: no path and no query with NUL reaches a database."""
    assert_problem(await client.get("/workflows/a%00b"), 400, "MALFORMED")
    assert_problem(await client.get("/workflows?q=a%00b"), 400, "MALFORMED")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "page=0",
        "page=99999999999999999999",
        "sort=nope",
        "sort=name:sideways",
        "count=perhaps",
        "status=nope",
        "fields=nope",
        "fields=,",
        "tag=" + "x" * 101,
    ],
)
async def test_an_impossible_parameter_of_a_list_is_invalid(client, query):
    """S52, S93: limits, sorts, states and fields that do not exist are named."""
    name = query.partition("=")[0]
    body = assert_problem(await client.get(f"/workflows?{query}"), 422, "INVALID")
    assert name in body["detail"] or any(name in error["path"] for error in body["errors"]) or "field" in body["detail"]


@pytest.mark.parametrize("cursor", ["x", "!", "WzFd", "bnVsbA", "W10", "WyJjcmVhdGVkX2F0IiwxXQ", "é", "A" * 2_000])
@pytest.mark.parametrize("path", ["/workflows", "/runs", "/collections"])
async def test_a_foreign_cursor_is_malformed(client, path, cursor):
    """S93: a cursor that this list did not give out is refused, never an error of ours."""
    assert_problem(await client.get(path, params={"cursor": cursor}), 400, "MALFORMED")


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
async def test_a_time_without_zone_or_beyond_time_is_invalid(client, moment):
    """Times need a zone, and must exist in UTC."""
    assert_problem(await client.get("/runs", params={"created_after": moment}), 422, "INVALID")


@pytest.mark.parametrize("run_id", ["x", "%F0%9F%98%80", "00000000-0000-0000-0000-000000000000", "a" * 64])
@pytest.mark.parametrize("suffix", ["", "/nodes", "/events"])
async def test_a_run_that_does_not_exist_is_not_found(client, run_id, suffix):
    """Anything that is no run's id is a 404, as a list and as a stream."""
    for accept in ("application/json", "text/event-stream"):
        assert_problem(await client.get(f"/runs/{run_id}{suffix}", headers={"Accept": accept}), 404, "RUN_NOT_FOUND")


@pytest.mark.parametrize("key", ["", "x" * 256, "sp ace", "ümlaut"])
async def test_an_idempotency_key_must_be_plain(client, key):
    """A key is 1 to 255 printable characters."""
    headers = {"Idempotency-Key": key.encode()}
    assert_problem(await client.post("/workflows", json={"spec": {}}, headers=headers), 422, "INVALID")


async def test_if_match_must_hold_entity_tags(client):
    """A bare word is not an entity tag."""
    assert_problem(await client.delete("/workflows/x", headers={"If-Match": "3"}), 400, "MALFORMED")


@pytest.mark.parametrize(("path", "methods"), [("/workflows", "GET, POST"), ("/runs/prune", "POST")])
async def test_a_wrong_method_names_the_right_ones(client, path, methods):
    """A 405 lists what the address understands, also where another template fits it too."""
    answer = await client.put(path)
    assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == methods


async def test_an_unknown_address_is_not_found(client):
    """An address that does not exist is a problem too, and a slash more is another address."""
    assert_problem(await client.get("/nothing"), 404, "NOT_FOUND")
    assert_problem(await client.get("/workflows/"), 404, "NOT_FOUND")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("after", ["-1", "x", "99999999999"])
async def test_a_place_in_a_log_must_be_a_number(client, after, accept):
    """``after`` and ``Last-Event-ID`` are sequence numbers."""
    headers = {"Accept": accept}
    assert_problem(await client.get("/runs/x/events", params={"after": after}, headers=headers), 422, "INVALID")
    assert_problem(await client.get("/runs/x/events", headers=headers | {"Last-Event-ID": after}), 422, "INVALID")
