"""An outside system that remembers every call: the judge of whether an effect happened twice."""

import json
import os
import queue
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Hit:
    """One call as the sink saw it, before it answered."""

    run_id: str
    node: str
    key: str
    at: float


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: callers that are killed break their connections."""


class Sink:
    """An HTTP server on loopback that writes each call to disk before it answers; ``/slow`` answers only when the sink closes."""

    def __init__(self, path: Path) -> None:
        self.hits: list[Hit] = []
        self._file = path.open("ab")
        self._waiting: queue.SimpleQueue[tuple[Hit, threading.Event] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write)
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        """Return the port."""
        return int(self._server.server_address[1])

    def note(self, hit: Hit) -> None:
        """Remember a call, on disk too; calls that come together share the wait for the disk, and nobody is overtaken for long."""
        done = threading.Event()
        self._waiting.put((hit, done))
        done.wait()

    def _write(self) -> None:
        while True:
            taken = [self._waiting.get()]
            while not self._waiting.empty():
                taken.append(self._waiting.get())
            noted = [each for each in taken if each is not None]
            self._file.writelines(json.dumps(hit.__dict__).encode() + b"\n" for hit, _ in noted)
            self._file.flush()
            os.fsync(self._file.fileno())
            for hit, done in noted:
                self.hits.append(hit)
                done.set()
            if None in taken:
                return

    def __enter__(self) -> "Sink":
        self._thread.start()
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._waiting.put(None)
        self._writer.join()
        self._file.close()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/slow":
                sink.closing.wait(60)
            else:
                _, run_id, node = self.path.split("/", 2)
                sink.note(Hit(run_id, node, self.headers["Idempotency-Key"], time.time()))
            body = b'{"ok": true}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is the standard library's
            return

    return Handler
