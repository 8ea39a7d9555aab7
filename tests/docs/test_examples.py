"""The example workflows, run on a real server by the command a user types."""

import json
import sqlite3
import subprocess
import sys
import threading
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
    """The answer comes with the passages it was made from."""
    texts = ["A lease is the time for which a worker owns a run.", "Kittens like to play with yarn."]
    run(server, "index-and-search.json", collection="leases", texts=texts, question="lease")
    result = run(server, "cited-answer.json", question="What is a lease?", collection="leases")
    assert result["outputs"]["answer"].strip()
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
