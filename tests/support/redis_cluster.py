"""A Redis Cluster for tests: three nodes with a third of the keys each, and one that stands by for the first."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from scripts.services.base import free_port

SLOTS = 16_384
PRIMARIES = 3
TIMEOUT_MS = 2_000
"""After so long a node counts as dead, and who stands by takes its keys over."""


class ClusterProcesses:
    """The nodes of a cluster; it forgets everything when they die."""

    def __init__(self, program: str, folder: Path, standbys: int = 0) -> None:
        count = PRIMARIES + standbys
        ports = _free_ports(2 * count)
        self.ports, buses = ports[:count], ports[count:]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self._nodes: list[subprocess.Popen[bytes]] = []
        for number, port in enumerate(self.ports):
            home = folder / str(number)
            home.mkdir()
            self._nodes.append(_start(program, port, buses[number], home))
        try:
            self._join(buses[0])
        except BaseException:
            self.stop()
            raise

    def _join(self, bus: int) -> None:
        """Make one cluster of the nodes and wait until all of them know it."""
        clients = [Redis(port=port, socket_timeout=5) for port in self.ports]
        _until(lambda: all(client.ping() for client in clients))
        for number, client in enumerate(clients[:PRIMARIES]):
            slots = range(number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES)
            client.execute_command("CLUSTER ADDSLOTS", *slots)
        for client in clients[1:]:
            client.execute_command("CLUSTER MEET", "127.0.0.1", self.ports[0], bus)
        _until(lambda: all(_is_whole(client, len(clients)) for client in clients))
        first = clients[0].execute_command("CLUSTER MYID")
        for standby in clients[PRIMARIES:]:
            standby.execute_command("CLUSTER REPLICATE", first)
            _until(partial(_follows, standby))
        for client in clients:
            client.close()

    def kill(self, number: int) -> None:
        """Kill a node as a crash would."""
        self._nodes[number].kill()
        self._nodes[number].wait()

    def forget_slot(self, key: str) -> None:
        """Have no node own the slot of a key any more."""
        _until(lambda: self._tell("CLUSTER DELSLOTS", key) == {SLOTS - 1})

    def give_slot(self, key: str) -> None:
        """Give the slot of a key that nobody has to the second node."""
        with Redis(port=self.ports[1], socket_timeout=5) as node:
            node.execute_command("CLUSTER ADDSLOTS", key_slot(key.encode()))

    def _tell(self, command: str, key: str) -> set[int]:
        """Give all nodes a command about the slot of a key, and return how many slots they know the owners of."""
        known = set()
        for port in self.ports:
            with Redis(port=port, socket_timeout=5) as node:
                with suppress(ResponseError):  # it has heard of it from the others
                    node.execute_command(command, key_slot(key.encode()))
                known.add(_owned(node))
        return known

    def taken_over(self, number: int) -> None:
        """Wait until the others have agreed that the keys of a dead node are elsewhere."""
        dead = f"127.0.0.1:{self.ports[number]}"
        with Redis(port=self.ports[1], socket_timeout=5) as node:
            _until(lambda: not _owns_keys(node, dead))

    def stop(self) -> None:
        """Kill all that still run."""
        for number in range(len(self._nodes)):
            self.kill(number)


def _start(program: str, port: int, bus: int, home: Path) -> "subprocess.Popen[bytes]":
    asked = {
        "port": port,
        "cluster-port": bus,
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "no",
        "dir": home,
        "cluster-enabled": "yes",
        "cluster-node-timeout": TIMEOUT_MS,
        "repl-diskless-sync-delay": 0,
        "cluster-require-full-coverage": "no",
    }
    words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _is_whole(node: "Redis", count: int) -> bool:
    known: Any = node.execute_command("CLUSTER INFO")
    return (known["cluster_state"], int(known["cluster_slots_ok"]), int(known["cluster_known_nodes"])) == ("ok", SLOTS, count)


def _owned(node: "Redis") -> int:
    known: Any = node.execute_command("CLUSTER INFO")
    return int(known["cluster_slots_assigned"])


def _owns_keys(node: "Redis", address: str) -> bool:
    """Tell whether a node, by what another says, has keys: the line that ``CLUSTER NODES`` has of it then ends in ranges."""
    listed: Any = node.execute_command("CLUSTER NODES")
    return any(each == address and entry["slots"] for each, entry in listed.items())


def _follows(node: "Redis") -> bool:
    standing: Any = node.info("replication")
    return bool(standing.get("master_link_status") == "up")


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(RedisError, OSError):
            if holds():
                return
        time.sleep(0.05)
    raise AssertionError("the Redis Cluster of the test did not start")


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _program() -> str:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("neither redis-server nor valkey-server is installed: this test needs servers of its own")
    return program


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a running cluster."""
    cluster = ClusterProcesses(_program(), tmp_path_factory.mktemp("cluster"))
    yield cluster.url
    cluster.stop()


@pytest.fixture
def mortal_cluster(tmp_path: Path) -> Iterator[ClusterProcesses]:
    """Give a cluster of the test's own, with a node that stands by for the first."""
    cluster = ClusterProcesses(_program(), tmp_path, standbys=1)
    yield cluster
    cluster.stop()
