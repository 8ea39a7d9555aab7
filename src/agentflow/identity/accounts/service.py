"""One's own account: reading and changing it, new passwords, and proving a mail address."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from agentflow.errors import Unauthenticated
from agentflow.identity.accounts import repository
from agentflow.identity.accounts.errors import AccountExists, PasswordRequired, TokenNotGood
from agentflow.identity.accounts.post import Post
from agentflow.identity.accounts.schemas import AccountUpdate
from agentflow.identity.accounts.second_factor import Enrolment, SecondFactor
from agentflow.identity.accounts.sign_in import SignIn, attempts_about, wrong
from agentflow.identity.attempts import Attempts
from agentflow.identity.emails import InvalidEmail, email_of
from agentflow.identity.models import UserRow
from agentflow.identity.passwords import Passwords
from agentflow.identity.sessions.service import Device, Sessions
from agentflow.identity.subject import CredentialKind, Subject
from agentflow.identity.tokens.one_time import OneTimeTokens, TokenKind
from agentflow.infra.audit.trail import Also, Deed, Doer, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock

PROOF_LIFETIME = timedelta(days=2)


class Accounts:
    """The use cases of one's own account.

    Args:
        database: where accounts are.
        clock: the time.
        passwords: makes and checks hashes.
        sign_in: asks for the password again.
        factor: the second factor.
        sessions: ended when a password changes.
        tokens: for links in mails.
        attempts: makes guessing slow.
        post: sends mails.
        reset_lifetime: how long a link for a new password is good.
        fresh: how long after signing in the password is not asked for again.
        trail: where it is written down, in the log of the organisation that administers the account.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Passwords,
        sign_in: SignIn,
        factor: SecondFactor,
        sessions: Sessions,
        tokens: OneTimeTokens,
        attempts: Attempts,
        post: Post,
        reset_lifetime: timedelta,
        fresh: timedelta,
        trail: Trail,
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sign_in = sign_in
        self._factor = factor
        self._sessions = sessions
        self._tokens = tokens
        self._attempts = attempts
        self._post = post
        self._reset_lifetime = reset_lifetime
        self._fresh = fresh

    def _said(self, user: UserRow, verb: str, details: Mapping[str, Any] | None = None) -> Also:
        """Return what writes down what somebody does with the own account."""
        return self._trail.also(_doer(user), Deed(f"account.{verb}", user.id, details))

    async def get(self, user_id: str) -> UserRow:
        """Return the account of somebody who is signed in.

        Raises:
            Unauthenticated: it was deleted in the meantime.
        """
        user = await repository.look_up(self._database, user_id)
        if user is None:
            raise Unauthenticated("The credential is not valid.", hint="Sign in again.")
        return user

    async def update(self, user_id: str, new: AccountUpdate, device: Device) -> UserRow:
        """Change one's name for people, or mail address; a new address is unproven at first.

        Raises:
            WrongCredentials: a new mail address needs the password.
            AccountExists: the mail address is another account's.
            InvalidEmail: it is no mail address.
        """
        user, given = await self.get(user_id), new.model_fields_set
        values: dict[str, Any] = {"display_name": new.display_name} if "display_name" in given else {}
        if new.email is not None and (email := email_of(new.email)) != user.email:
            await self._sign_in.confirm(user, new.password, device)
            values |= {"email": email, "email_verified_at": None}
        if values:
            try:
                async with self._database.transaction() as session:
                    await repository.change(session, user_id, values)
                    # A link in the mailbox of the old address must not open the account any more.
                    await self._tokens.revoke(session, user_id, TokenKind.RESET)
                    await self._said(user, "updated", {"fields": sorted(values)})(session)
            except IntegrityError as error:
                raise AccountExists("There is an account with this mail address.", hint="Sign in there.") from error
        return await self.get(user_id)

    async def confirm_freshly(self, subject: Subject, password: str | None, device: Device) -> None:
        """Let only somebody go on who has signed in not long ago, or shows the password again; or has none to show.

        Raises:
            PasswordRequired: there is neither.
            WrongCredentials: the password is another.
            TooManyAttempts: somebody was wrong too often.
        """
        user = await self.get(subject.user_id)
        if password is not None:
            await self._sign_in.confirm(user, password, device)
        elif user.password_hash is not None and not await self._is_fresh(subject):
            raise PasswordRequired(
                "It is a while since you signed in.", hint='Send {"password": "…"} in the body, or sign in again and use the new session.'
            )

    async def _is_fresh(self, subject: Subject) -> bool:
        credential = subject.credential
        if credential is None or credential.kind is not CredentialKind.SESSION:
            return False
        session = await self._sessions.get(subject.user_id, credential.id)
        return self._clock.now() - session.created_at <= self._fresh

    async def change_password(self, subject: Subject, current: str | None, new: str, device: Device) -> None:
        """Set a new password; every other device is signed out.

        The first password of an account that has none needs no old one: the owner of a new installation sets it so.

        Raises:
            WrongCredentials: the present password is another.
            PasswordRefused: the new one is not good enough.
        """
        user = await self.get(subject.user_id)
        if user.password_hash is not None:
            await self._sign_in.confirm(user, current, device)
        await self._set_password(user, new)
        credential = subject.credential
        keep = credential.id if credential is not None and credential.kind is CredentialKind.SESSION else None
        await self._sessions.revoke_all(user.id, _doer(user), "password changed", but=keep)

    async def _set_password(self, user: UserRow, password: str) -> None:
        hashed = await self._passwords.hash(password, [user.username, user.email or "", user.display_name or ""])
        async with self._database.transaction() as session:
            await repository.change(session, user.id, {"password_hash": hashed})
            await self._tokens.revoke(session, user.id, TokenKind.RESET)
            await self._said(user, "password-changed")(session)
        if user.email is not None:
            self._post.password_changed(user.email, user.username)

    async def forgot_password(self, email: str, device: Device) -> None:
        """Send a link for a new password, if there is such an account; the answer is the same, and as quick, if there is none.

        Raises:
            TooManyAttempts: too many were asked for.
        """
        login = email.strip().lower()
        try:
            login = email_of(email)
        except InvalidEmail:
            login = "@"  # nobody's
        await self._attempts.take(f"forgot:{login}", *attempts_about("", device)[1:])
        async with self._database.reading() as session:
            user = await repository.find(session, login)
        # Made for nobody too, and thrown away: what is written must not tell who has an account.
        if user is None or user.disabled_at is not None or user.kind != "person" or user.email is None:
            await self._tokens.pretend()
            return
        token = await self._tokens.issue(user.id, TokenKind.RESET, self._reset_lifetime, self._said(user, "reset-asked"), user.email)
        self._post.reset(user.email, user.username, token, int(self._reset_lifetime.total_seconds() // 60))

    async def reset_password(self, token: str, password: str, device: Device) -> None:
        """Set a new password by the token of a mail; every device is signed out. The token is used up by a good password only.

        Raises:
            TokenNotGood: the token is unknown, used or too old, or the mail address is another now.
            PasswordRefused: the password is not good enough.
            TooManyAttempts: too many tokens were tried.
        """
        about = attempts_about("", device)[1:]
        if about:
            await self._attempts.take(*about)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as session:
            spent = await self._tokens.spend(session, token, TokenKind.RESET)
            user = None if spent is None else await repository.get(session, spent.user_id, lock=True)
            if spent is None or user is None or user.disabled_at is not None or user.email != spent.subject:
                raise _not_good()
            # Who reads the mail has the address: it is proven.
            proven = {"password_hash": hashed, "email_verified_at": user.email_verified_at or self._clock.now()}
            await repository.change(session, user.id, proven)
            await self._tokens.revoke(session, user.id, TokenKind.RESET)
            await self._said(user, "password-reset")(session)
        if about:
            await self._attempts.give_back(*about)
        await self._sessions.revoke_all(user.id, _doer(user), "password reset")
        if user.email is not None:
            self._post.password_changed(user.email, user.username)

    async def ask_proof(self, user_id: str) -> None:
        """Send a token that proves the account's mail address; does nothing where it is proven, or there is none."""
        user = await self.get(user_id)
        if user.email is None or user.email_verified_at is not None:
            return
        await self._attempts.take(f"proof:{user_id}")
        token = await self._tokens.issue(user.id, TokenKind.EMAIL, PROOF_LIFETIME, self._said(user, "proof-asked"), user.email)
        self._post.verification(user.email, user.username, token)

    async def prove_email(self, token: str, device: Device) -> None:
        """Take the token of a mail as proof of the address that it was sent to.

        Raises:
            TokenNotGood: it is unknown, used or too old, or the address is another now.
            TooManyAttempts: too many tokens were tried.
        """
        about = attempts_about("", device)[1:]
        if about:
            await self._attempts.take(*about)
        async with self._database.transaction() as session:
            spent = await self._tokens.spend(session, token, TokenKind.EMAIL)
            user = None if spent is None else await repository.get(session, spent.user_id, lock=True)
            if spent is None or user is None or user.email != spent.subject:
                raise _not_good()
            await repository.change(session, user.id, {"email_verified_at": self._clock.now()})
            await self._said(user, "email-proven")(session)
        if about:
            await self._attempts.give_back(*about)

    async def begin_factor(self, user_id: str, password: str | None, device: Device) -> Enrolment:
        """Begin a second factor.

        Raises:
            WrongCredentials: the password is another.
            SecondFactorState: there is one.
        """
        user = await self.get(user_id)
        await self._sign_in.confirm(user, password, device)
        return await self._factor.begin(user, self._said(user, "factor-begun"))

    async def finish_factor(self, user_id: str, code: str, device: Device) -> list[str]:
        """Turn the second factor on by a first code; returns the recovery codes, this once.

        Raises:
            WrongCredentials: the code is wrong.
            SecondFactorState: none was begun.
            TooManyAttempts: too many codes were tried.
        """
        user = await self.get(user_id)
        about = attempts_about(user.username, device)
        await self._attempts.take(*about)
        codes = await self._factor.finish(user, code, self._said(user, "factor-enabled"))
        if codes is None:
            raise wrong(user)
        await self._attempts.give_back(*about)
        return codes

    async def remove_factor(self, user_id: str, password: str | None, device: Device) -> None:
        """Take the second factor away.

        Raises:
            WrongCredentials: the password is another.
        """
        user = await self.get(user_id)
        await self._sign_in.confirm(user, password, device)
        await self._factor.remove(user, self._said(user, "factor-removed"))


def _doer(user: UserRow) -> Doer:
    return Doer(user.tenant_id, user.id, user.username)


def _not_good() -> TokenNotGood:
    return TokenNotGood("The token is unknown, was used, or is too old.", hint="Ask for a new one.")
