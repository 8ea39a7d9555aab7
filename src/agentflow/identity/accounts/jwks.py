"""REST: the public keys by which others check our access tokens."""

import base64

from fastapi import Request, Response
from pydantic import BaseModel, Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router

router = slice_router("", "auth")

MAX_AGE_S = 60


class Jwk(BaseModel):
    """A public key (RFC 8037)."""

    kty: str = Field(default="OKP", description="Kind of key.", examples=["OKP"])
    crv: str = Field(default="Ed25519", description="Curve.", examples=["Ed25519"])
    use: str = Field(default="sig", description="What it is for.", examples=["sig"])
    alg: str = Field(default="EdDSA", description="Algorithm.", examples=["EdDSA"])
    kid: str = Field(description="Its id, as in the header of tokens.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    x: str = Field(description="The key.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])


class JwkSet(BaseModel):
    """Every public key by which a token may be signed now."""

    keys: list[Jwk] = Field(description="The keys; look again for one that is not here.")


@router.get("/.well-known/jwks.json", operation_id="get_jwks", summary="Public keys of access tokens", response_model=JwkSet)
async def get_jwks(request: Request) -> Response:
    """Return the public keys of all processes of this installation. Private keys never leave the process that made them."""
    found = await request.app.state.container.identity.signing_keys.published()
    keys = [Jwk(kid=kid, x=base64.urlsafe_b64encode(key).decode().rstrip("=")) for kid, key in found.items()]
    return JsonAnswer(JwkSet(keys=keys), 200, {"Cache-Control": f"public, max-age={MAX_AGE_S}"})
