"""Mail addresses: one way to write each."""

from agentflow.errors import Invalid


class InvalidEmail(Invalid):
    """The text is no mail address."""

    code, title = "INVALID_EMAIL", "Invalid mail address"


def email_of(text: str) -> str:
    """Return a mail address in the form in which it is kept: small letters, one Unicode form.

    Raises:
        InvalidEmail: it is none, or not one that mail can be sent to.
    """
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(text.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidEmail(f"This is no mail address: {error}", hint="Write it like ada@example.com.") from error
