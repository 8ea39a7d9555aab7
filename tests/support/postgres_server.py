"""A PostgreSQL server of the test's own, which it may stop as a crash would."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from scripts.services.base import free_port, unprivileged


class PostgresProcess:
    """A server on an empty folder; what is committed survives its crashes."""

    def __init__(self, programs: Path, folder: Path, *, is_copy: bool = False) -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._programs, self._folder, self._data = programs, folder, folder / "data"
        self._more = ""
        # PostgreSQL refuses to run as root.
        self._user = unprivileged("nobody") if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        if not is_copy:
            self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")

    def demand_certificates(self, certificate: bytes, key: bytes, authority: bytes) -> None:
        """Have it speak TLS from its next start on, and let in only those who show a certificate of the authority in their name."""
        for name, content in (("server.crt", certificate), ("server.key", key), ("root.crt", authority)):
            path = self._data / name
            path.write_bytes(content)
            path.chmod(0o600)
            if self._user is not None:
                shutil.chown(path, self._user)
        (self._data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 cert\n")
        self._more = "-c ssl=on -c ssl_ca_file=root.crt"

    def standby(self) -> "PostgresProcess":
        """Return a hot standby of this running server, not started."""
        folder = Path(tempfile.mkdtemp(prefix="agentflow-postgres-"))
        copy = PostgresProcess(self._programs, folder, is_copy=True)
        source = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        copy._more = "-c log_statement=all"
        copy._run("pg_basebackup", "-d", source, "-D", copy._data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        return copy

    def remove(self) -> None:
        """Stop it, and remove its folder."""
        with suppress(subprocess.CalledProcessError):  # it may be down already
            self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} {self._more}"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._folder / "log", "-o", options)

    @property
    def log(self) -> str:
        """What it has written down."""
        return (self._folder / "log").read_text()

    def crash(self) -> None:
        """End it at once, without a checkpoint."""
        self._run("pg_ctl", "stop", "-m", "immediate", "-D", self._data)

    def _run(self, program: str, *arguments: object) -> None:
        # Not captured: the server inherits what it prints to, and would keep a pipe open.
        command = [self._programs / program, *map(str, arguments)]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def postgres_process() -> Iterator[PostgresProcess]:
    """Give a running server.

    Raises:
        FileNotFoundError: PostgreSQL's programs are not installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [Path(path) for path in [shutil.which("pg_ctl")] if path]
    if not found:
        raise FileNotFoundError("pg_ctl is not installed: this needs a PostgreSQL server that it may crash")
    folder = Path(tempfile.mkdtemp(prefix="agentflow-postgres-"))
    server = PostgresProcess(found[-1].parent, folder)
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_postgres() -> Iterator[PostgresProcess]:
    """Give a running server; packages import this into their ``conftest``."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_process())
        except FileNotFoundError as missing:
            pytest.skip(str(missing))
        yield server
