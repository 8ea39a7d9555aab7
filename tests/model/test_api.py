"""F34: anything a client may do, in any order, with restarts and deaths between: a small model of runs predicts what must be seen.

``AGENTFLOW_MODEL_STEPS`` sets how many steps each history has, ``AGENTFLOW_MODEL_HISTORIES`` how many histories there are. A history that
breaks the model is shrunk to its shortest form and printed as a program.
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from tests.acceptance.campaigns.audit import courses
from tests.model.world import Installation
from tests.runtime.support import spec_of, transform

STEPS = int(os.environ.get("AGENTFLOW_MODEL_STEPS", "12"))
HISTORIES = int(os.environ.get("AGENTFLOW_MODEL_HISTORIES", "10"))

HUMAN = {"id": "ask", "type": "human", "config": {"title": "Go on?"}}
SPECS: dict[str, dict[str, Any]] = {
    "quick": spec_of([transform("a", 1), transform("b", "{{ nodes.a + 1 }}")], ["a>b"]),
    "branches": spec_of(
        [transform("a", 1), transform("l", 2), transform("r", 3), transform("b", "{{ nodes.l - nodes.a + nodes.r - 2 }}")],
        [{"from": "a", "to": ["l", "r"]}, "l>b", "r>b"],
    ),
    "pause": spec_of([transform("a", 1), {"id": "p", "type": "delay", "config": {"seconds": 0.2}}, transform("b", 2)], ["a>p", "p>b"]),
    "fails": spec_of([transform("a", 0), transform("b", "{{ 1 // nodes.a }}")], ["a>b"]),
    "asks": spec_of([transform("a", 1), HUMAN, transform("b", "{{ nodes.ask.decision }}")], ["a>ask", "ask>b"]),
    "waits": spec_of([transform("a", 1), {"id": "p", "type": "delay", "config": {"seconds": 3_600}}, transform("b", 2)], ["a>p", "p>b"]),
}
OUTPUTS = {"quick": 2, "branches": 2, "pause": 2}
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
QUIET = TERMINAL | {"waiting"}
PATIENCE_S = 15.0


@dataclass
class Known:
    """What the model knows of a run.

    Attributes:
        id: its id.
        kind: which specification it has.
        cancelled: whether somebody asked to cancel it.
        decision: what it was answered, or None.
        inherited: what the run was answered that this one takes up; it may have got as far as to keep the answer.
        ended: how it was seen to have ended, or None.
    """

    id: str
    kind: str
    cancelled: bool = False
    decision: str | None = None
    inherited: str | None = None
    ended: tuple[str, Any] | None = field(default=None)

    def allows(self, status: str) -> bool:
        """Tell whether a run that nothing happens to any more may be in this state."""
        if self.cancelled and status == "cancelled":
            return True
        if self.inherited is not None and status == "succeeded":
            return True
        if self.kind == "waits" or (self.kind == "asks" and self.decision is None):
            return status == "waiting" and not self.cancelled
        return status == ("failed" if self.kind == "fails" else "succeeded")


class Api(RuleBasedStateMachine):
    """What a client does, and what it must see."""

    runs = Bundle("runs")
    migrated: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.place = Installation(self.migrated)
        self.known: dict[str, Known] = {}
        self.keys: dict[tuple[str, int], str] = {}

    @rule(target=runs, kind=st.sampled_from(sorted(SPECS)), number=st.integers(0, 2))
    def start(self, kind: str, number: int) -> str:
        """The same key starts the same run, whatever happened in between."""
        answer = self.place.ask("POST", "/execute", {"spec": SPECS[kind]}, key=f"{kind}-{number}")
        assert answer.status_code == 202, answer.text
        run_id: str = answer.json()["id"]
        assert self.keys.setdefault((kind, number), run_id) == run_id
        self.known.setdefault(run_id, Known(run_id, kind))
        return run_id

    @rule(run=runs)
    def start_another_with_its_key(self, run: str) -> None:
        """A key that was used for something else is refused."""
        kind, number = next((key for key, run_id in self.keys.items() if run_id == run), (None, None))
        if kind is not None:
            answer = self.place.ask("POST", "/execute", {"spec": SPECS[kind], "tags": ["other"]}, key=f"{kind}-{number}")
            assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")

    @rule(run=runs)
    def look(self, run: str) -> None:
        """What has ended stays as it ended; the log is without a gap."""
        self._see(self.place.ask("GET", f"/runs/{run}").json())
        events = self.place.ask("GET", f"/runs/{run}/events?limit=200").json()["items"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        """A run that has not ended is cancelled; one that has stays as it is."""
        known = self.known[run]
        known.cancelled = known.cancelled or known.ended is None
        answer = self.place.ask("POST", f"/runs/{run}/cancel")
        assert answer.status_code == 200, answer.text
        self._see(answer.json())

    @rule(run=runs, decision=st.sampled_from(["approve", "reject", "perhaps"]))
    def answer(self, run: str, decision: str) -> None:
        """The first decision that is one counts; all others are refused, each with its reason."""
        known = self.known[run]
        answer = self.place.ask("POST", f"/runs/{run}/interrupt", {"node_id": "ask", "decision": decision})
        if answer.status_code == 200:
            assert known.kind == "asks"
            assert known.decision in {None, decision}
            known.decision = decision
        else:
            assert answer.status_code in {404, 409, 422}, answer.text

    @rule(target=runs, run=runs)
    def retry(self, run: str) -> Any:
        """Only a run that ended without success is retried; its successor comes to the same end."""
        return self._follower(run, self.place.ask("POST", f"/runs/{run}/retry", {}), {202, 409})

    @rule(target=runs, run=runs)
    def fork(self, run: str) -> Any:
        """A run begins anew from its beginning."""
        return self._follower(run, self.place.ask("POST", f"/runs/{run}/fork", {"checkpoint": 0}), {202})

    @rule(run=consumes(runs))
    def settle(self, run: str) -> None:
        """Left alone, a run comes to the end that its workflow has, or waits for what it waits for."""
        self._settled(self.known[run])

    @rule()
    def restart(self) -> None:
        """The server is stopped and started."""
        self.place.restart()

    @rule()
    def die(self) -> None:
        """The server dies and is started."""
        self.place.die()

    @invariant()
    def nothing_is_lost_or_invented(self) -> None:
        """The runs that exist are those that were promised."""
        assert self.place.ask("GET", "/runs?limit=1&count=true").json()["total"] == len(self.known)

    def teardown(self) -> None:
        """Let everything come to rest, and look into the database."""
        try:
            for known in self.known.values():
                self._settled(known)
            self.place.close()
            found = asyncio.run(courses(self.place.settings.database))
            assert found.keys() == self.known.keys()
            for course in found.values():
                assert [event.seq for event in course.events] == list(range(1, len(course.events) + 1))
                done = [event.node_id for event in course.events if event.type == "node.completed"]
                assert len(done) == len(set(done)), f"a node of {course.id} completed twice"
        finally:
            self.place.remove()

    def _follower(self, run: str, answer: Any, allowed: set[int]) -> Any:
        assert answer.status_code in allowed, answer.text
        known = self.known[run]
        if answer.status_code != 202:
            ended = known.ended
            assert ended is None or ended[0] == "succeeded"
            return run
        follower = Known(answer.json()["id"], known.kind)
        if answer.json()["origin_kind"] == "retry":
            follower.inherited = known.decision or known.inherited
        self.known[follower.id] = follower
        return follower.id

    def _settled(self, known: Known) -> None:
        waited_s = 0.0
        while (run := self.place.ask("GET", f"/runs/{known.id}").json())["status"] not in QUIET or not known.allows(run["status"]):
            self._see(run)
            assert waited_s < PATIENCE_S, f"{known} is {run['status']}: {run['error']}"
            self.place.rest(0.02)
            waited_s += 0.02
        self._see(run)

    def _see(self, run: dict[str, Any]) -> None:
        known = self.known[run["id"]]
        seen = (run["status"], run["outputs"])
        assert known.ended in {None, seen}, f"{known} is {seen} now"
        if run["status"] not in TERMINAL:
            return
        known.ended = seen
        assert known.allows(run["status"]), (known, run["error"])
        if run["status"] == "succeeded":
            assert run["outputs"] == OUTPUTS.get(known.kind, known.decision or known.inherited)


@pytest.mark.slow
@pytest.mark.timeout(120 + STEPS * HISTORIES)
def test_whatever_a_client_does_the_model_holds(migrated_file: Path):
    """Starts, answers, cancellations, retries and forks, over restarts and deaths: no run is lost, doubled, stuck, or changes its end."""
    machine = type("MigratedApi", (Api,), {"migrated": migrated_file})
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    how = settings(max_examples=HISTORIES, stateful_step_count=STEPS, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(machine, settings=how)
