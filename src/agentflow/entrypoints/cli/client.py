"""The API as the command line uses it: one client, whether the server is far away or inside this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.kit import json

BASE = "/api/v1"
TERMINAL_EVENTS = frozenset({"run.succeeded", "run.failed", "run.cancelled", "run.timed_out"})
WAITING_STATUSES = frozenset({"waiting", "needs_attention"})
_RECONNECTS = 5


class ApiClient:
    """Calls the API and turns what goes wrong into ``CliError``."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer of a GET; query values that are None are left out."""
        return await self._json("GET", path, params={name: value for name, value in query.items() if value is not None})

    async def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON answer of a POST."""
        return await self._json("POST", path, **({} if body is None else {"content": json.dump_bytes(body), "headers": _JSON}))

    async def put(self, path: str, body: Any) -> Any:
        """Return the JSON answer of a PUT."""
        return await self._json("PUT", path, content=json.dump_bytes(body), headers=_JSON)

    async def patch(self, path: str, body: Any) -> Any:
        """Return the JSON answer of a PATCH."""
        return await self._json("PATCH", path, content=json.dump_bytes(body), headers=_JSON)

    async def set(self, path: str, name: str, body: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Any, bool]:
        """Give what has a name below ``path`` other values, or make it; returns it and whether it was made.

        Args:
            path: of the collection.
            name: what it is called.
            body: its values.
            new: what is needed besides to make it.
        """
        answer = await self._send("PUT", f"{path}/{quote(name, safe='')}", content=json.dump_bytes(dict(body)), headers=_JSON)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return await self.post(path, {"name": name, **new, **body}), True
        return json.loads(_checked(answer).content, max_depth=500), False

    def speak_with(self, token: str) -> None:
        """Show an access token from now on, instead of a key."""
        self._http.headers.pop("X-API-Key", None)
        self._http.headers["Authorization"] = f"Bearer {token}"

    async def lines(self, path: str, **query: Any) -> AsyncIterator[str]:
        """Yield the lines of a long answer as they come."""
        asked = {name: value for name, value in query.items() if value is not None}
        try:
            async with self._http.stream("GET", BASE + path, params=asked) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise failure(answer)
                async for line in answer.aiter_lines():
                    yield line
        except httpx.TransportError as error:
            raise _unreachable(self._http, error) from error

    async def delete(self, path: str) -> None:
        """Delete a resource."""
        await self._request("DELETE", path)

    async def text(self, path: str, **query: Any) -> str:
        """Return the answer of a GET as text."""
        return (await self._request("GET", path, params=query)).text

    async def upload(self, path: str, content: bytes, content_type: str) -> Any:
        """Post a document as it is and return the JSON answer."""
        return await self._json("POST", path, content=content, headers={"Content-Type": content_type})

    async def upload_file(self, path: str, name: str, content: bytes) -> Any:
        """Post a file as a form upload, under its name, and return the JSON answer."""
        return await self._json("POST", path, files={"file": (name, content)}, data={"id": name})

    async def save(self, path: str, file: BinaryIO) -> int:
        """Write the answer of a GET into a file, piece by piece; returns its bytes.

        Raises:
            CliError: the server cannot be reached, or refuses.
        """
        size = 0
        try:
            async with self._http.stream("GET", BASE + path) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise failure(answer)
                async for piece in answer.aiter_bytes():
                    size += file.write(piece)
        except httpx.TransportError as error:
            raise _unreachable(self._http, error) from error
        return size

    async def follow(self, run_id: str, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Yield a run's events from ``after`` on, live, up to the one that ends it; a broken connection is taken up again.

        Raises:
            CliError: the server cannot be reached any more.
        """
        failures = 0
        while True:
            try:
                async for event in self._stream(run_id, after):
                    failures = 0
                    after = max(after, int(event["seq"]))
                    yield event
                    if event["type"] in TERMINAL_EVENTS:
                        return
            except httpx.TransportError as error:
                failures += 1
                if failures > _RECONNECTS:
                    raise _unreachable(self._http, error) from error
                await asyncio.sleep(0.2 * 2**failures)
            else:
                # The stream of a run that waits for a person ends although the run has not.
                if (await self.get(f"/runs/{run_id}"))["status"] in WAITING_STATUSES:
                    return
                await asyncio.sleep(0.2)

    async def _stream(self, run_id: str, after: int) -> AsyncIterator[dict[str, Any]]:
        headers = {"Accept": "text/event-stream"}
        timeout = httpx.Timeout(10.0, read=60.0)
        async with self._http.stream(
            "GET", f"{BASE}/runs/{run_id}/events", params={"after": after}, headers=headers, timeout=timeout
        ) as answer:
            if answer.is_error:
                await answer.aread()
                raise failure(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:].strip(), max_depth=500)

    async def _json(self, method: str, path: str, **options: Any) -> Any:
        answer = await self._request(method, path, **options)
        return json.loads(answer.content, max_depth=500) if answer.content else None

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return _checked(await self._send(method, path, **options))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path if path.startswith("/health") else BASE + path, **options)
        except httpx.TransportError as error:
            raise _unreachable(self._http, error) from error


_JSON = {"Content-Type": "application/json"}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise failure(answer)
    return answer


def _unreachable(http: httpx.AsyncClient, error: Exception) -> CliError:
    return CliError(
        f"The server {http.base_url} cannot be reached: {error or type(error).__name__}.",
        Exit.UNREACHABLE,
        hint="Is it running? `agentflow serve` starts one; without --server the command works inside this process.",
    )


def failure(answer: httpx.Response) -> CliError:
    """Return the error that a refused request means for the user."""
    problem = _problem(answer)
    code = problem.get("code") or str(problem.get("type", "")).rpartition(":")[2]
    message = str(problem.get("detail") or problem.get("title") or f"The server answered {answer.status_code}.")
    hint = problem.get("hint")
    if code == "UNAUTHENTICATED":
        hint = "Set AGENTFLOW_API_KEY, or name with --data-dir the folder that holds owner.key."
    return CliError(message, _exit_code(answer.status_code, code), hint=hint, problems=problem.get("errors") or ())


def _exit_code(status: int, code: str) -> Exit:
    if code == "INVALID_SPEC":
        return Exit.INVALID_SPEC
    return Exit.UNREACHABLE if status >= httpx.codes.INTERNAL_SERVER_ERROR else Exit.BAD_USAGE


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        value = json.loads(answer.content)
    except json.InvalidJson:
        return {}
    return value if isinstance(value, dict) else {}
