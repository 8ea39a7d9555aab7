"""A pool of connections that tells how long one is waited for, and how many are out."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from agentflow.infra.observability.metrics import QUICK_SECONDS

# SQLAlchemy tells of each pool that is closed; the class is ours, so that came out among our own lines.
logging.getLogger(f"{__name__}.MeasuredPool").setLevel(logging.WARNING)

WAIT = Histogram(
    "agentflow_db_pool_wait_seconds", "Time until a connection to the database was had, from the pool or new.", buckets=QUICK_SECONDS
)
TIMEOUTS = Counter("agentflow_db_pool_timeouts_total", "Times that no connection to the database became free in time.")


class NoFreeConnection(PoolTimeout, TimeoutError):
    """No connection became free in time. Also a ``TimeoutError``: who bears a database that does not answer bears this."""


@contextmanager
def measured_wait() -> Iterator[None]:
    """Measure how long a connection is waited for."""
    began = time.perf_counter()
    try:
        yield
    except PoolTimeout as error:
        TIMEOUTS.inc()
        raise NoFreeConnection(str(error)) from error
    finally:
        WAIT.observe(time.perf_counter() - began)


class MeasuredPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool for asynchronous engines, measured."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _pools.add(self)

    def _do_get(self) -> ConnectionPoolEntry:
        with measured_wait():
            return super()._do_get()


class MeasuredThreadPool(QueuePool):
    """SQLAlchemy's pool for threads, of which is told how many connections are out; who uses it waits before."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _pools.add(self)


_pools: WeakSet[QueuePool] = WeakSet()


class _Use(Collector):
    """The connections of all pools of the process."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the metrics."""
        pools = list(_pools)
        yield GaugeMetricFamily("agentflow_db_pool_in_use", "Connections to the database in use.", sum(pool.checkedout() for pool in pools))
        yield GaugeMetricFamily("agentflow_db_pool_size", "Connections to the database at most.", sum(pool.size() for pool in pools))


REGISTRY.register(_Use())
