"""What starting any server needs: its description, a port, an unprivileged user, a way to wait and to stop."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class Missing(Exception):
    """A server can neither be used nor started; the message says why and what would help."""


@dataclass(frozen=True)
class Service:
    """A server that the tests can use.

    Attributes:
        name: its name for people.
        variable: the environment variable that tells the tests its URL; when it is already set, that server is used.
        urls: where it may already listen, in the order tried.
        usable: tells whether a URL leads to a server that accepts us.
        start: starts a private one under the folder given, and returns its URL; raises Missing.
        tests: what is left out without it.
    """

    name: str
    variable: str
    urls: tuple[str, ...]
    usable: Callable[[str], bool]
    start: Callable[["Workspace"], str]
    tests: str


@dataclass
class Workspace:
    """A throw-away folder and the processes started in it.

    Attributes:
        folder: readable by every user, since servers refuse to run as root.
    """

    folder: Path
    _stops: list[Callable[[], object]] = field(default_factory=list)

    def on_stop(self, stop: Callable[[], object]) -> None:
        """Remember how to stop something; the last started is stopped first."""
        self._stops.append(stop)

    def spawn(
        self, command: list[str], *, user: str | None = None, env: Mapping[str, str] | None = None, log: Path
    ) -> subprocess.Popen[bytes]:
        """Start a server in its own process group, stopped with the workspace; its output goes to ``log``."""
        with log.open("ab") as output:
            # A group of its own: Ctrl-C reaches the tests, and the servers go when the tests have gone.
            process = subprocess.Popen(
                command, stdout=output, stderr=output, user=user, env={**os.environ, **(env or {})}, start_new_session=True, cwd=log.parent
            )
        self.on_stop(lambda: terminate(process))
        return process

    def close(self) -> None:
        """Stop everything and remove the folder; a server that fails to stop does not keep the others alive."""
        while self._stops:
            try:
                self._stops.pop()()
            except (OSError, subprocess.SubprocessError) as error:
                print(f"services: could not stop a server: {error}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)


def terminate(process: subprocess.Popen[bytes], grace_s: float = 15.0) -> None:
    """Ask a process to stop, and kill it when it has not after ``grace_s`` seconds."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return a free loopback port below the range from which the system lends ports to clients."""
    # Not in order: several test runs may look at the same time.
    for port in random.sample(range(21000, 32000), 200):  # nosec B311 - any will do
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Missing("no free port between 21000 and 32000")


def unprivileged(name: str) -> str | None:
    """Return the user to run a server as when we are root (``name``, else nobody), or None when we are not."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return "nobody"


def own_folder(workspace: Workspace, name: str, user: str | None) -> Path:
    """Make a folder in the workspace that ``user`` may write."""
    folder = workspace.folder / name
    folder.mkdir()
    if user is not None:
        shutil.chown(folder, user)
    return folder


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, name: str, log: Path, timeout_s: float = 60.0) -> None:
    """Wait for a server; raises Missing with the end of its log when it dies or is not ready in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    tail = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    raise Missing(f"{name} did not start: {tail or 'it wrote nothing'}")


def package_binary(binary: str, package: str) -> str:
    """Return the path of a program, installing its Debian package first where we may; raises Missing otherwise."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(binary, path=path)
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"{binary} is not installed, and only root can install it: sudo apt-get install {package}")
    print(f"services: installing {package} with apt-get")
    _apt(package)
    found = shutil.which(binary, path=path)
    if not found:
        raise Missing(f"the package {package} holds no {binary}")
    return found


def _apt(package: str) -> None:
    # Without this the package would start a server of its own, on the standard port and for good.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
    for command in commands:
        done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0 and command[1] == "install":
            raise Missing(f"apt-get install {package} failed: {done.stderr.strip().splitlines()[-1:]}")
