"""Which API a command talks to: a server by its URL, or the product inside this process."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflow.entrypoints.cli.exits import CliError, Exit

if TYPE_CHECKING:
    from agentflow.config.settings import Settings
    from agentflow.entrypoints.cli.client import ApiClient

KEY_FILE = "owner.key"
_EMBEDDED_URL = "http://localhost"
# Loading the local models happens inside a request.
_EMBEDDED_TIMEOUT_S = 600.0


def load_settings(data_dir: Path | None = None, **values: Any) -> "Settings":
    """Read the settings; ``data_dir`` and ``values`` that are not None win over the environment.

    Raises:
        CliError: a setting is unknown or has an impossible value; the message names its variable.
    """
    from pydantic import ValidationError

    from agentflow.config.settings import Settings

    given = {name: value for name, value in {"data_dir": data_dir, **values}.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [_told(item["loc"], item["msg"].removeprefix("Value error, ")) for item in error.errors()]
        raise CliError("A setting is not valid. " + "; ".join(lines), hint="docs/reference/settings.md lists them all.") from error
    except (OSError, ValueError) as error:
        raise CliError(f"The settings file cannot be read: {error}") from error


def _told(place: tuple[int | str, ...], message: str) -> str:
    """Return what is wrong with a setting behind its variable; what is wrong with several together names them itself."""
    return f"AGENTFLOW_{'_'.join(map(str, place)).upper()}: {message}" if place else message


@asynccontextmanager
async def connect(server: str | None, data_dir: Path | None) -> AsyncIterator["ApiClient"]:
    """Open the API for one command.

    Raises:
        CliError: the URL cannot be used, or the product cannot start here.
    """
    if server is not None:
        async with _remote(server, data_dir) as client:
            yield client
    else:
        async with _embedded(data_dir) as client:
            yield client


@asynccontextmanager
async def _remote(server: str, data_dir: Path | None) -> AsyncIterator["ApiClient"]:
    import httpx

    from agentflow.entrypoints.cli.client import ApiClient

    url = httpx.URL(server)
    if url.scheme not in {"http", "https"} or not url.host:
        raise CliError(f"--server {server} is not a URL.", hint="Write --server http://127.0.0.1:8000")
    key = os.environ.get("AGENTFLOW_API_KEY") or read_key(load_settings(data_dir).data_dir)
    async with httpx.AsyncClient(base_url=str(url).rstrip("/"), headers=_headers(key), timeout=60.0) as http:
        yield ApiClient(http)


@asynccontextmanager
async def _embedded(data_dir: Path | None) -> AsyncIterator["ApiClient"]:
    import httpx

    from agentflow.bootstrap.container import open_container
    from agentflow.entrypoints.cli.asgi import AsgiTransport
    from agentflow.entrypoints.cli.client import ApiClient
    from agentflow.errors import AgentFlowError
    from agentflow.infra.observability.logging import configure_logging
    from agentflow.interfaces.rest.app import create_app

    settings = load_settings(data_dir, log_level=None if "AGENTFLOW_LOG_LEVEL" in os.environ else "error")
    configure_logging(settings.log_level, settings.log_format)
    async with AsyncExitStack() as stack:
        try:
            container = await stack.enter_async_context(open_container(settings))
        except AgentFlowError as error:
            raise CliError(error.message, Exit.UNREACHABLE, hint=error.hint) from error
        except OSError as error:
            raise CliError(f"The data folder {settings.data_dir} cannot be used: {error.strerror or error}.") from error
        http = httpx.AsyncClient(
            transport=AsgiTransport(create_app(container)),
            base_url=_EMBEDDED_URL,
            headers=_headers(read_key(settings.data_dir)),
            timeout=_EMBEDDED_TIMEOUT_S,
        )
        yield ApiClient(await stack.enter_async_context(http))


def read_key(data_dir: Path) -> str | None:
    """Return the owner's key of a data folder, or None when there is none."""
    try:
        return (data_dir / KEY_FILE).read_text().strip() or None
    except OSError:
        return None


def _headers(key: str | None) -> dict[str, str]:
    return {"X-API-Key": key} if key else {}
