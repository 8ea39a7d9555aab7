"""The Celery application: one queue, one task whose arguments are ids. A message is a hint: it may be lost, doubled or late."""

from typing import TYPE_CHECKING

from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.tls import broker_tls

if TYPE_CHECKING:
    from celery import Celery

TASK = "agentflow.look"
HINT_LIFE_S = 60
"""Seconds after which a hint is worthless: by then the sweepers have found the run."""

_CONNECT_S = 2.0
_UNUSED_S = 86_400
"""Seconds after which RabbitMQ deletes a queue that nobody used."""


class BrokerNotUsable(AgentFlowError):
    """The message broker cannot be used: Celery is not installed, or the rest of the cluster is missing."""

    kind, code, title = Kind.INVALID, "BROKER_NOT_USABLE", "Broker cannot be used"


def celery_app(broker_url: str, installation: str) -> "Celery":
    """Return an application on a broker (``amqp://…`` or ``redis://…``, with TLS ``amqps://…`` or ``rediss://…``); it connects when it is first used.

    Args:
        broker_url: the broker.
        installation: name of the database; several installations on one broker do not take each other's hints.

    Raises:
        BrokerNotUsable: the extra ``cluster`` is not installed.
    """
    try:
        from celery import Celery
        from kombu.entity import Queue
    except ImportError as error:
        raise BrokerNotUsable("broker_url is set, but Celery is not installed.", hint="pip install 'agentflow[cluster]'") from error
    queue = f"agentflow.{installation}"
    address, tls = broker_tls(broker_url)
    app = Celery("agentflow", broker=address, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(queue, durable=True, expires=_UNUSED_S)],  # type: ignore[no-untyped-call]  # kombu has no types
        task_default_queue=queue,
        task_default_delivery_mode="transient",  # the database remembers, the broker need not
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        worker_prefetch_multiplier=64,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_CONNECT_S,
        broker_pool_limit=1,
        broker_use_ssl=tls,
    )
    return app
