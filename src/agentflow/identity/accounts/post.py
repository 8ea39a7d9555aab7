"""Mails about accounts: what they say, and sending them beside the request."""

import asyncio

import structlog

from agentflow.infra.mailer.base import Mail, Mailer, MailNotSent

log = structlog.get_logger(__name__)

TRIES, WAIT_S = 3, 2.0


class Post:
    """Sends mails without letting anybody wait: how long an answer takes must not tell whether a mail was sent.

    Args:
        mailer: takes the messages.
        public_url: where people reach this server; None where nobody has said.
    """

    def __init__(self, mailer: Mailer, public_url: str | None) -> None:
        self._mailer = mailer
        self._url = (public_url or "").rstrip("/")
        self._under_way: set[asyncio.Task[None]] = set()

    def reset(self, to: str, username: str, token: str, minutes: int) -> None:
        """Send the token that sets a new password."""
        text = (
            f"Somebody asked for a new password of the account {username}.\n\n{self._how('reset-password', token)}\n\n"
            f"It works once, for {minutes} minutes. If it was not you, do nothing: the password stays as it is."
        )
        self._send(Mail(to, "Your new password for AgentFlow", text))

    def verification(self, to: str, username: str, token: str) -> None:
        """Send the token that proves a mail address."""
        text = f"This address was given for the account {username}.\n\n{self._how('verify-email', token)}\n\nIf it was not you, do nothing."
        self._send(Mail(to, "Is this your mail address?", text))

    def invitation(self, to: str, organisation: str, by: str, token: str) -> None:
        """Send an invitation."""
        text = f"{by} invites you into the organisation {organisation}.\n\n{self._how('invitation', token)}"
        self._send(Mail(to, f"Invitation into {organisation}", text))

    def password_changed(self, to: str, username: str) -> None:
        """Tell a user that the password is another now."""
        text = f"The password of the account {username} was changed. If it was not you, reset it at once, and look at your sessions."
        self._send(Mail(to, "Your password was changed", text))

    def _how(self, page: str, token: str) -> str:
        # Behind the #, where no server and no log sees it.
        return f"Open {self._url}/{page}#token={token}" if self._url else f"Your token: {token}"

    def _send(self, mail: Mail) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(mail), name="mail")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, mail: Mail) -> None:
        for number in range(1, TRIES + 1):
            try:
                await self._mailer.send(mail)
            except MailNotSent as error:
                log.warning("mail not sent", attempt=number, subject=mail.subject, error=error.message)
                if number < TRIES:
                    await asyncio.sleep(WAIT_S * number)
            else:
                return

    async def settle(self) -> None:
        """Wait for the mails under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def close(self) -> None:
        """Give the mails under way a moment, then leave them."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=WAIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
