"""Sending hints and receiving them, each in a thread of its own: neither ever holds up the event loop."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from agentflow.infra.celery.app import HINT_LIFE_S, TASK, celery_app

log = structlog.get_logger(__name__)

MAX_IDS = 16
"""Most runs that one message names."""

_PENDING = 10_000
"""Most hints kept for a broker that is slow; what is beyond is left to the sweepers."""

_PAUSE_S = 1.0
"""How long nothing is sent after the broker refused: it is not asked for every run while it is down."""

_STOP_S = 2.0


class HintSender:
    """Publishes the ids of queued runs; never waits, never fails."""

    def __init__(self, broker_url: str, installation: str) -> None:
        self._app = celery_app(broker_url, installation)
        # Without these bounds a broker that is down would be tried for ever, and the hints behind would wait.
        self._app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
        self._ids: queue.Queue[str | None] = queue.Queue(_PENDING)
        self._thread = threading.Thread(target=self._run, name="hint-sender", daemon=True)
        self._quiet_until = 0.0
        # Not from Celery's pool: that is one for the whole process, and closing it would silence other senders.
        self._connection: Any = None
        self._producer: Any = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send(self, run_ids: Iterable[str]) -> None:
        """Hand ids over to be sent; those that come together share a message."""
        for run_id in run_ids:
            try:
                self._ids.put_nowait(run_id)
            except queue.Full:
                return

    def close(self) -> None:
        """Send what is waiting, and stop."""
        try:
            self._ids.put(None, timeout=_STOP_S)
        except queue.Full:
            return
        self._thread.join(_STOP_S)
        self._app.close()

    def _run(self) -> None:
        try:
            self._send_all()
        finally:
            self._hang_up()

    def _send_all(self) -> None:
        while (first := self._ids.get()) is not None:
            ids, last = [first], False
            while len(ids) < MAX_IDS and not self._ids.empty():
                following = self._ids.get()
                if following is None:
                    last = True
                    break
                ids.append(following)
            self._publish(ids)
            if last:
                return

    def _publish(self, ids: list[str]) -> None:
        if time.monotonic() < self._quiet_until:
            return
        try:
            if self._producer is None:
                self._connection = self._app.connection_for_write()
                self._producer = self._app.amqp.Producer(self._connection)
            self._app.send_task(TASK, [ids], producer=self._producer, expires=HINT_LIFE_S, retry=False, ignore_result=True)
        except Exception as error:  # noqa: BLE001 - whatever the broker or its driver says: a hint that is lost costs time, nothing else
            self._hang_up()
            self._quiet_until = time.monotonic() + _PAUSE_S
            log.warning("the broker took no hint; the workers find the runs by themselves", error=str(error) or type(error).__name__)

    def _hang_up(self) -> None:
        """Close the connection; the next hint opens another."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.release()


class HintReceiver:
    """A Celery worker in a thread. Its task calls ``on_hint`` and is done: which run is taken next is not for the message to say.

    Args:
        broker_url: where the hints come from.
        installation: whose hints.
        on_hint: called in the receiver's thread; must return at once.
    """

    def __init__(self, broker_url: str, installation: str, on_hint: Callable[[], object]) -> None:
        def look(_ids: object) -> None:
            on_hint()

        self._app = celery_app(broker_url, installation)
        self._app.task(name=TASK, shared=False)(look)
        self._thread = threading.Thread(target=self._run, name="hint-receiver", daemon=True)

    def start(self) -> None:
        """Start the thread; it connects again by itself whenever the broker was away."""
        from celery.worker import state

        state.should_stop = None
        self._thread.start()

    def close(self) -> None:
        """Stop consuming."""
        from celery.worker import state

        state.should_stop = 0
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        self._app.set_current()  # of this thread: Celery looks a message's task up in it
        options: dict[str, Any] = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        try:
            # The pool "solo" runs tasks where they are received: they only set a flag, and a thread for that would cost more than they do.
            self._app.WorkController(pool="solo", concurrency=1, **options).start()
        except SystemExit:
            log.debug("no more hints are received")
