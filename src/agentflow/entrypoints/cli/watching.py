"""Following a run on the command line: showing what happens, and asking who sits there when it waits."""

from typing import TYPE_CHECKING, Any

from agentflow.entrypoints.cli.asking import ask, how_to_answer, open_questions
from agentflow.entrypoints.cli.printer import Printer
from agentflow.entrypoints.cli.progress import Progress

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient


class Watch:
    """Watches one run.

    Args:
        client: the API.
        run_id: the run.
        printer: shows what happens; None shows nothing.
        asks: whether to ask at the terminal what the run waits for.
    """

    def __init__(self, client: "ApiClient", run_id: str, printer: Printer | None, *, asks: bool) -> None:
        self._client, self._run_id, self._printer, self._asks = client, run_id, printer, asks

    async def to_the_end(self, after: int = 0) -> dict[str, Any]:
        """Follow the run to its end, or until it waits for what nobody here can give, and return it."""
        progress = Progress(self._printer) if self._printer else None
        async for event in self._client.follow(self._run_id, after):
            if progress:
                progress.show(event)
            if event["type"] == "run.waiting" and not await self._on_waiting():
                break
        result: dict[str, Any] = await self._client.get(f"/runs/{self._run_id}")
        return result

    async def _on_waiting(self) -> bool:
        """Tell whether to watch on: the run waits for a time only, or for what was answered here."""
        questions = await open_questions(self._client, self._run_id)
        if not questions:
            return True
        if self._asks and self._printer and questions[0]["kind"] != "event" and await ask(self._client, self._printer, questions[0]):
            return True
        if self._printer:
            how_to_answer(self._printer, questions)
        return False


async def last_seq(client: "ApiClient", run_id: str) -> int:
    """Return the number of the last event of a run."""
    events = await client.get(f"/runs/{run_id}/events", after=0)
    while events["next_after"] is not None:
        events = await client.get(f"/runs/{run_id}/events", after=events["next_after"])
    return int(events["items"][-1]["seq"]) if events["items"] else 0
