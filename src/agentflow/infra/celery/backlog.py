"""How many hints lie in the broker that no worker has taken."""

from agentflow.infra.celery.app import celery_app


def waiting_hints(broker_url: str, installation: str) -> int:
    """Return the length of an installation's queue; 0 when there is none, for it is made by the first worker. Blocks for seconds at most.

    Raises:
        OSError: the broker does not answer.
        BrokerNotUsable: Celery is not installed.
    """
    app = celery_app(broker_url, installation)
    from kombu.exceptions import OperationalError

    try:
        with app.connection_for_read(connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            channel = connection.default_channel
            try:
                return int(channel.queue_declare(queue=app.conf.task_default_queue, passive=True).message_count)
            except (*connection.channel_errors,):
                return 0  # there is no such queue
    except OperationalError as error:
        raise ConnectionError(str(error)) from error
    finally:
        app.close()
