"""Processor time in units of a fixed piece of work: bounds that hold on slow and on busy machines, and still catch what blows up."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Effort:
    """What a block cost.

    Attributes:
        units: its processor time in this thread, divided by that of adding up a million numbers (about 50 ms on a quick machine).
    """

    units: float = 0.0


@contextmanager
def effort() -> Iterator[Effort]:
    """Measure what a block costs this thread; the unit is taken before and behind it, and the longer counts.

    Threads that other tests have left and the collection of all that they have made are not its cost.
    """
    found, before = Effort(), _unit_s()
    gc.disable()
    try:
        begin = time.thread_time()
        yield found
        took = time.thread_time() - begin
    finally:
        gc.enable()
    found.units = took / max(before, _unit_s())


def _unit_s() -> float:
    begin, total = time.thread_time(), 0
    for number in range(1_000_000):
        total += number
    return time.thread_time() - begin
