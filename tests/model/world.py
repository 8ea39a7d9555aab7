"""The whole product in this process, with a client; it can be closed, or die, and be opened again on the same data."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from agentflow.bootstrap.container import open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import create_app
from agentflow.runtime.queue.leases import Leases
from tests.apps import BASE


class Installation:
    """One SQLite database in a folder of its own, and the process on it."""

    def __init__(self, migrated: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="agentflow-model-"))
        shutil.copy(migrated, self._folder / "agentflow.db")
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._client: httpx.AsyncClient
        self.settings = Settings(data_dir=self._folder, shutdown_grace_s=0, sweep_interval_s=0.1)
        self._runner.run(self._open())

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """Send a request and return the answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self._runner.run(self._client.request(method, path, json=body, headers=headers))

    def rest(self, seconds: float) -> None:
        """Let the process work."""
        self._runner.run(asyncio.sleep(seconds))

    def restart(self) -> None:
        """Stop the process as asked for, and start it again."""
        self._runner.run(self._again())

    def die(self) -> None:
        """Let the process end without giving anything back, and start it again."""

        async def nothing(_self: Leases, _run_ids: set[str] | None = None) -> None:
            return None

        async def end() -> None:
            with patch.object(Leases, "release", nothing):
                await self._stack.aclose()
            await self._open()

        self._runner.run(end())

    def close(self) -> None:
        """Stop the process for good."""
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def remove(self) -> None:
        """Delete the data."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _again(self) -> None:
        await self._stack.aclose()
        await self._open()

    async def _open(self) -> None:
        container = await self._stack.enter_async_context(open_container(self.settings))
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        client = httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers)
        self._client = await self._stack.enter_async_context(client)
