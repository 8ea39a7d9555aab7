"""The port through which mail is sent."""

from dataclasses import dataclass
from typing import Protocol

from agentflow.errors import AgentFlowError, Kind


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to one person.

    Attributes:
        to: the mail address.
        subject: one line.
        text: what it says.
    """

    to: str
    subject: str
    text: str


class MailNotSent(AgentFlowError):
    """The mail server cannot be reached, or refused the message."""

    kind, code, title = Kind.UNAVAILABLE, "MAIL_NOT_SENT", "Mail not sent"


class Mailer(Protocol):
    """Sends mail. Every implementation passes ``tests/conformance/test_mailer.py``."""

    async def send(self, mail: Mail) -> None:
        """Hand a message to whoever delivers it.

        Raises:
            MailNotSent: nobody took it.
        """
        ...
