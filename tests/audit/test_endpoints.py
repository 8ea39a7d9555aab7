"""The audit log through the front door: what is written, who reads it, and what verifying finds."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.identity.permissions import Permission
from agentflow.infra.audit.models import AuditAnchorRow, AuditHeadRow, AuditRow
from agentflow.infra.audit.sealer import ANCHOR_FILE
from agentflow.interfaces.rest.router import routes
from tests.audit import people
from tests.runtime.runs.people import started_waiting

SPEC = {"name": "hello", "start_node": "say", "nodes": [{"id": "say", "type": "transform", "config": {"value": "hi"}}]}
ASKS = {
    "name": "asks",
    "nodes": [{"id": "ask", "type": "human", "config": {"title": "Go on?"}}, {"id": "b", "type": "transform", "config": {"value": 1}}],
    "edges": [{"from": "ask", "to": "b"}],
}
NO_CHANGE = {
    "validate_workflow": "stores nothing",
    "preview_import": "stores nothing",
    "search_collection": "reads",
    "verify_audit": "reads",
    "create_artifact_link": "stores nothing: the link is signed",
    "prune_runs": "see its own test: with dry_run it changes nothing",
}
"""Operations with a changing method that change nothing."""


async def post(client, path, body=None, status=None, **options):
    answer = await client.post(path, json=body, **options) if body is not None else await client.post(path, **options)
    assert answer.status_code == status if status else answer.is_success, answer.text
    return answer.json()


async def actions(client, **query):
    """Return the actions of the log, oldest first."""
    page = (await client.get("/audit", params={"limit": 200, **query})).json()
    return [item["action"] for item in reversed(page["items"])]


async def everything(container):
    """Return the records of every organisation."""
    async with container.database.reading() as session:
        rows = (await session.execute(select(*AuditRow.__table__.columns))).all()
    return [{name: value for name, value in row._asdict().items() if name not in {"at", "mac", "hash"}} for row in rows]


def secrets_in(text):
    """Return what an answer gave out that opens something."""
    found = json.loads(text or "null")
    names = ("access_token", "refresh_token", "secret", "token", "uri")
    found = found if isinstance(found, dict) else {}
    return [found[name] for name in names if isinstance(found.get(name), str)] + found.get("recovery_codes", [])


async def secrets_variables_sources(client):
    for path, body, change in (
        ("/secrets", {"name": "S", "value": "audit-canary-1"}, {"value": "audit-canary-2"}),
        ("/variables", {"name": "v", "value": "audit-canary-3"}, {"value": "audit-canary-4"}),
        ("/sources", {"name": "s", "kind": "vector", "config": {"collection": "c"}}, {"config": {"collection": "d"}}),
    ):
        made = await post(client, path, body)
        assert (await client.put(f"{path}/{made['id']}", json=change)).is_success
        if path == "/sources":
            await post(client, f"{path}/s/test")
        assert (await client.delete(f"{path}/{made['id']}")).is_success
    await post(client, "/secrets/rotate-master-key")


async def collections_and_artifacts(client):
    await post(client, "/collections", {"name": "c", "embedding_model": "hashing-384"})
    await post(client, "/collections/c/documents", {"documents": [{"id": "d", "text": "audit-canary-5"}]})
    assert (await client.delete("/collections/c/documents/d")).is_success
    assert (await client.delete("/collections/c")).is_success
    made = await post(client, "/artifacts", files={"file": ("a.txt", b"audit-canary-6")})
    assert (await client.delete(f"/artifacts/{made['id']}")).is_success


async def workflows(client):
    made = await post(client, "/workflows", {"spec": SPEC})
    path = f"/workflows/{made['id']}"
    node = {"id": "b", "type": "transform", "config": {"value": 1}}
    assert (await client.patch(path, json={"description": "x"})).is_success
    assert (await client.put(path, json={"spec": {**SPEC, "description": "y"}})).is_success
    await post(client, f"{path}/nodes", node)
    assert (await client.put(f"{path}/nodes/b", json={**node, "name": "B"})).is_success
    edge = await post(client, f"{path}/edges", {"from": "say", "to": "b", "id": "e"})
    assert edge
    assert (await client.put(f"{path}/edges/e", json={"from": "say", "to": "b", "id": "e"})).is_success
    assert (await client.delete(f"{path}/edges/e")).is_success
    assert (await client.delete(f"{path}/nodes/b")).is_success
    await post(client, f"{path}/rollback", {"version": 1})
    await post(client, "/workflows/fork", {"workflow_id": made["id"], "name": "fork"})
    await post(client, "/workflows/import", {**SPEC, "name": "imported"})
    await post(client, f"{path}/fork", {"name": "fork again"})
    assert (await client.delete(path)).is_success
    await post(client, f"{path}/restore")


async def sharing(client):
    foreign = {**SPEC, "name": "foreign", "nodes": [{"id": "a", "type": "http", "config": {"url": "https://foreign.example"}}]}
    look = await post(client, "/workflows/import/preview", {**foreign, "start_node": "a"})
    made = await post(client, "/workflows/import", {**foreign, "start_node": "a"})
    path = f"/workflows/{made['id']}"
    await post(client, f"{path}/confirmation", {"spec_hash": look["spec_hash"]})
    assert (await client.put(f"{path}/share", json={"visibility": "public"})).is_success
    link = await post(client, f"{path}/links", {})
    taken = await post(client, "/shared/workflow/accept", {"token": link["token"]})
    assert (await client.delete(f"{path}/share/{taken['id']}")).is_success
    shared = await post(client, f"{path}/share", {"user": "owner", "role": "viewer"})
    assert shared
    assert (await client.delete(f"{path}/links/{link['id']}")).is_success


async def runs(client):
    run = await post(client, "/execute?wait=20", {"spec": SPEC, "inputs": {"said": "audit-canary-7"}})
    await post(client, "/workflows/hello/execute?wait=20", {})
    await post(client, f"/runs/{run['id']}/fork?wait=20", {"checkpoint": 0})
    waiting = {"id": await started_waiting(client, ASKS)}
    asked = (await client.get(f"/runs/{waiting['id']}/interrupts")).json()["items"][0]
    await post(client, f"/interrupts/{asked['id']}/comments", {"text": "audit-canary-8"})
    assert (await client.patch(f"/interrupts/{asked['id']}", json={"assignees": ["user:owner"]})).is_success
    await post(client, f"/runs/{waiting['id']}/signal", {"name": "event", "data": "audit-canary-9"})
    await post(client, "/events", {"name": "event", "data": "audit-canary-9"})
    await post(client, f"/runs/{waiting['id']}/interrupt", {"decision": "approve", "comment": "audit-canary-10"})
    other = {"id": await started_waiting(client, ASKS)}
    await post(client, f"/runs/{other['id']}/pause")
    await post(client, f"/runs/{other['id']}/resume")
    await post(client, f"/runs/{other['id']}/cancel")
    await post(client, f"/runs/{other['id']}/retry", {})
    assert (await client.delete(f"/runs/{run['id']}")).is_success


async def test_s108_every_operation_that_changes_something_writes_a_record(app, client, container, mails, quick_hashes, monkeypatch):
    """S108, S110: enumerated from the routes: whoever adds one has to let it write, or to say here why it changes nothing.

    And no record holds a value that was sent, nor a password, a token or a code.
    """
    called, given_out, handle = set(), set(), AsgiTransport.handle_async_request

    async def noting(self, request):
        called.add((request.method, request.url.path))
        answer = await handle(self, request)
        if "/auth/" in request.url.path or "/api-keys" in request.url.path or "/invitations" in request.url.path:
            given_out.update(secrets_in((await answer.aread()).decode()))
        return answer

    monkeypatch.setattr(AsgiTransport, "handle_async_request", noting)
    before = len(await everything(container))
    for work in (secrets_variables_sources, collections_and_artifacts, workflows, sharing, runs):
        await work(client)
    await people.accounts(app, mails)
    await people.organisations(app, client)
    log = await everything(container)
    changing = [(route, method) for route in routes() for method in route.methods if method in {"POST", "PUT", "PATCH", "DELETE"}]
    missing = [
        route.operation_id
        for route, method in changing
        if route.path.startswith("/api/v1") and route.operation_id not in NO_CHANGE
        if not any(method == done and route.path_regex.match(path) for done, path in called)
    ]
    assert missing == []
    changes = [(method, path) for method, path in called if method != "GET"]
    assert len(log) - before >= len(changes)
    by_action = {item["action"] for item in log}
    assert by_action >= {
        "secret.created", "secret.replaced", "secret.deleted", "master-key.rotated", "variable.created", "variable.replaced",
        "variable.deleted", "source.created", "source.replaced", "source.tested", "source.deleted", "collection.created",
        "collection.filled", "collection.document-deleted", "collection.deleted", "artifact.created", "artifact.deleted",
        "workflow.created", "workflow.updated", "workflow.replaced", "workflow.edited", "workflow.rolled-back", "workflow.deleted",
        "workflow.restored", "workflow.imported", "workflow.confirmed", "workflow.visibility-changed", "workflow.shared", "workflow.unshared",
        "workflow.link-created", "workflow.link-accepted", "workflow.link-revoked", "run.started", "run.cancelled", "run.answered",
        "run.paused", "run.resumed", "run.reassigned", "run.commented", "run.signalled",
        "run.deleted", "event.sent",
    }  # fmt: skip
    assert by_action >= {
        "account.email-proven", "account.factor-begun", "account.factor-enabled", "account.factor-removed", "account.password-changed",
        "account.password-reset", "account.proof-asked", "account.reset-asked", "account.updated", "api-key.created", "api-key.revoked",
        "api-key.rotated", "grant.created", "grant.deleted", "invitation.accepted", "invitation.created", "invitation.revoked",
        "member.removed", "member.updated", "role.created", "role.deleted", "role.updated", "session.created", "session.entered",
        "session.refreshed", "session.revoked", "session.updated", "team.created", "team.deleted", "team.joined", "team.left",
        "team.updated", "tenant.created", "tenant.deleted", "tenant.updated", "user.created", "user.deleted", "user.registered",
        "user.updated",
    }  # fmt: skip
    text = json.dumps(log)
    assert "audit-canary" not in text
    assert len(given_out) > 10
    assert [secret for secret in given_out if secret in text] == []
    first = next(item for item in log if item["action"] == "secret.created")
    assert (first["actor"], first["outcome"], first["details"]) == ("owner", "done", {"name": "S"})
    assert first["request_id"]
    verified = (await client.post("/audit/verify", json={})).json()
    assert (verified["intact"], verified["fault"]) == (True, None)


async def test_s108_refusals_are_written_down(client, anonymous, container, monkeypatch):
    """S108: no credential, a wrong one, and one that may not do this; with the address, and without what was sent."""
    await anonymous.get("/api/v1/workflows?secret=audit-canary")
    await anonymous.get("/api/v1/workflows", headers={"X-API-Key": "afk_audit-canary"})
    authenticate = container.credentials.authenticate

    async def narrowed(secret, kind):
        subject = await authenticate(secret, kind)
        return replace(subject, permissions=frozenset({Permission.AUDIT_READ}))

    with monkeypatch.context() as patch:
        patch.setattr(container.credentials, "authenticate", narrowed)
        assert (await client.post("/secrets", json={"name": "S", "value": "audit-canary"})).status_code == 403
    page = (await client.get("/audit?outcome=denied")).json()["items"]
    assert [(item["actor"], item["details"]) for item in page] == [
        ("owner", {"method": "POST", "path": "/api/v1/secrets", "code": "FORBIDDEN"}),
        ("", {"method": "GET", "path": "/api/v1/workflows", "code": "UNAUTHENTICATED"}),
        ("", {"method": "GET", "path": "/api/v1/workflows", "code": "UNAUTHENTICATED"}),
    ]
    assert "audit-canary" not in json.dumps(page)


async def test_strangers_cannot_fill_the_log(anonymous, client):
    """A flood of requests without a credential is written down only so often; the record that follows says how many were left out."""
    for _ in range(130):
        await anonymous.get("/api/v1/workflows")
    written = (await client.get("/audit?outcome=denied&limit=200")).json()["items"]
    assert 100 <= len(written) < 130


async def test_the_log_is_filtered_and_paged(client):
    """By action, resource, actor, time and page."""
    for name in ("A", "B", "C"):
        await post(client, "/secrets", {"name": name, "value": "some value"})
    await post(client, "/variables", {"name": "v", "value": 1})
    assert await actions(client, action="secret.created") == ["secret.created"] * 3
    assert await actions(client, action="variable") == ["variable.created"]
    assert await actions(client, actor="nobody") == []
    assert len(await actions(client, actor="owner", since="2020-01-01T00:00:00Z")) >= 4
    assert await actions(client, until="2020-01-01T00:00:00Z") == []
    first = (await client.get("/audit?action=secret&limit=2&count=true")).json()
    assert (first["total"], [item["details"]["name"] for item in first["items"]]) == (3, ["C", "B"])
    rest = (await client.get(f"/audit?action=secret&limit=2&cursor={first['next_cursor']}")).json()
    assert [item["details"]["name"] for item in rest["items"]] == ["A"]
    one = (await client.get(f"/audit/{rest['items'][0]['id']}")).json()
    assert one["details"] == {"name": "A"}
    assert (await client.get("/audit/nothing")).json()["code"] == "AUDIT_RECORD_NOT_FOUND"
    assert (await client.get("/audit?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z")).status_code == 422
    assert (await client.get("/audit?since=yesterday")).status_code == 422


async def sealed(client, count=5):
    """Fill the log, and return what verifying says of it."""
    for number in range(count):
        await post(client, "/variables", {"name": f"v{number}", "value": 1})
    found = (await client.post("/audit/verify", json={})).json()
    assert found["intact"], found
    return found


@pytest.mark.parametrize("what", ["edit", "delete", "forge", "reorder"])
async def test_s109_an_altered_log_is_found_and_the_record_named(client, container, what):
    """S109: straight in the database, as who has its password can."""
    await sealed(client)
    third = AuditRow.seq == 3
    async with container.database.transaction() as session:
        if what == "edit":
            await session.execute(update(AuditRow).where(third).values(actor="somebody else"))
        elif what == "delete":
            await session.execute(delete(AuditRow).where(third))
        elif what == "forge":
            row = (await session.scalars(select(AuditRow).where(third))).one()
            session.expunge(row)
            values = {column.key: getattr(row, column.key) for column in AuditRow.__mapper__.column_attrs}
            session.add(AuditRow(**{**values, "id": values["id"][:-4] + "0000", "seq": None, "action": "secret.created"}))
        else:
            for old, new in ((3, 99), (4, 3), (99, 4)):
                await session.execute(update(AuditRow).where(AuditRow.seq == old).values(seq=new))
    found = (await client.post("/audit/verify", json={})).json()
    assert found["intact"] is False
    assert found["fault"]["seq"] == (None if what == "forge" else 3), found


@pytest.mark.parametrize("keeps", ["head", "file", "caller", "nobody"])
async def test_s109_a_cut_tail_is_found_by_whoever_kept_an_anchor(client, container, settings, keeps):
    """S109: the signed end in the database, the file beside it, or an anchor that the caller kept; without any, nobody can know."""
    head = (await sealed(client))["head"]
    async with container.database.transaction() as session:
        cut = (await session.scalars(select(AuditRow).where(AuditRow.seq == 3))).one().hash
        await session.execute(delete(AuditRow).where(AuditRow.seq > 3))
        if keeps != "head":
            await session.execute(delete(AuditAnchorRow))
            await session.execute(delete(AuditHeadRow))
    if keeps in ("caller", "nobody"):
        (settings.data_dir / ANCHOR_FILE).unlink()
    assert cut
    found = (await client.post("/audit/verify", json={"anchors": [head] if keeps == "caller" else []})).json()
    if keeps == "nobody":
        return
    assert found["intact"] is False, found


async def test_anchors_of_others_are_refused(client):
    """An anchor that was not signed for this log is no argument."""
    head = (await sealed(client, 1))["head"]
    answer = await client.post("/audit/verify", json={"anchors": [{**head, "seq": head["seq"] + 1}]})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_ANCHOR")


async def test_the_log_is_exported_and_verified_by_itself(client):
    """One record a line, oldest first; the links of the file are those of the chain."""
    from agentflow.entrypoints.cli.exported import verify_export

    found = await sealed(client)
    lines = [json.loads(line) for line in (await client.get("/audit/export")).text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["action"] == "audit.exported"
    assert verify_export(lines, [found["head"]], found["public_key"])["intact"]
    lines[2]["actor"] = "somebody else"
    assert verify_export(lines, [found["head"]], found["public_key"])["fault"]["seq"] == 3
    some = (await client.get("/audit/export?action=variable.created")).text.splitlines()
    assert len(some) == 5


async def test_another_tenant_has_a_log_of_its_own(client, container):
    """Nothing of one log is in another."""
    from agentflow.audit.repository import AuditFilter
    from agentflow.identity.permissions import ALL_PERMISSIONS
    from agentflow.identity.subject import Subject
    from agentflow.kit.ids import new_id
    from agentflow.kit.pagination import PageRequest
    from agentflow.variables.schemas import VariableCreate

    await sealed(client)
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS, "stranger")
    assert (await container.audit.list(stranger, AuditFilter(), PageRequest(count=True))).total == 0
    await container.variables.create(stranger, VariableCreate(name="v", value=1))
    verified = await container.audit.verify(stranger)
    assert (verified.intact, verified.records) == (True, 1)
    assert await actions(client, actor="stranger") == []


async def test_credentials_are_needed(anonymous):
    """Without a key nothing is told."""
    for method, path in (("GET", ""), ("GET", "/x"), ("GET", "/export"), ("POST", "/verify")):
        assert (await anonymous.request(method, f"/api/v1/audit{path}")).status_code == 401
