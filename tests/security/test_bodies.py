"""Attacks in what is sent: forms, JSON, parameters, specifications."""

import pytest

from agentflow.kit import json as strict
from tests.support.effort import effort

JSON = {"Content-Type": "application/json"}
SQL = [
    "' OR '1'='1",
    "1; DROP TABLE runs; --",
    "') UNION SELECT secret_hash FROM api_keys --",
    "\\'; SELECT pg_sleep(5); --",
    "%' AND 1=1 AND '%'='",
]


@pytest.mark.parametrize(
    "body",
    [
        b'{"spec": {}, "spec": {}}',
        b'{"inputs": {"a": 1, "a" : 2}, "spec": {}}',
        b'{"inputs": [{"x": {"role": "viewer", "role":"owner"}}], "spec": {}}',
        b'{"spec": {}, "sp\\u0065c": {}}',
        b'{"inputs": {"a:b": "c:d", "n": ":", "n": ":"}, "spec": {}}',
    ],
)
async def test_s64_a_field_that_is_named_twice_is_refused(client, body):
    """Readers differ in which of the two they take, so none is taken."""
    answer = await client.post("/execute", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED")
    assert "twice" in answer.json()["detail"]


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":1,"a" :2}',
        rb'{"a" :1,"a":2}',
        b'{"a":1,"b":{"x":1,"x"\n:2}}',
        rb'{"a":"\":","a":2}',
        rb'{"a\"":1,"a\"" :2}',
        rb'{"\u0061":1,"a":2}',
    ],
)
def test_s64_a_second_name_is_found_however_it_is_written(text):
    """Spaces, escapes, and quotes within texts hide none."""
    with pytest.raises(strict.InvalidJson, match="twice"):
        strict.loads(text, unique=True)


def test_s64_text_that_looks_like_fields_is_text():
    """Colons and quotes inside of texts name nothing."""
    value = {"a": '{"b": 1, "b": 2}', "u": 'http://x:80/?q=\\":"', 'k"': ":", "t": ["12:30", {"a": "a"}, {"a": "a"}]}
    assert strict.loads(strict.dumps(value), unique=True) == value
    assert strict.loads(b'{ "a" : 1 , "b"\n:\t{ "a":2 } }', unique=True) == {"a": 1, "b": {"a": 2}}


async def test_s64_a_byte_order_mark_is_refused_and_proto_is_a_name(client):
    """Neither changes what a body means."""
    assert (await client.post("/execute", content=b'\xef\xbb\xbf{"spec": {}}', headers=JSON)).status_code == 400
    assert (await client.post("/execute", content=b'{"__proto__": {"spec": {}}}', headers=JSON)).status_code == 422
    spec = {"name": "echo", "inputs": {"type": "object"}, "nodes": [{"id": "a", "type": "input"}], "edges": []}
    sent = {"__proto__": {"admin": True}, "constructor": {"prototype": 1}}
    run = (await client.post("/execute?wait=10", json={"spec": spec, "inputs": sent})).json()
    assert run["inputs"] == sent


def _form(parts: bytes, boundary: str = "b") -> dict[str, object]:
    return {"content": parts, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'


@pytest.mark.parametrize(
    "form",
    [
        _form(
            b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % number for number in range(10_000)) + b"--b--\r\n"
        ),
        _form(PART * 10_000 + b"--b--\r\n"),
        _form(
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nX-Long: ' + b"y" * 1_000_000 + b"\r\n\r\nx\r\n--b--\r\n"
        ),
        _form(b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 1_000_000 + b'"\r\n\r\nx\r\n--b--\r\n'),
        _form(PART + b"--b--\r\n", "other"),
        _form(PART + b"--b--\r\n", "x" * 5_000),
        _form(PART),
        _form(b"--b" * 100_000),
        _form(PART + b"--b--\r\n", "b; charset=utf-7; boundary=c"),
    ],
    ids=["many parts", "many files", "long header", "long name", "other boundary", "long boundary", "no end", "no parts", "two boundaries"],
)
async def test_s84_a_form_that_nobody_would_send_is_refused_quickly(client, form):
    """Counted, cut or malformed: 4xx with the work of a second at most, and nothing is stored."""
    with effort() as cost:
        answer = await client.post("/artifacts", **form)
    assert 400 <= answer.status_code < 500, answer.text
    assert cost.units < 20
    assert (await client.get("/artifacts?count=true")).json()["total"] == 0


async def test_s53_sql_in_a_parameter_changes_no_answer(client):
    """Every parameter of every list: the answer is a refusal, or that nothing fits; never more, never an error of ours."""
    spec = {"name": "mine", "nodes": [{"id": "a", "type": "input"}], "edges": []}
    await client.post("/workflows", json={"name": "mine", "spec": spec})
    await client.post("/execute?wait=5", json={"spec": spec})
    document = (await client.get("/openapi.json")).json()
    lists = {path: item["get"].get("parameters", ()) for path, item in document["paths"].items() if "get" in item and "{" not in path}
    asked = 0
    for path, parameters in lists.items():
        plain = await client.get(path.removeprefix("/api/v1"))
        for parameter in parameters:
            for payload in SQL:
                where = (
                    {"headers": {parameter["name"]: payload}} if parameter["in"] == "header" else {"params": {parameter["name"]: payload}}
                )
                answer = await client.get(path.removeprefix("/api/v1"), **where)
                asked += 1
                assert answer.status_code < 500, (path, parameter["name"], payload)
                if answer.status_code == 200 and "total" in plain.text and "next_cursor" in plain.text:
                    assert len(answer.json()["items"]) <= len(plain.json()["items"]), (path, parameter["name"], payload)
    assert asked > 200


@pytest.mark.parametrize("key", ["' OR 1=1 --", "x') OR 1=1 --", "@tag:{*}", "$where", "a.b[0]', '$') = '1' OR ('1'='1", 'k" = 1 OR "1'])
async def test_s42_a_filter_by_a_key_that_is_sql_finds_nothing(client, key):
    """The key is looked up as it is, or refused as an operator."""
    await client.post("/collections", json={"name": "papers", "embedding_model": "hashing-384"})
    documents = [{"id": "d", "text": "secret papers", "metadata": {"n": 1}}]
    assert (await client.post("/collections/papers/documents", json={"documents": documents})).status_code == 201
    assert len((await client.post("/collections/papers/search", json={"query": "papers"})).json()["matches"]) == 1
    answer = await client.post("/collections/papers/search", json={"query": "papers", "where": {key: 1}})
    assert answer.status_code in {200, 422}
    assert answer.json().get("matches", []) == []


EVIL = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
    "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "{{ request|attr('application')|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
    "{% import os %}{{ os.system('touch CANARY') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "__import__('os').system('touch CANARY')",
    "(lambda: open('CANARY', 'w'))()",
    "$(touch CANARY)",
    "`touch CANARY`; touch CANARY",
    "!!python/object/apply:os.system ['touch CANARY']",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "'); COPY runs TO PROGRAM 'touch CANARY'; --",
    "{{ secrets.MASTER }}",
    "${jndi:ldap://127.0.0.1:1/a}",
    "{{ 9**9**9**9 }}",
    "{{ 'a' * 500000000 }}",
]


def _places(text: str) -> list[dict[str, object]]:
    """Return specifications with a text wherever one may stand that is evaluated, called or loaded one day."""
    return [
        {"name": "n", "nodes": [{"id": "a", "type": "transform", "config": {"value": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "input", "when": text}]},
        {"name": "n", "nodes": [{"id": "a", "type": "http", "config": {"url": text, "headers": {"X": text}, "body": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "llm", "config": {"prompt": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "db", "source": "d", "config": {"operation": "query", "sql": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "document", "config": {"url": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": text}]},
        {"name": "n", "nodes": [{"id": "a", "type": "router", "config": {"routes": [{"when": text, "to": "a"}]}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "input"}], "sources": [{"id": "d", "kind": "db", "config": {"url": text}}]},
        {"name": "n", "nodes": [{"id": "a", "type": "input"}], "inputs": {"$ref": text}},
        {"name": "n", "nodes": [{"id": "a", "type": "input"}], "outputs": {"x": text}},
        {"name": text, "nodes": [{"id": "a", "type": "input"}]},
    ]


async def test_s62_validating_executes_nothing(client, tmp_path, monkeypatch):
    """Two hundred specifications: each is judged, no file appears, no address is looked up, no name of Python's is touched."""
    import socket

    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *what, **_: looked_up.append(what) or [])
    monkeypatch.chdir(tmp_path)
    count = 0
    for text in EVIL:
        for spec in _places(text):
            answer = await client.post("/workflows/validate", json={"spec": spec})
            assert answer.status_code == 200, (spec, answer.text)
            count += 1
    assert count > 200
    assert list(tmp_path.glob("CANARY")) == []
    assert looked_up == []
