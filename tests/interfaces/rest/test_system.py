"""Health, metrics, and the documents that describe the API."""

import json

import jsonschema_rs
import pytest

from agentflow.infra.observability.health import Check


async def test_the_process_is_alive_without_a_credential(anonymous):
    """A supervisor needs no key."""
    answer = await anonymous.get("/health/live")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_readiness_names_every_dependency_with_its_latency(anonymous):
    """A load balancer sees what answers and how fast."""
    answer = await anonymous.get("/health/ready")
    assert answer.status_code == 200
    database, objects = answer.json()["dependencies"]
    assert (database["name"], database["ok"]) == ("database", True)
    assert (objects["name"], objects["ok"]) == ("object store", True)
    assert 0 < database["latency_ms"] < 2_000


async def test_a_dependency_that_is_down_makes_it_unavailable(anonymous, app, container):
    """One dead dependency is a 503 that names it and tells no address."""

    async def dead():
        raise ConnectionError("postgresql://user:password@db.internal refused")

    broken = type("Broken", (), {"checks": (*container.checks, Check("broker", dead)), "settings": container.settings})()
    app.state.container = broken
    answer = await anonymous.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"][-1] | {"latency_ms": 0} == {
        "name": "broker",
        "ok": False,
        "latency_ms": 0,
        "error": "ConnectionError",
        "required": True,
    }
    broken.checks = (*container.checks, Check("broker", dead, required=False))
    assert (await anonymous.get("/health/ready")).status_code == 200


async def test_metrics_count_requests_by_route_for_the_owner_only(client, anonymous):
    """Requests are counted by the route's template, so that ids make no series of their own."""
    await client.get("/runs/00000000-0000-0000-0000-000000000000")
    assert (await anonymous.get("/metrics")).status_code == 401
    answer = await anonymous.get("/metrics", headers=client.headers)
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'agentflow_http_request_duration_seconds_count{method="GET",route="/api/v1/runs/{run_id}",status="404"}' in answer.text
    assert "00000000-0000" not in answer.text


@pytest.fixture
async def document(anonymous):
    """Give the OpenAPI document."""
    return (await anonymous.get("/api/v1/openapi.json")).json()


def operations(document):
    return [(path, method, operation) for path, item in document["paths"].items() for method, operation in item.items()]


async def test_every_operation_is_described(document):
    """Each has a unique id, a summary, a description, one tag, a good answer and errors, and says which credential it takes."""
    found = operations(document)
    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    open_to_all = {operation["operationId"] for _, _, operation in found if "security" not in operation}
    assert open_to_all == {
        *("get_liveness", "get_readiness", "get_openapi", "get_jwks", "download_artifact", "open_workflow_link", "get_public_workflow"),
        *("register", "enter_as_guest", "login", "get_token", "redeem_link", "refresh"),
        *("forgot_password", "reset_password", "verify_email"),
    }
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in found:
        place = f"{method} {path}"
        assert operation["summary"], place
        assert operation["description"], place
        assert len(operation["tags"]) == 1, place
        assert set(operation["tags"]) <= tags, place
        assert any(status < "4" for status in operation["responses"]), place
        assert any(status >= "4" for status in operation["responses"]), place
        assert all("description" in parameter for parameter in operation.get("parameters", ())), place


async def test_every_example_fits_its_schema(document):
    """Bodies and answers carry an example, and each is valid by the schema beside it."""
    checked, validators = 0, {}
    for path, method, operation in operations(document):
        for answer in (*operation["responses"].values(), operation.get("requestBody", {})):
            for content in answer.get("content", {}).values():
                assert "example" in content, f"{method} {path}"
                # Most answers have one of a few schemas, and making a validator reads all components.
                key = json.dumps(content["schema"], sort_keys=True)
                if key not in validators:
                    schema = {**content["schema"], "components": document["components"]}
                    validators[key] = jsonschema_rs.Draft202012Validator(schema)
                validators[key].validate(content["example"])
                checked += 1
    assert checked > 300


async def test_the_document_can_be_read_as_a_page_that_loads_nothing(anonymous, document):
    """S132: the page names every operation and its policy lets no script in."""
    answer = await anonymous.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script" not in answer.headers["content-security-policy"]
    assert all(f'id="{operation["operationId"]}"' in answer.text for _, _, operation in operations(document))
    assert "<script" not in answer.text


async def test_node_types_are_listed_with_schemas_and_examples(client):
    """Every node type describes itself, and its example fits its config schema where nothing renders."""
    items = (await client.get("/node-types")).json()["items"]
    assert {"input", "transform", "http", "router", "map"} <= {item["type"] for item in items}
    for item in items:
        assert item["title"]
        assert item["description"]
        assert item["example"]["type"] == item["type"]
        assert (await client.get(f"/node-types/{item['type']}")).json() == item
    assert (await client.get("/node-types/nothing")).json()["code"] == "NODE_TYPE_NOT_FOUND"


async def test_the_spec_schema_accepts_what_the_examples_say(client):
    """The schema is valid JSON Schema 2020-12 and takes a small workflow."""
    answer = await client.get("/spec/schema")
    assert answer.headers["content-type"] == "application/schema+json"
    schema = answer.json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid({"name": "x", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}], "edges": []})
    assert not validator.is_valid({"name": "x", "nodes": [{"id": "A b", "type": "transform"}]})
