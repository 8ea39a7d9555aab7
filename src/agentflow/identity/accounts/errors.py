"""What can go wrong with accounts."""

from agentflow.errors import Conflict, Forbidden, Invalid, Unauthenticated


class WrongCredentials(Unauthenticated):
    """There is no such account, the password is wrong, or the account is disabled: the answer is the same, and takes as long."""

    code, title = "WRONG_CREDENTIALS", "Wrong credentials"


class SecondFactorRequired(Unauthenticated):
    """The password is right, and the account asks for a code besides."""

    code, title = "SECOND_FACTOR_REQUIRED", "Second factor required"


class PasswordRequired(Forbidden):
    """Whoever signed in a while ago, or shows an API key, has to show the password again for this."""

    code, title = "PASSWORD_REQUIRED", "Password required"


class TokenNotGood(Invalid):
    """The token of a mail or link is unknown, was used, or is too old."""

    code, title = "TOKEN_NOT_GOOD", "Token not good"


class AccountExists(Conflict):
    """There is an account with this name or mail address."""

    code, title = "ACCOUNT_EXISTS", "Account exists"


class RegistrationClosed(Forbidden):
    """Only who is invited may register here."""

    code, title = "REGISTRATION_CLOSED", "Registration closed"


class GuestsNotAllowed(Forbidden):
    """Strangers get no account here."""

    code, title = "GUESTS_NOT_ALLOWED", "No guests"


class NotASession(Conflict):
    """Only somebody who has signed in may do it, not an API key."""

    code, title = "NOT_A_SESSION", "Not a session"


class SecondFactorState(Conflict):
    """The second factor is not in the state that this needs."""

    code, title = "SECOND_FACTOR_STATE", "Second factor"
