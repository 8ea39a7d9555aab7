"""Mail over SMTP; the only file that knows the library."""

from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.mailer.base import Mail, MailNotSent

TIMEOUT_S = 20.0
_PORTS = {"smtp": 587, "smtps": 465}


class SmtpNotUsable(AgentFlowError):
    """The URL of the mail server cannot be read."""

    kind, code, title = Kind.INVALID, "SMTP_NOT_USABLE", "Mail server cannot be used"


class SmtpMailer:
    """Fulfils ``Mailer`` over SMTP.

    ``smtp://`` turns to TLS when the server offers it (STARTTLS), and insists on that before it sends a password; ``smtps://`` is TLS from
    the first byte.

    Args:
        url: ``smtp://user:password@host:port`` or ``smtps://…``.
        sender: the address that mails come from, perhaps with a name.

    Raises:
        SmtpNotUsable: the URL is not one of these.
    """

    def __init__(self, url: str, sender: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (KeyError, ValueError) as error:
            # The URL may hold a password: it is not repeated.
            raise SmtpNotUsable(
                "smtp_url cannot be read.", hint="Write it like smtp://user:password@host:587 or smtps://host:465."
            ) from error
        if not parts.hostname:
            raise SmtpNotUsable("smtp_url names no host.", hint="Write it like smtp://user:password@host:587.")
        self._host, self._port, self._sender = parts.hostname, port, sender
        self._is_tls = parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, mail: Mail) -> None:
        """Hand a message to the server; see ``Mailer.send``."""
        import aiosmtplib

        # With a password TLS is a must; without one it is taken where it is offered.
        start_tls = None if self._is_tls or self._user is None else True
        try:
            await aiosmtplib.send(
                self._message(mail),
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._is_tls,
                start_tls=False if self._is_tls else start_tls,
                timeout=TIMEOUT_S,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailNotSent(f"The mail server {self._host} did not take a message: {type(error).__name__}.") from error

    def _message(self, mail: Mail) -> EmailMessage:
        # The policy refuses line breaks in headers: nobody can add some of their own.
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, mail.to, mail.subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="agentflow")
        message.set_content(mail.text)
        return message
