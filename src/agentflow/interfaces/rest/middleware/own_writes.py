"""Whoever has changed something sees it in the next list, also where lists are read from a standby."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentflow.endpoints.edges import PASSAGE
from agentflow.identity.auth import SAFE_METHODS
from agentflow.identity.traffic import Passage
from agentflow.infra.db.standby import Standby


class OwnWrites:
    """Tells the standby which tenants may have written, before they are told that they have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        standby: Standby = scope["app"].state.container.database.standby

        def note() -> None:
            passage: Passage | None = scope.get(PASSAGE)
            if passage is not None and passage.tenant_id is not None:
                standby.wrote(passage.tenant_id)

        async def answer(message: Message) -> None:
            note()
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            note()  # also what failed, or whose caller is gone, may have been written
