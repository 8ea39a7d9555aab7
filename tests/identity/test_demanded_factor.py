"""A second factor that is demanded of everybody: signing in without one leads to setting one up, and nowhere else."""

import pyotp
import pytest

from tests.identity.people import PASSWORD, bearer, hire, sign_in, speaking

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def settings(settings):
    """Demand a second factor of everybody."""
    return settings.model_copy(update={"second_factor_required": True})


async def refusal(person, method="GET", path="/workflows", **more):
    answer = await person.request(method, path, **more)
    return answer.status_code, answer.json().get("code")


async def test_s24_who_has_no_second_factor_may_only_set_one_up(app, client, stranger, later):
    """Reading, writing and making keys are refused until a first code was shown; from then on a code is asked for at each sign-in."""
    await hire(client, "ada", "admin")
    refused = (403, "SECOND_FACTOR_DEMANDED")
    async with speaking(app, bearer(await sign_in(stranger, "ada"))) as ada:
        assert await refusal(ada) == refused
        assert await refusal(ada, "POST", "/api-keys", json={"name": "way in"}) == refused
        assert await refusal(ada, "PATCH", "/auth/me", json={"display_name": "Ada"}) == refused
        assert await refusal(ada, "POST", "/auth/totp/remove", json={"password": PASSWORD}) == refused
        assert (await ada.get("/auth/me")).status_code == 200
        begun = (await ada.post("/auth/totp", json={"password": PASSWORD})).json()
        assert await refusal(ada) == refused
        confirmed = await ada.post("/auth/totp/confirm", json={"code": pyotp.TOTP(begun["secret"]).now()})
        assert confirmed.status_code == 200, confirmed.text
        assert (await ada.get("/workflows")).status_code == 200
        assert (await ada.get("/sessions/current")).json()["second_factor"] is True
        codes = confirmed.json()["recovery_codes"]
        assert await refusal(stranger, "POST", "/auth/login", json={"username": "ada", "password": PASSWORD}) == (
            401,
            "SECOND_FACTOR_REQUIRED",
        )
        async with speaking(app, bearer(await sign_in(stranger, "ada", code=codes[0]))) as phone:
            assert (await phone.get("/workflows")).status_code == 200
            assert (await ada.post("/auth/totp/remove", json={"password": PASSWORD})).status_code == 204
            assert await refusal(ada) == refused
            assert (await phone.get("/workflows")).status_code == 401


async def test_s24_one_may_sign_out_and_keys_are_as_good_as_before(app, client, stranger):
    """A program shows no second factor: its key was made by somebody who was let in."""
    await hire(client, "ada", "developer")
    tokens = await sign_in(stranger, "ada")
    async with speaking(app, bearer(tokens)) as ada:
        assert (await ada.delete("/sessions/current")).status_code == 204
        assert (await ada.get("/auth/me")).status_code == 401
    assert (await client.get("/workflows")).status_code == 200
