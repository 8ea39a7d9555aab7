"""RabbitMQ: the one that listens, else a private node of the Debian package."""

import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from scripts.services.base import Service, Workspace, free_port, own_folder, package_binary, unprivileged, wait_until


def usable(url: str) -> bool:
    """Tell whether a server opens an AMQP 0-9-1 conversation."""
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname, place.port), timeout=3) as connection:
            connection.settimeout(3)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            # A method frame (type 1) on channel 0: Connection.Start.
            return connection.recv(8)[:3] == b"\x01\x00\x00"
    except OSError:
        return False


def start(workspace: Workspace) -> str:
    """Start a private node and return its URL."""
    package_binary("rabbitmq-server", "rabbitmq-server")
    # Debian's command of that name is a wrapper that insists on the log folder of the system's own node.
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    user = unprivileged("rabbitmq")
    folder = own_folder(workspace, "rabbitmq", user)
    port, log = free_port(), workspace.folder / "rabbitmq.log"
    _stop_mapper(workspace)
    process = workspace.spawn([program], user=user, env=_environment(folder, port), log=log)
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    wait_until(lambda: usable(url), process, name="RabbitMQ", log=log)
    return url


def _stop_mapper(workspace: Workspace) -> None:
    # A node starts Erlang's port mapper when none runs, and leaves it behind.
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 4369)) != 0:
            workspace.on_stop(lambda: subprocess.run(["epmd", "-kill"], check=True, capture_output=True))


def _environment(folder: Path, port: int) -> dict[str, str]:
    (folder / "enabled_plugins").write_text("[].\n")
    # Files of our own, so that the settings of the system's node do not apply.
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{port}\n")
    (folder / "rabbitmq-env.conf").touch()
    return {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"agentflow-test-{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_DIST_PORT": str(free_port_after(port)),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
    }


def free_port_after(port: int) -> int:
    """Return a free port other than ``port``, which nobody listens on yet."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        return free_port()


SERVICE = Service(
    name="RabbitMQ",
    variable="AGENTFLOW_TEST_RABBITMQ_URL",
    urls=("amqp://guest:guest@127.0.0.1:5672//",),
    usable=usable,
    start=start,
    tests="everything on RabbitMQ",
)
