"""Telling a burst from a crowd, by how many starts are worked on and how many are done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.runtime.runs.crowd import BURST_S, CROWD, MIN_STARTS, Crowd

TICK_S = 0.05
MOST = 1200
LONGER = int(BURST_S / TICK_S) + 1
"""Ticks that take longer than a burst."""


def crowd(most: int = MOST) -> Crowd:
    return Crowd(0.15, most)


def pass_ticks(crowd: Crowd, count: int, *, at_work: int, done: int, refused: bool = False) -> None:
    for _ in range(count):
        crowd.tick(at_work, done, TICK_S, refused=refused)


def test_a_burst_is_let_in():
    """However many it is, as long as it comes within its time."""
    new = crowd()
    assert not new.refuses(1000)
    pass_ticks(new, LONGER - 2, at_work=1000, done=20)
    assert not new.refuses(1000)


def test_what_goes_on_coming_is_let_in_as_far_as_it_can_be_done_in_time():
    """Sixty done in a tenth of a second and a place for a hundred and fifty milliseconds: ninety at a time."""
    full = crowd()
    pass_ticks(full, LONGER, at_work=500, done=30)
    assert full.allowed == pytest.approx(90)
    assert full.refuses(90)
    assert not full.refuses(89)


def test_a_few_that_are_slow_are_no_crowd():
    """Something else keeps the server busy; refusing them would not help it."""
    busy = crowd()
    pass_ticks(busy, 100, at_work=CROWD, done=1)
    assert not busy.refuses(CROWD)


def test_a_few_are_always_worked_on():
    """However slow they are."""
    slow = crowd()
    pass_ticks(slow, 100, at_work=500, done=1)
    assert slow.refuses(MIN_STARTS)
    assert not slow.refuses(MIN_STARTS - 1)


def test_a_bound_below_the_least_is_kept():
    """Who sets fewer gets fewer."""
    narrow = crowd(most=8)
    pass_ticks(narrow, 100, at_work=100, done=1)
    assert narrow.refuses(8)


def test_a_stall_is_no_crowd():
    """While nothing is done at all, refusing would not end it sooner."""
    stalled = crowd()
    pass_ticks(stalled, 100, at_work=500, done=0)
    assert not stalled.refuses(500)


def test_there_is_room_for_the_next_burst_once_nobody_is_refused():
    """While some are, a pause in what is at work is the refusals' doing, and the next burst would be the same flood."""
    full = crowd()
    pass_ticks(full, LONGER, at_work=500, done=30)
    pass_ticks(full, 10, at_work=0, done=30, refused=True)
    assert full.refuses(500)
    pass_ticks(full, 1, at_work=0, done=0)
    assert not full.refuses(1000)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 500), st.floats(0.05, 5.0), st.booleans())), st.integers(1, 2000))
def test_no_history_lets_nobody_in(seen: list[tuple[int, int, float, bool]], most: int):
    """Whatever came and was done, who comes first is let in, and the bound stays between the least and the most."""
    any_crowd = crowd(most)
    for at_work, done, elapsed_s, refused in seen:
        any_crowd.tick(at_work, done, elapsed_s, refused=refused)
    assert not any_crowd.refuses(0)
    assert min(MIN_STARTS, most) <= any_crowd.allowed <= most
