"""Every way to send mail takes the same messages, and says when nobody took one."""

import io

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from agentflow.infra.mailer.base import Mail, MailNotSent
from agentflow.infra.mailer.console import ConsoleMailer
from agentflow.infra.mailer.smtp import SmtpMailer, SmtpNotUsable
from scripts.services.base import free_port

MAIL = Mail("ada@example.com", "Grüße", "Dear Ada,\nyour token: afp_x\n")


class Box(Message):
    """Keeps what a mail server takes."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def handle_message(self, message):
        self.messages.append(message)


@pytest.fixture
def server():
    """Give a mail server and what it took."""
    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller, box.messages
    controller.stop()


def port_of(controller):
    return controller.server.sockets[0].getsockname()[1]


async def test_a_mail_arrives_over_smtp(server):
    """Address, subject in any language, and text."""
    controller, messages = server
    await SmtpMailer(f"smtp://127.0.0.1:{port_of(controller)}", "AgentFlow <a@example.com>").send(MAIL)
    (message,) = messages
    assert (message["To"], message["X-RcptTo"]) == ("ada@example.com", "ada@example.com")
    assert "afp_x" in message.get_payload(decode=True).decode()


async def test_a_mail_is_written_to_the_terminal():
    """With everything a person needs to pass it on, and nothing that steers a terminal."""
    out = io.StringIO()
    await ConsoleMailer(out).send(Mail("ada@example.com", "Hello", "one\x1b[31m\ntwo"))
    assert out.getvalue() == "mail to ada@example.com: Hello\n  one[31m\n  two\n"


async def test_a_server_that_is_away_is_an_error_of_ours():
    """So that it is tried again."""
    with pytest.raises(MailNotSent, match=r"127\.0\.0\.1"):
        await SmtpMailer("smtp://127.0.0.1:1", "a@example.com").send(MAIL)


async def test_a_password_is_never_sent_in_the_clear(server):
    """A server that offers no TLS gets no password, and so no mail."""
    controller, messages = server
    with pytest.raises(MailNotSent):
        await SmtpMailer(f"smtp://ada:secret@127.0.0.1:{port_of(controller)}", "a@example.com").send(MAIL)
    assert messages == []


@pytest.mark.parametrize("to", ["ada@example.com\nBcc: eve@example.com", "ada@example.com\r\n\r\nhello"])
async def test_s58_nobody_adds_headers(server, to):
    """A line break in an address or subject is refused."""
    controller, messages = server
    mailer = SmtpMailer(f"smtp://127.0.0.1:{port_of(controller)}", "a@example.com")
    for mail in (Mail(to, "s", "t"), Mail("ada@example.com", to, "t")):
        with pytest.raises((MailNotSent, ValueError)):
            await mailer.send(mail)
    assert messages == []


@pytest.mark.parametrize("url", ["http://host", "smtp://", "smtp://host:port", "mail.example.com", ""])
def test_a_url_that_is_none_is_refused_without_repeating_it(url):
    """It may hold a password."""
    with pytest.raises(SmtpNotUsable):
        SmtpMailer(url, "a@example.com")
