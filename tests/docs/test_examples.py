"""The example workflows, run on a real server by the command a user types."""

import json
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT


def run(server, example, **inputs):
    """Run an example and return the run."""
    command = [Path(sys.executable).with_name("agentflow"), "run", ROOT / "examples" / example, "--json"]
    command += ["--server", f"http://{server.netloc}", "--data-dir", server.data_dir]
    for name, value in inputs.items():
        command += ["--input", f"{name}:={json.dumps(value)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def test_loop_until_good_finds_the_root(server):
    """The loop ends when the guess is good, not at its bound."""
    outputs = run(server, "loop-until-good.json", number=2)["outputs"]
    assert outputs["root"] == pytest.approx(2**0.5, abs=1e-5)


def test_parallel_review_has_a_remark_of_every_reviewer(server):
    """Three branches come together in one list."""
    reviews = run(server, "parallel-review.json", text="Runs are durable.")["outputs"]["reviews"]
    assert [isinstance(review["text"], str) for review in reviews] == [True, True, True]
    assert reviews[2]["text"] == "The text has 17 characters."


def test_map_summaries_keeps_the_order(server):
    """One summary for each text, none failed."""
    outputs = run(server, "map-summaries.json", texts=["A lease is a right for a time.", "A fence keeps late writers out."])["outputs"]
    assert [bool(summary["text"]) for summary in outputs["summaries"]] == [True, True]
    assert outputs["failed"] == []


def test_index_and_search_finds_the_nearest_text(server):
    """Real embeddings tell cats from invoices."""
    texts = ["The invoice is due in thirty days.", "Kittens like to play with yarn."]
    outputs = run(server, "index-and-search.json", collection="pets", texts=texts, question="What do young cats enjoy?")["outputs"]
    assert outputs["best"][0]["text"] == texts[1]


def test_cited_answer_without_passages_apologises(server):
    """A question that the collection has nothing on takes the other branch, and no model is asked."""
    run(server, "index-and-search.json", collection="tiny", texts=["Kittens like yarn."], question="cats")
    result = run(server, "cited-answer.json", question="How deep is the Mariana trench in fathoms?", collection="tiny")
    assert result["outputs"] == {"answer": "I found nothing on that in the collection.", "citations": []}
    assert result["usage"]["total_tokens"] == 0


def test_cited_answer_answers_from_its_passages(server):
    """The answer comes with the passages it was made from, and says nothing that is not in them."""
    texts = ["A lease is the time for which a worker owns a run.", "Kittens like to play with yarn."]
    run(server, "index-and-search.json", collection="leases", texts=texts, question="lease")
    result = run(server, "cited-answer.json", question="What is a lease?", collection="leases")
    assert result["outputs"]["answer"] in " ".join(texts)
    assert result["outputs"]["citations"][0]["text"] == texts[0]
    assert result["usage"]["output_tokens"] > 0


def test_query_database_reads_the_rows_of_one_customer(server):
    """Bound values choose the rows; the file lies in the folder for files of the data folder."""
    folder = server.data_dir / "files"
    folder.mkdir(exist_ok=True)
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total REAL)")
        shop.executemany("INSERT INTO orders (customer, total) VALUES (?, ?)", [("ada", 5.0), ("bob", 7.0), ("ada", 9.5)])
    shop.close()
    outputs = run(server, "query-database.json", customer="ada", above=6)["outputs"]
    assert outputs == {"orders": [{"id": 3, "total": 9.5}], "count": 1}


def test_webhook_post_sends_the_order_with_a_key(server):
    """The receiver gets the order and an idempotency key."""
    seen = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["Idempotency-Key"], self.headers["X-Order"], json.loads(body)))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"received": true}')

        def log_message(self, *arguments):
            pass

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{receiver.server_port}/orders"
        result = run(server, "webhook-post.json", url=url, order={"id": "o-1", "total": 5})
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()
    assert result["outputs"] == {"status": 201, "answer": {"received": True}}
    assert [(bool(key), order, body) for key, order, body in seen] == [
        (True, "o-1", {"order": {"id": "o-1", "total": 5}, "run": result["id"]})
    ]


def test_approve_payment_asks_from_fifty_euros_on(server):
    """A small one is paid at once; a large one waits for the accountant, and the answer is in the result."""
    assert run(server, "approve-payment.json", invoice="a", amount=20)["outputs"] == {"paid": True, "by": None, "comment": None}
    run_id = left_waiting(server, "approve-payment.json", invoice="b", amount=120)
    answered = command(server, "runs", "answer", run_id, "--decision", "reject", "--comment", "Too much.")
    assert answered.returncode == 0, answered.stderr
    outputs = followed(server, run_id)["outputs"]
    assert (outputs["paid"], outputs["comment"]) == (False, "Too much.")


def test_onboarding_form_waits_for_a_person_and_for_an_event(server):
    """The form is filled in, then the event with the name of the colleague comes."""
    run_id = left_waiting(server, "onboarding-form.json", name="Ada")
    values = ("--value", "team=research", "--value", "starts=2030-01-01")
    assert command(server, "runs", "answer", run_id, "facts", *values).returncode == 0
    answer = post(server, f"/api/v1/runs/{run_id}/signal", {"name": "equipment.delivered", "data": {"serial": "x-1"}})
    assert set(answer) == {"delivered"}
    assert followed(server, run_id)["outputs"] == {"name": "Ada", "team": "research", "serial": "x-1"}


def command(server, *arguments):
    """Run a command against the server."""
    line = [Path(sys.executable).with_name("agentflow"), *arguments, "--server", f"http://{server.netloc}", "--data-dir", server.data_dir]
    return subprocess.run(line, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def left_waiting(server, example, **inputs):
    """Run an example up to its question and return the id of the run."""
    given = [part for name, value in inputs.items() for part in ("--input", f"{name}:={json.dumps(value)}")]
    done = command(server, "run", ROOT / "examples" / example, "--json", *given)
    assert done.returncode == 5, f"{done.stdout}{done.stderr}"
    return json.loads(done.stdout)["id"]


def followed(server, run_id):
    """Follow a run to its end and return it."""
    assert command(server, "runs", "events", run_id).returncode == 0
    return json.loads(command(server, "runs", "show", run_id, "--json").stdout)


def post(server, path, body):
    """Post JSON and return the JSON answer."""
    key = (server.data_dir / "owner.key").read_text().strip()
    request = urllib.request.Request(f"http://{server.netloc}{path}", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("X-API-Key", key)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
