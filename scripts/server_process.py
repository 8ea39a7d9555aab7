"""A real `agentflow serve` or `agentflow worker` in a process of its own, for benchmarks and crash tests."""

import http.client
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from scripts.launching import Launch, Launched, executed
from scripts.services.base import free_port


class ServerProcess:
    """One server on a free port; may be killed and started again on the same data.

    Args:
        data_dir: its data folder.
        database_url: its database; None for SQLite in the data folder.
        settings: further ``AGENTFLOW_*`` variables, without the prefix.
        launch: how it is started.
    """

    ready = b"listens on"
    """What the process prints once it can be used."""

    def __init__(
        self,
        data_dir: Path,
        database_url: str | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        launch: Launch = executed,
    ) -> None:
        self._launch = launch
        self.data_dir = data_dir
        self.port = free_port()
        self.settings = dict(settings or {}) | ({"database_url": database_url} if database_url else {})
        """Settings of its next start."""
        self._process: Launched | None = None

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        """Return the URL of its database."""
        return self.settings.get("database_url") or f"sqlite:///{self.data_dir / 'agentflow.db'}"

    @property
    def key(self) -> str:
        """Return the owner's key."""
        return (self.data_dir / "owner.key").read_text().strip()

    @property
    def log(self) -> Path:
        """Return the file that holds what the server printed."""
        return self.data_dir.with_suffix(".log")

    def start(self, timeout_s: float = 60.0, *, asks: str = "/health/ready") -> float:
        """Start the server and return the seconds until it answered.

        Args:
            timeout_s: how long it may take.
            asks: what is asked; the default wants every dependency to be there.

        Raises:
            RuntimeError: it ended, or did not answer in time; the message holds its output.
        """
        begin = time.monotonic()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
        # A server that is started a thousand times shall compile its code once.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {f"AGENTFLOW_{name.upper()}": value for name, value in self.settings.items()}
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            printed = output.tell()
            self._process = self._launch(self._arguments(), environment, output)
        while time.monotonic() - begin < timeout_s and self._process.poll() is None:
            # The line in its own log tells it from another server that took the port.
            if self.ready in self.log.read_bytes()[printed:] and self._answers(asks):
                return time.monotonic() - begin
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    def _arguments(self) -> list[str]:
        return ["serve", "--port", str(self.port), "--data-dir", str(self.data_dir)]

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def lives(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the id of the running process."""
        assert self._process is not None  # noqa: S101 - a process that was never started has none
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None  # noqa: S101 - a process that was never started gets no signals
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process at once, as a power cut would; wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int:
        """Wait for the end of the process and return its exit status."""
        assert self._process is not None  # noqa: S101 - waiting for a process that was never started is a mistake of the caller
        status = self._process.wait(timeout_s)
        self._process = None
        return status

    def stop(self) -> int:
        """Stop gracefully and return the exit status."""
        self.ask_to_stop()
        return self.wait(40)

    def resident_mb(self) -> float:
        """Return the resident memory of the process, in MB."""
        assert self._process is not None  # noqa: S101 - as above
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def peak_mb(self) -> float:
        """Return the most resident memory that the process ever had, in MB."""
        assert self._process is not None  # noqa: S101 - as above
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


class WorkerProcess(ServerProcess):
    """One worker; see ``ServerProcess``."""

    ready = b"worker drives"

    def _arguments(self) -> list[str]:
        return ["worker", "--data-dir", str(self.data_dir)]

    def _answers(self, path: str) -> bool:
        return True
