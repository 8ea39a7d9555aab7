"""REST: passwords, proofs of mail addresses, and the second factor."""

from fastapi import Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.accounts.doors import NO_STORE, accounts, device_of, session_of, sessions
from agentflow.identity.accounts.schemas import (
    Confirm,
    EmailProof,
    FactorConfirm,
    FactorEnrolment,
    ForgotPassword,
    PasswordChange,
    PasswordReset,
    RecoveryCodes,
)
from agentflow.identity.auth import Signed
from agentflow.identity.subject import Subject

router = slice_router("/api/v1/auth", "auth")


def _own_person(subject: Subject) -> str:
    """Return whose account it is; a key with scopes stands for less than the person."""
    if subject.credential is None or subject.credential.is_restricted:
        session_of(subject)
    return subject.user_id


@router.put("/password", status_code=204, operation_id="change_password", summary="Change my password")
async def change_password(request: Request, subject: Signed, new: PasswordChange) -> Response:
    """Set a new password; every other device is signed out. The first one of the owner of a new installation needs no old one."""
    _own_person(subject)
    await accounts(request).change_password(subject, new.current_password, new.new_password, device_of(request))
    request.app.state.container.credentials.forget()
    return Response(status_code=204)


@router.post("/password/forgot", status_code=202, response_class=Response, operation_id="forgot_password", summary="Forgot my password")
async def forgot_password(request: Request, given: ForgotPassword) -> Response:
    """Send a link for a new password to this mail address, if it has an account; the answer is the same if it has none."""
    await accounts(request).forgot_password(given.email, device_of(request))
    return Response(status_code=202)


@router.post("/password/reset", status_code=204, operation_id="reset_password", summary="Set a forgotten password anew")
async def reset_password(request: Request, given: PasswordReset) -> Response:
    """Set a new password by the token of the mail. It works once; every device is signed out."""
    await accounts(request).reset_password(given.token, given.password, device_of(request))
    request.app.state.container.credentials.forget()
    return Response(status_code=204)


@router.post("/email/send", status_code=202, response_class=Response, operation_id="send_email_proof", summary="Prove my mail address")
async def send_email_proof(request: Request, subject: Signed) -> Response:
    """Send a token to the account's mail address, unless it is proven."""
    session_of(subject)
    await accounts(request).ask_proof(subject.user_id)
    return Response(status_code=202)


@router.post("/email/verify", status_code=204, operation_id="verify_email", summary="Show that a mail address is mine")
async def verify_email(request: Request, given: EmailProof) -> Response:
    """Take the token of the mail as proof."""
    await accounts(request).prove_email(given.token, device_of(request))
    return Response(status_code=204)


@router.post("/totp", status_code=201, operation_id="begin_second_factor", summary="Begin a second factor", response_model=FactorEnrolment)
async def begin_second_factor(request: Request, subject: Signed, given: Confirm) -> Response:
    """Give out the secret for an authenticator app. It counts once a first code was shown."""
    session_of(subject)
    made = await accounts(request).begin_factor(subject.user_id, given.password, device_of(request))
    return JsonAnswer(FactorEnrolment(secret=made.secret, uri=made.uri), 201, NO_STORE)


@router.post("/totp/confirm", operation_id="confirm_second_factor", summary="Turn the second factor on", response_model=RecoveryCodes)
async def confirm_second_factor(request: Request, subject: Signed, given: FactorConfirm) -> Response:
    """Turn the second factor on by a first code; the recovery codes are in this answer and nowhere else."""
    session_id = session_of(subject)
    codes = await accounts(request).finish_factor(subject.user_id, given.code, device_of(request))
    await sessions(request).set_factor(subject, session_id, shown=True)
    request.app.state.container.credentials.forget()
    return JsonAnswer(RecoveryCodes(recovery_codes=codes), 200, NO_STORE)


@router.post("/totp/remove", status_code=204, operation_id="remove_second_factor", summary="Take the second factor away")
async def remove_second_factor(request: Request, subject: Signed, given: Confirm) -> Response:
    """Take the second factor away; needs the password. Every other device is signed out."""
    session_id = session_of(subject)
    await accounts(request).remove_factor(subject.user_id, given.password, device_of(request))
    await sessions(request).revoke_all(subject.user_id, subject, "second factor removed", but=session_id)
    await sessions(request).set_factor(subject, session_id, shown=False)
    request.app.state.container.credentials.forget()
    return Response(status_code=204)
