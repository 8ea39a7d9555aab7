"""Which openings of links are written down: each visitor's, and not again each time that the same one looks."""

from collections import OrderedDict

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.audit.trail import Deed, Doer, Trail, address_of_request
from agentflow.kit.clock import Clock
from agentflow.workflows.sharing.door import Opened

QUIET_S = 3_600.0
"""Seconds for which further openings of a link from the same address are counted only."""
_REMEMBERED = 10_000


class Openings:
    """The openings that this process has written down lately.

    Who opens a link has no account here, or need not show it; a visitor is known by the address.

    Args:
        trail: where they are written down.
        clock: the time.
    """

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._noted: OrderedDict[tuple[str, str | None], float] = OrderedDict()

    async def note(self, session: AsyncSession, opened: Opened) -> None:
        """Write an opening down, in the transaction that counts it, unless the same visitor's was not long ago."""
        if not self._is_known(opened):
            await self._trail.add(
                session, Doer(opened.tenant_id), Deed("workflow.link-opened", opened.workflow_id, {"link_id": opened.link_id})
            )

    def remember(self, opened: Opened) -> None:
        """Remember an opening, now that it is stored."""
        if not self._is_known(opened):
            self._noted[self._visitor(opened)] = self._clock.monotonic()
            self._noted.move_to_end(self._visitor(opened))
            while len(self._noted) > _REMEMBERED:
                self._noted.popitem(last=False)

    def _is_known(self, opened: Opened) -> bool:
        noted = self._noted.get(self._visitor(opened))
        return noted is not None and self._clock.monotonic() - noted < QUIET_S

    def _visitor(self, opened: Opened) -> tuple[str, str | None]:
        return str(opened.link_id), address_of_request()
