"""Our HMAC is the one of the standard library, which would let go of the interpreter lock."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from agentflow.infra.crypto import mac


@given(st.binary(max_size=200), st.binary(max_size=5_000))
def test_a_mac_is_hmac_sha256(key, message):
    """Whatever the lengths of key and message."""
    assert mac(key, message) == hmac.digest(key, message, "sha256")
