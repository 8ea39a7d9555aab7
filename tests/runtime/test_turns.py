"""Beginning many things a few at a time."""

import asyncio
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from agentflow.runtime.dispatch.turns import Turns


class Watched:
    """Says in which turn of the loop each number began."""

    def __init__(self, per_turn: int) -> None:
        self.begun: list[tuple[int, int]] = []
        self._turns, self._turn = Turns(per_turn), 0

    def begin(self, number: int) -> None:
        self._turns.begin(partial(self._note, number))

    def _note(self, number: int) -> None:
        self.begun.append((number, self._turn))

    async def next_turn(self) -> None:
        await asyncio.sleep(0)
        self._turn += 1


async def _in_bursts(per_turn: int, bursts: list[int]) -> list[tuple[int, int]]:
    """Begin bursts of actions, one burst a turn; returns the number and the turn of each, in the order in which they began."""
    watched, number = Watched(per_turn), 0
    for burst in bursts:
        for _ in range(burst):
            watched.begin(number)
            number += 1
        await watched.next_turn()
    while len(watched.begun) < number:
        await watched.next_turn()
    return watched.begun


@given(per_turn=st.integers(1, 5), bursts=st.lists(st.integers(0, 12), max_size=6))
def test_all_begin_in_order_and_never_more_than_a_few_in_a_turn(per_turn: int, bursts: list[int]):
    begun = asyncio.run(_in_bursts(per_turn, bursts))
    assert [number for number, _ in begun] == list(range(sum(bursts)))
    # A turn of ours may see the end of one of theirs: twice as many, never more.
    assert all(sum(at == turn for _, at in begun) <= 2 * per_turn for _, turn in begun)


async def test_what_comes_alone_begins_at_once():
    begun: list[int] = []
    Turns(1).begin(lambda: begun.append(1))
    assert begun == [1]
